//! Writing values as Go's `fmt` does.

use std::fmt::Write;

use super::run::Value;

/// The significant digits of a finite number, without trailing zeros, and the exponent of the first digit.
fn digits(value: f64, precision: Option<usize>) -> (String, i32) {
    let text = match precision {
        Some(precision) => format!("{:.*e}", precision.max(1) - 1, value.abs()),
        None => format!("{:e}", value.abs()),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let trimmed = digits.trim_end_matches('0');
    let digits = if trimmed.is_empty() { "0" } else { trimmed };
    (digits.to_owned(), exponent.parse().unwrap_or(0))
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}

/// `%g` with this precision; without one the shortest text that reads back, which is also `%v`.
pub(super) fn general(value: f64, precision: Option<usize>) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let (digits, exponent) = digits(value, precision);
    let limit = precision.map_or(6, |precision| i32::try_from(precision.max(1)).unwrap_or(i32::MAX));
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if exponent < -4 || exponent >= limit {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}e{exponent_sign}{:02}", exponent.abs());
    }
    let mut out = sign.to_owned();
    let Ok(point) = usize::try_from(exponent + 1) else {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', exponent.unsigned_abs() as usize - 1));
        return out + &digits;
    };
    if digits.len() <= point {
        out.push_str(&digits);
        out.extend(std::iter::repeat_n('0', point - digits.len()));
    } else if point == 0 {
        out.push_str("0.");
        out.push_str(&digits);
    } else {
        out.push_str(&digits[..point]);
        out.push('.');
        out.push_str(&digits[point..]);
    }
    out
}

/// `%e` with this precision.
fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A text in double quotes, with escapes, as `%q` writes it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// One `%...` of a format.
#[derive(Clone, Debug, PartialEq)]
struct Directive {
    minus: bool,
    plus: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
    verb: char,
}

enum Piece<'f> {
    Text(&'f str),
    Directive(Directive),
}

/// The widest and most precise that a format may ask for.
const MAX_WIDTH: usize = 200;

fn number(rest: &mut &str) -> Option<usize> {
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (head, tail) = rest.split_at(length);
    *rest = tail;
    head.parse().ok()
}

fn pieces(format: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push(Piece::Text(&rest[..at]));
        rest = &rest[at + 1..];
        let flags = rest.bytes().take_while(|b| b"-+ 0#".contains(b)).count();
        let (set, tail) = rest.split_at(flags);
        rest = tail;
        let width = number(&mut rest);
        let mut precision = None;
        if let Some(tail) = rest.strip_prefix('.') {
            rest = tail;
            precision = Some(number(&mut rest).unwrap_or(0));
        }
        let Some(verb) = rest.chars().next() else {
            return Err("The format ends after `%`".to_owned());
        };
        rest = &rest[verb.len_utf8()..];
        if !"vsqdfFeEgGxXt%".contains(verb) || set.contains('#') {
            let hash = if set.contains('#') { "#" } else { "" };
            return Err(format!("The format `%{hash}{verb}` is not supported"));
        }
        if width.unwrap_or(0).max(precision.unwrap_or(0)) > MAX_WIDTH {
            return Err(format!("A format may have a width and precision of {MAX_WIDTH}"));
        }
        out.push(Piece::Directive(Directive {
            minus: set.contains('-'),
            plus: set.contains('+'),
            space: set.contains(' '),
            zero: set.contains('0'),
            width,
            precision,
            verb,
        }));
    }
    out.push(Piece::Text(rest));
    Ok(out)
}

/// Whether a format is one that [`printf`] can write, and why not.
pub(super) fn check(format: &str) -> Result<(), String> {
    pieces(format).map(|_| ())
}

/// `printf`. What does not fit its format is written as Go writes it (`%!d(float64=1.5)`).
pub(super) fn printf(format: &str, values: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut values = values.iter();
    for piece in pieces(format)? {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Directive(directive) if directive.verb == '%' => out.push('%'),
            Piece::Directive(directive) => match values.next() {
                Some(value) => out.push_str(&directive.write(value)),
                None => {
                    let _ = write!(out, "%!{}(MISSING)", directive.verb);
                }
            },
        }
    }
    let extra: Vec<String> = values.map(|value| format!("{}={}", value.type_name(), value.print())).collect();
    if !extra.is_empty() {
        let _ = write!(out, "%!(EXTRA {})", extra.join(", "));
    }
    Ok(out)
}

impl Directive {
    fn write(&self, value: &Value) -> String {
        let (body, numeric) = match (self.verb, value) {
            ('v', Value::Float(number)) | ('g' | 'G', Value::Float(number)) => {
                (self.signed(general(*number, self.precision), *number < 0.0), true)
            }
            ('f' | 'F', Value::Float(number)) => {
                let text = special(*number)
                    .map_or_else(|| format!("{number:.*}", self.precision.unwrap_or(6)), str::to_owned);
                (self.signed(text, *number < 0.0), true)
            }
            ('e' | 'E', Value::Float(number)) => {
                let text = special(*number)
                    .map_or_else(|| exponential(*number, self.precision.unwrap_or(6)), str::to_owned);
                (self.signed(text, *number < 0.0), true)
            }
            ('d' | 'v', Value::Int(number)) => (self.signed(number.to_string(), *number < 0), true),
            ('x' | 'X', Value::Int(number)) => {
                let sign = if *number < 0 { "-" } else { "" };
                (self.signed(format!("{sign}{:x}", number.unsigned_abs()), *number < 0), true)
            }
            ('t' | 'v', Value::Bool(value)) => (value.to_string(), false),
            ('s' | 'v', Value::Text(text)) => {
                let cut = self.precision.unwrap_or(usize::MAX);
                (text.chars().take(cut).collect(), false)
            }
            ('q', Value::Text(text)) => (quoted(text), false),
            ('x' | 'X', Value::Text(text)) => {
                (text.bytes().map(|byte| format!("{byte:02x}")).collect(), false)
            }
            ('v', other) | ('s', other @ (Value::Labels(_) | Value::List(_) | Value::Sample(_))) => {
                (other.print(), false)
            }
            (verb, other) => (format!("%!{verb}({}={})", other.type_name(), other.print()), false),
        };
        let body = if matches!(self.verb, 'E' | 'G' | 'X') { body.to_uppercase() } else { body };
        self.pad(body, numeric)
    }

    /// With the sign that flags ask for. Infinity always has one.
    fn signed(&self, text: String, negative: bool) -> String {
        let bare = text.strip_prefix("+").filter(|_| !self.plus).map(str::to_owned);
        if negative || text == "NaN" || text.starts_with('+') {
            return if text == "+Inf" { text } else { bare.unwrap_or(text) };
        }
        if self.plus {
            format!("+{text}")
        } else if self.space {
            format!(" {text}")
        } else {
            text
        }
    }

    fn pad(&self, body: String, numeric: bool) -> String {
        let missing = self.width.unwrap_or(0).saturating_sub(body.chars().count());
        if missing == 0 {
            return body;
        }
        if self.minus {
            return body + &" ".repeat(missing);
        }
        let digits = body.chars().any(|c| c.is_ascii_digit());
        if self.zero && numeric && digits {
            let sign = usize::from(body.starts_with(['-', '+', ' ']));
            return format!("{}{}{}", &body[..sign], "0".repeat(missing), &body[sign..]);
        }
        " ".repeat(missing) + &body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, precision, text) in [
            (0.0, None, "0"),
            (1.0, None, "1"),
            (100.0, None, "100"),
            (0.1, None, "0.1"),
            (1_234_567.0, None, "1.234567e+06"),
            (123_456_789.0, None, "1.23456789e+08"),
            (999_999.0, None, "999999"),
            (1e21, None, "1e+21"),
            (1e-5, None, "1e-05"),
            (0.000_12, None, "0.00012"),
            (-2.5, None, "-2.5"),
            (f64::INFINITY, None, "+Inf"),
            (1234.5, Some(4), "1234"),
            (12345.0, Some(4), "1.234e+04"),
            (0.123_45, Some(4), "0.1235"),
            (100.0, Some(4), "100"),
            (99_999.0, Some(4), "1e+05"),
            (0.0, Some(4), "0"),
        ] {
            assert_eq!(general(value, precision), text, "{value} {precision:?}");
        }
    }

    #[test]
    fn printf_follows_its_flags_and_says_what_does_not_fit() {
        let float = |value| Value::Float(value);
        for (format, values, text) in [
            ("%.2f", vec![float(1.005)], "1.00"),
            ("%0.0f%%", vec![float(2.5)], "2%"),
            ("%8.2f|", vec![float(-1.5)], "   -1.50|"),
            ("%-8.2f|", vec![float(1.5)], "1.50    |"),
            ("%08.2f", vec![float(-1.5)], "-0001.50"),
            ("%+d", vec![Value::Int(3)], "+3"),
            ("%s and %v", vec![Value::Text("a".into()), float(2.0)], "a and 2"),
            ("%q", vec![Value::Text("a\"b".into())], "\"a\\\"b\""),
            ("%d", vec![float(1.5)], "%!d(float64=1.5)"),
            ("%s", vec![], "%!s(MISSING)"),
            ("x", vec![Value::Int(1)], "x%!(EXTRA int=1)"),
            ("%.1e", vec![float(12345.0)], "1.2e+04"),
            ("%f", vec![float(f64::INFINITY)], "+Inf"),
            ("%5.1f", vec![float(f64::NAN)], "  NaN"),
        ] {
            assert_eq!(printf(format, &values), Ok(text.to_owned()), "{format}");
        }
        assert!(check("%k").is_err() && check("%").is_err() && check("%999f").is_err());
    }
}
