//! Instants and durations as values. Nothing here reads a clock.

use std::fmt;
use std::time::Duration;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, without leap seconds. Written and read as RFC 3339 in UTC with
/// three decimals (`2026-11-22T15:04:05.250Z`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampError(pub String);

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a time: expected RFC 3339 such as `2026-11-22T15:04:05Z`", self.0)
    }
}

impl std::error::Error for TimestampError {}

/// 0001-01-01 and 9999-12-31, the years RFC 3339 can write.
const MIN_MS: i64 = -62_135_596_800_000;
const MAX_MS: i64 = 253_402_300_799_999;

impl Timestamp {
    /// From milliseconds since the epoch; clamped to the years 1 to 9999, which is what can be written.
    pub fn from_millis(ms: i64) -> Self {
        Self(ms.clamp(MIN_MS, MAX_MS))
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch, with fraction; what PromQL calls a time.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// This instant and `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant and `duration` earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Days since the epoch to (year, month, day); after Howard Hinnant's `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let yoe = year.rem_euclid(400);
    let mp = i64::from((month + 9) % 12);
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0.div_euclid(86_400_000));
        let ms = self.0.rem_euclid(86_400_000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1000 % 60,
            ms % 1000
        )
    }
}

/// Reads exactly `n` ASCII digits from the front.
fn digits(text: &mut &str, n: usize) -> Option<u32> {
    let (head, tail) = text.split_at_checked(n)?;
    if !head.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    *text = tail;
    head.parse().ok()
}

fn literal(text: &mut &str, any_of: &[char]) -> Option<()> {
    *text = text.strip_prefix(any_of)?;
    Some(())
}

fn parse_rfc3339(mut text: &str) -> Option<i64> {
    let t = &mut text;
    let year = i64::from(digits(t, 4)?);
    literal(t, &['-'])?;
    let month = digits(t, 2)?;
    literal(t, &['-'])?;
    let day = digits(t, 2)?;
    literal(t, &['T', 't', ' '])?;
    let hour = digits(t, 2)?;
    literal(t, &[':'])?;
    let minute = digits(t, 2)?;
    literal(t, &[':'])?;
    let second = digits(t, 2)?;
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    // RFC 3339 allows second 60; without leap seconds it is the start of the next minute.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut millis = 0;
    if let Some(rest) = t.strip_prefix('.') {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return None;
        }
        for (place, digit) in rest.bytes().take(length.min(3)).enumerate() {
            millis += i64::from(digit - b'0') * [100, 10, 1][place];
        }
        *t = &rest[length..];
    }
    let offset_minutes = match t.chars().next()? {
        'Z' | 'z' => {
            *t = &t[1..];
            0
        }
        sign @ ('+' | '-') => {
            *t = &t[1..];
            let hours = i64::from(digits(t, 2)?);
            literal(t, &[':'])?;
            let minutes = i64::from(digits(t, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if sign == '-' { -1 } else { 1 }
        }
        _ => return None,
    };
    if !t.is_empty() {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400
        + i64::from(hour) * 3600
        + i64::from(minute) * 60
        + i64::from(second)
        - offset_minutes * 60;
    Some(seconds * 1000 + millis)
}

impl std::str::FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        parse_rfc3339(text)
            .filter(|ms| (MIN_MS..=MAX_MS).contains(ms))
            .map(Self)
            .ok_or_else(|| TimestampError(text.chars().take(60).collect()))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError(pub String);

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a duration: expected a number and a unit (ms, s, m, h, d, w, y), largest unit first, such as `1h30m` or `500ms`",
            self.0
        )
    }
}

impl std::error::Error for DurationError {}

/// The units of Prometheus durations, largest first, in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads a duration as Prometheus writes it (`1h30m`, `5s`, `250ms`; `0` needs no unit). Each unit at most once,
/// largest first; whole numbers only.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError(text.chars().take(40).collect());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut next_unit = 0;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..length].parse().map_err(|_| error())?;
        rest = &rest[length..];
        let unit_length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = &rest[..unit_length];
        rest = &rest[unit_length..];
        let index = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(error)?;
        if index < next_unit {
            return Err(error());
        }
        next_unit = index + 1;
        total = number.checked_mul(UNITS[index].1).and_then(|ms| total.checked_add(ms)).ok_or_else(error)?;
    }
    if next_unit == 0 {
        return Err(error());
    }
    Ok(Duration::from_millis(total))
}

/// A duration as people read it, with at most two units: `40 ms`, `12.3 s`, `2 min 5 s`, `3 h 10 min`, `4 d 2 h`. What is
/// less than the last unit is left out.
pub fn duration_in_words(duration: Duration) -> String {
    let ms = duration.as_millis();
    let seconds = ms / 1000;
    let (two, one) = (
        |a: u128, x: &str, b: u128, y: &str| format!("{a} {x} {b} {y}"),
        |a: u128, x: &str| format!("{a} {x}"),
    );
    match seconds {
        0 => one(ms, "ms"),
        1..60 => {
            let tenths = ms / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        60..3600 if seconds.is_multiple_of(60) => one(seconds / 60, "min"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 if seconds % 3600 < 60 => one(seconds / 3600, "h"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ if seconds % 86_400 < 3600 => one(seconds / 86_400, "d"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// Writes a duration so that [`parse_duration`] reads it back, to the millisecond (`1h30m`, `0s`).
pub fn format_duration(duration: Duration) -> String {
    let mut ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut out = String::new();
    // Weeks and years read worse than days in an incident.
    for (name, size) in UNITS.iter().skip(2) {
        if ms >= *size {
            out.push_str(&format!("{}{name}", ms / size));
            ms %= size;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_reads_and_writes_the_same_instant() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2026-11-22T15:04:05.250Z", 1_795_359_845_250),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("1969-12-31T23:59:59.999Z", -1),
            ("0001-01-01T00:00:00.000Z", MIN_MS),
            ("9999-12-31T23:59:59.999Z", MAX_MS),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(ms)), "{text}");
            assert_eq!(Timestamp(ms).to_string(), text);
        }
        assert_eq!("2026-11-22T16:04:05.25+01:00".parse(), Ok(Timestamp(1_795_359_845_250)));
        assert_eq!("2026-11-22t15:04:05.2509999z".parse(), Ok(Timestamp(1_795_359_845_250)));
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for bad in [
            "",
            "now",
            "2026-11-22",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T15:04:05",
            "2026-11-22T15:04:05.Z",
            "2026-11-22T15:04:05Zx",
            "2026-11-22T15:04:05+1:00",
            "００２６-11-22T15:04:05Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn durations_follow_prometheus() {
        for (text, ms) in [
            ("0", 0),
            ("0s", 0),
            ("5s", 5000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("1y", 31_536_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in [
            "",
            "5",
            "s",
            "1m1h",
            "1s1s",
            "1.5s",
            "-1s",
            " 1s",
            "1 s",
            "1µs",
            "99999999999999999999s",
            "999999999999y",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad:?} was accepted");
        }
        for ms in [0, 1, 999, 1000, 61_001, 86_400_000, 31_536_000_001] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
