//! OpenTelemetry names to Prometheus names: the strategy `UnderscoreEscapingWithSuffixes` of Prometheus.

/// What a metric is, as far as its name is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suffix {
    /// A sum that only goes up: `_total`.
    Total,
    /// A gauge: `_ratio` when its unit is `1`.
    Ratio,
    /// Neither.
    None,
}

fn main_unit(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        "1" => "",
        other => other,
    }
}

fn per_unit(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}

/// Anything but letters, digits and colons becomes `_`, without repeats and not at the ends.
fn clean(unit: &str) -> String {
    tokens(unit).join("_")
}

fn tokens(name: &str) -> Vec<String> {
    name.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':'))
        .filter(|token| !token.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A unit in Prometheus' words: main and per part, each empty when there is none or it is an annotation.
fn unit_words(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let plain = |part: &str| !part.contains(['{', '}']);
    let (main, per) = (main.trim(), per.trim());
    let main = if plain(main) { clean(main_unit(main)) } else { String::new() };
    let per = if plain(per) { clean(per_unit(per)) } else { String::new() };
    (main, per)
}

/// A unit as metadata has it: `bytes_per_second`.
pub(super) fn unit(unit: &str) -> String {
    match unit_words(unit) {
        (main, per) if per.is_empty() => main,
        (main, per) if main.is_empty() => format!("per_{per}"),
        (main, per) => format!("{main}_per_{per}"),
    }
}

/// The name of a metric; empty when nothing of it can be kept.
pub(super) fn metric(name: &str, unit: &str, suffix: Suffix) -> String {
    let mut tokens = tokens(name);
    let (main, per) = unit_words(unit);
    if !main.is_empty() && !tokens.contains(&main) {
        tokens.push(main);
    }
    if !per.is_empty() && !tokens.contains(&per) {
        tokens.push("per".to_owned());
        tokens.push(per);
    }
    let last = match suffix {
        Suffix::Total => Some("total"),
        Suffix::Ratio if unit == "1" => Some("ratio"),
        Suffix::Ratio | Suffix::None => None,
    };
    if tokens.is_empty() {
        return String::new();
    }
    if let Some(last) = last {
        tokens.retain(|token| token != last);
        tokens.push(last.to_owned());
    }
    let mut name = tokens.join("_");
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// The name of a label; empty only for an empty key.
pub(super) fn label(key: &str) -> String {
    if key.len() > 4 && key.starts_with("__") && key.ends_with("__") {
        let inner = &key[2..key.len() - 2];
        if inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return key.to_owned();
        }
    }
    let mut name = String::with_capacity(key.len());
    for c in key.chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        if c != '_' || !name.ends_with('_') {
            name.push(c);
        }
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "key_");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_names_get_their_suffixes() {
        let cases = [
            ("http.server.request.duration", "s", Suffix::None, "http_server_request_duration_seconds"),
            ("system.io", "By", Suffix::Total, "system_io_bytes_total"),
            ("system.network.io", "By/s", Suffix::Ratio, "system_network_io_bytes_per_second"),
            ("requests_total", "{request}", Suffix::Total, "requests_total"),
            ("total.requests", "", Suffix::Total, "requests_total"),
            ("cpu.utilization", "1", Suffix::Ratio, "cpu_utilization_ratio"),
            ("queue.length", "1", Suffix::None, "queue_length"),
            ("wait_seconds", "s", Suffix::None, "wait_seconds"),
            ("3xx", "", Suffix::None, "_3xx"),
            ("a..b--c", "", Suffix::None, "a_b_c"),
            ("shop:orders", "", Suffix::Ratio, "shop:orders"),
            ("speed", "m/s", Suffix::None, "speed_meters_per_second"),
            ("x", "foo bar", Suffix::None, "x_foo_bar"),
            ("...", "", Suffix::None, ""),
        ];
        for (name, unit, suffix, expected) in cases {
            assert_eq!(metric(name, unit, suffix), expected, "{name} {unit}");
        }
        assert_eq!(unit("By/s"), "bytes_per_second");
        assert_eq!(unit("{requests}"), "");
    }

    #[test]
    fn label_names_are_escaped() {
        let cases = [
            ("http.method", "http_method"),
            ("http..method", "http_method"),
            ("1st", "key_1st"),
            ("_x", "_x"),
            ("__reserved__", "__reserved__"),
            ("größe", "gr_e"),
        ];
        for (key, expected) in cases {
            assert_eq!(label(key), expected);
        }
    }
}
