//! From bytes of a scalar's value to bytes of the file.
//!
//! The value is what is left after quotes, escapes, indentation and line folding. To underline a part of it, value and
//! text are walked side by side: each character of the value takes the text that it stands for. Where the two do not
//! fit, the answer is `None` and callers underline the whole scalar; nothing is ever underlined by guess.

use std::ops::Range;

use super::{Scalar, Style};

/// The bytes of the file that make `bytes` of the value.
pub(super) fn source_range(
    file: &str,
    span: Range<usize>,
    scalar: &Scalar,
    bytes: Range<usize>,
) -> Option<Range<usize>> {
    let text = file.get(span.clone())?;
    let places = match scalar.style {
        Style::Literal | Style::Folded => {
            let line_start = file[..span.start].rfind('\n').map_or(0, |at| at + 1);
            block(text, span.start - line_start, scalar)
        }
        Style::Filled => None,
        Style::Plain => flow(text, scalar, 0, text.len()),
        Style::SingleQuoted | Style::DoubleQuoted => flow(text, scalar, 1, text.len().saturating_sub(1)),
    }?;
    let inside = |place: &&Place| place.value >= bytes.start && place.value < bytes.end;
    let start = places.iter().find(|place| place.value >= bytes.start);
    let Some(start) = start else {
        let end = places.last()?.end;
        return Some(span.start + end..span.start + end);
    };
    let end = places.iter().rfind(inside).map_or(start.start, |place| place.end);
    Some(span.start + start.start..span.start + end.max(start.start))
}

/// The text of one character of the value.
struct Place {
    value: usize,
    start: usize,
    end: usize,
}

/// The length of a line break at the front.
fn line_break(text: &str) -> Option<usize> {
    if text.starts_with("\r\n") {
        Some(2)
    } else if text.starts_with(['\n', '\r']) {
        Some(1)
    } else {
        None
    }
}

/// `|` and `>`: the text starts at the first character of the first line, and each line is indented by `indent`.
fn block(text: &str, indent: usize, scalar: &Scalar) -> Option<Vec<Place>> {
    let skip_indent = |at: usize| at + text[at..].bytes().take(indent).take_while(|b| *b == b' ').count();
    let folded = scalar.style == Style::Folded;
    let mut places = Vec::new();
    let mut at = 0;
    let mut before_text = true;
    for (value, c) in scalar.text.char_indices() {
        let mut start = at;
        if c == '\n' {
            // Empty lines before the first line lie before the text, and a last line break may be implied.
            if !before_text && at < text.len() {
                let length = line_break(&text[at..])?;
                at = skip_indent(at + length);
            }
        } else {
            before_text = false;
            if folded && c != ' ' {
                while let Some(length) = line_break(&text[at..]) {
                    at = skip_indent(at + length);
                }
                start = at;
            }
            match line_break(&text[at..]) {
                Some(length) if folded && c == ' ' => at = skip_indent(at + length),
                _ if text[at..].starts_with(c) => at += c.len_utf8(),
                _ => return None,
            }
        }
        // Indentation belongs to no character.
        let end = if c == '\n' || at > start + c.len_utf8() { start + usize::from(at > start) } else { at };
        places.push(Place { value, start, end });
    }
    Some(places)
}

/// Plain and quoted scalars, whose line breaks are folded into spaces.
fn flow(text: &str, scalar: &Scalar, from: usize, to: usize) -> Option<Vec<Place>> {
    let text = text.get(..to)?;
    let mut places = Vec::new();
    let mut at = from;
    let mut folding = false;
    for (value, c) in scalar.text.char_indices() {
        if scalar.style == Style::DoubleQuoted {
            at = skip_escaped_break(text, at);
        }
        let start = at;
        let rest = text.get(at..)?;
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if matches!(c, ' ' | '\n') && line_break(&rest[blank..]).is_some() {
            at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            folding = true;
        } else if c == '\n' && folding {
            // The second and later empty lines of one fold were taken by the first.
        } else {
            folding = false;
            at += character(rest, c, scalar.style)?;
        }
        places.push(Place { value, start, end: at });
    }
    Some(places)
}

/// A backslash at the end of a line joins it with the next one.
fn skip_escaped_break(text: &str, mut at: usize) -> usize {
    while let Some(rest) = text.get(at..).and_then(|rest| rest.strip_prefix('\\'))
        && let Some(length) = line_break(rest)
    {
        let after = &rest[length..];
        at += 1 + length + after.len() - after.trim_start_matches([' ', '\t']).len();
    }
    at
}

/// The length of the text that makes this character.
fn character(rest: &str, c: char, style: Style) -> Option<usize> {
    match style {
        Style::SingleQuoted if c == '\'' => rest.starts_with("''").then_some(2),
        Style::DoubleQuoted if rest.starts_with('\\') => match rest[1..].chars().next()? {
            'x' => Some(4),
            // JSON writes what is beyond four digits as two escapes.
            'u' if u32::from(c) > 0xffff => Some(12),
            'u' => Some(6),
            'U' => Some(10),
            other => Some(1 + other.len_utf8()),
        },
        _ => rest.starts_with(c).then_some(c.len_utf8()),
    }
}
