//! Numbers as people read them.

use crate::template::format::general;

use super::instant;

fn short(value: f64) -> String {
    general(value, Some(4))
}

/// With a metric prefix: `1.234k`.
pub(super) fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return short(value);
    }
    if value.abs() >= 1.0 {
        return scaled(value, 1000.0, &["k", "M", "G", "T", "P", "E", "Z", "Y"], "");
    }
    small(value, "")
}

/// With a binary prefix: `1.234Ki`.
pub(super) fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        return short(value);
    }
    scaled(value, 1024.0, &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"], "")
}

fn scaled(mut value: f64, step: f64, prefixes: &[&'static str], unit: &str) -> String {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < step {
            break;
        }
        prefix = next;
        value /= step;
    }
    format!("{}{prefix}{unit}", short(value))
}

fn small(mut value: f64, unit: &str) -> String {
    let mut prefix = "";
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    format!("{}{prefix}{unit}", short(value))
}

/// A duration in seconds: `1d 2h 3m 4s`, `5.25s`, `250ms`.
pub(super) fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return short(value);
    }
    if value == 0.0 {
        return "0s".to_owned();
    }
    if value.abs() < 1.0 {
        return small(value, "s");
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let total = value.abs();
    let whole = total as i64;
    let (seconds, minutes, hours, days) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
    if days > 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours > 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes > 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", short(total))
    }
}

/// A time in seconds since 1970 as `2006-01-02 15:04:05.999 +0000 UTC`.
pub(super) fn timestamp(value: f64) -> String {
    let Some(time) = instant(value) else { return short(value) };
    let text = time.to_string();
    let plain = text.trim_end_matches('Z').replace('T', " ");
    let plain = plain.trim_end_matches('0').trim_end_matches('.');
    // Only the zeros of the fraction may go.
    let seconds = "2006-01-02 15:04:05".len();
    let kept = if plain.len() < seconds { text[..seconds].replace('T', " ") } else { plain.to_owned() };
    format!("{kept} +0000 UTC")
}

/// A duration in seconds as Go writes it: `1h2m3.5s`.
pub(super) fn go_duration(value: f64) -> String {
    if !value.is_finite() || value.abs() > 9.2e9 {
        return short(value);
    }
    let nanos = (value * 1e9) as i64;
    if nanos == 0 {
        return "0s".to_owned();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let decimal = |amount: u64, digits: usize| {
        let unit = 10_u64.pow(u32::try_from(digits).unwrap_or(0));
        let fraction = format!("{:0digits$}", amount % unit);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{}{point}{fraction}", amount / unit)
    };
    let body = match nanos {
        0..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 6)),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds = decimal(nanos % 60_000_000_000, 9);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{body}")
}

/// Seconds of a duration as Prometheus writes it, with an optional sign.
pub(super) fn parse_duration(text: &str) -> Result<f64, String> {
    let (sign, plain) = text.strip_prefix('-').map_or((1.0, text), |plain| (-1.0, plain));
    let duration = mainstay_model::parse_duration(plain).map_err(|error| error.to_string())?;
    Ok(sign * duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_prometheus() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (1_234_567.0, "1.235M"),
            (0.12, "120m"),
            (-0.0012, "-1.2m"),
            (f64::INFINITY, "+Inf"),
            (1e27, "1000Y"),
        ] {
            assert_eq!(humanize(value), text, "{value}");
        }
        for (value, text) in [(0.5, "0.5"), (1024.0, "1ki"), (1_048_576.0, "1Mi"), (-2048.0, "-2ki")] {
            assert_eq!(humanize_1024(value), text, "{value}");
        }
        for (value, text) in [
            (0.0, "0s"),
            (1.0, "1s"),
            (59.75, "59.75s"),
            (60.0, "1m 0s"),
            (3600.0, "1h 0m 0s"),
            (86_400.0, "1d 0h 0m 0s"),
            (43_200.0, "12h 0m 0s"),
            (-86_500.0, "-1d 0h 1m 40s"),
            (0.1, "100ms"),
            (0.000_1, "100us"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(humanize_duration(value), text, "{value}");
        }
    }

    #[test]
    fn times_and_durations_read_as_in_go() {
        assert_eq!(timestamp(1_435_065_584.128), "2015-06-23 13:19:44.128 +0000 UTC");
        assert_eq!(timestamp(0.0), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(timestamp(1_435_065_600.5), "2015-06-23 13:20:00.5 +0000 UTC");
        assert_eq!(timestamp(f64::NAN), "NaN");
        assert_eq!(go_duration(3723.5), "1h2m3.5s");
        assert_eq!(go_duration(0.0015), "1.5ms");
        assert_eq!(go_duration(-60.0), "-1m0s");
        assert_eq!(parse_duration("-1h30m"), Ok(-5400.0));
    }
}
