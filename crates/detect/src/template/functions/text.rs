//! Texts, host names and links.

use std::net::IpAddr;

use crate::template::run::Value;

/// `print`: like Go's `fmt.Sprint`, with a space between two values when neither is a text.
pub(super) fn print(values: &[Value]) -> String {
    let mut out = String::new();
    for (index, value) in values.iter().enumerate() {
        let both_other =
            index > 0 && !matches!(value, Value::Text(_)) && !matches!(values[index - 1], Value::Text(_));
        if both_other {
            out.push(' ');
        }
        out.push_str(&value.print());
    }
    out
}

/// Escapes a text for the query of a URL; a space becomes `+`.
pub(super) fn query_escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The path where an expression is shown, as a graph (0) or a table (1).
pub(super) fn link(expr: &str, tab: u8) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", query_escape(expr))
}

/// The path of a URL, without a slash at its end.
pub(super) fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    path.split(['?', '#']).next().unwrap_or("").trim_end_matches('/')
}

/// Each word with a capital first letter.
pub(super) fn title(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric() || matches!(c, '_' | '\'');
    }
    out
}

/// Host and port of `host:port` and `[host]:port`.
fn split_port(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once("]:")?;
        return (!host.contains(['[', ']']) && !port.contains([':', '[', ']'])).then_some((host, port));
    }
    let (host, port) = text.rsplit_once(':')?;
    (!host.contains([':', '[', ']']) && !port.contains(['[', ']'])).then_some((host, port))
}

/// The host of `host:port`; anything else stays as it is.
pub(super) fn strip_port(text: &str) -> String {
    split_port(text).map_or(text, |(host, _)| host).to_owned()
}

/// The first label of a host name, with the port; addresses stay as they are.
pub(super) fn strip_domain(text: &str) -> String {
    let (host, port) = split_port(text).map_or((text, None), |(host, port)| (host, Some(port)));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let first = host.split('.').next().unwrap_or(host);
    port.map_or_else(|| first.to_owned(), |port| format!("{first}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_port_and_domain() {
        for (text, port, domain) in [
            ("web-1.shop.test:9100", "web-1.shop.test", "web-1:9100"),
            ("web-1", "web-1", "web-1"),
            ("10.0.0.1:80", "10.0.0.1", "10.0.0.1:80"),
            ("[::1]:80", "::1", "[::1]:80"),
            ("::1", "::1", "::1"),
        ] {
            assert_eq!((strip_port(text).as_str(), strip_domain(text).as_str()), (port, domain), "{text}");
        }
    }

    #[test]
    fn texts_are_escaped_and_titled() {
        assert_eq!(link("up == 0", 1), "/graph?g0.expr=up+%3D%3D+0&g0.tab=1");
        assert_eq!(title("disk full on it's host"), "Disk Full On It's Host");
        assert_eq!(path_of("https://example.test/mainstay/"), "/mainstay");
        assert_eq!(path_of("https://example.test"), "");
    }
}
