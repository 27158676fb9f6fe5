//! Times as people read them. The only place of the command line that reads the clock.

use std::time::Duration;

use mainstay_model::{Timestamp, duration_in_words};

/// Now, by this machine's clock.
pub fn now() -> Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "the command line shows ages, and is asked by a person now"
    )]
    let now = std::time::SystemTime::now();
    let since_epoch = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// A length of time in at most two units: `0.4 s`, `12.3 s`, `2 min 5 s`, `3 h 10 min`, `4 d 2 h`.
pub fn length(duration: Duration) -> String {
    match duration.as_millis() {
        // Beside others that are longer, milliseconds would look like more than they are.
        ms @ 0..1000 => format!("0.{} s", ms / 100),
        _ => duration_in_words(duration),
    }
}

/// Milliseconds as a length; below a second to the millisecond, because that is where such figures differ.
pub fn length_ms(ms: u64) -> String {
    duration_in_words(Duration::from_millis(ms))
}

/// How long ago, or that it is not known.
pub fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    since.map_or_else(|| "-".to_owned(), |since| length(now.since(since)))
}

/// The time of day in UTC with milliseconds: `15:04:05.250`.
pub fn clock(at: Timestamp) -> String {
    at.to_string().get(11..23).unwrap_or_default().to_owned()
}

/// Date and time in UTC to the second: `2026-11-22 15:04:05Z`.
pub fn stamp(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(date), Some(time)) => format!("{date} {time}Z"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_at_most_two_units() {
        for (ms, text) in [
            (0, "0.0 s"),
            (449, "0.4 s"),
            (12_345, "12.3 s"),
            (59_999, "59.9 s"),
            (60_000, "1 min"),
            (125_000, "2 min 5 s"),
            (3_600_000, "1 h"),
            (11_400_000, "3 h 10 min"),
            (86_400_000, "1 d"),
            (352_800_000, "4 d 2 h"),
        ] {
            assert_eq!(length(Duration::from_millis(ms)), text);
        }
        assert_eq!((length_ms(40), length_ms(3449)), ("40 ms".to_owned(), "3.4 s".to_owned()));
    }

    #[test]
    fn times_are_utc_and_say_so() {
        let at = Timestamp::from_millis(1_795_359_845_250);
        assert_eq!((clock(at).as_str(), stamp(at).as_str()), ("15:04:05.250", "2026-11-22 15:04:05Z"));
        assert_eq!(age(Some(at), at.plus(Duration::from_secs(90))), "1 min 30 s");
        assert_eq!(age(None, at), "-");
    }
}
