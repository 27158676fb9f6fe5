//! Parts of UTC dates from seconds since the epoch (proleptic Gregorian calendar).

use crate::functions::DateFn;

/// Year, month and day of a count of days since the epoch.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that the leap day is the last of a year; eras are 400 years.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The part of the date at `seconds` since the epoch.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "absurd instants saturate")]
pub(crate) fn part(which: DateFn, seconds: f64) -> f64 {
    // Beyond these bounds the calendar arithmetic would overflow.
    let seconds = (seconds as i64).clamp(-(1 << 55), 1 << 55);
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    let (year, month, day) = civil(days);
    let value = match which {
        DateFn::Minute => of_day / 60 % 60,
        DateFn::Hour => of_day / 3600,
        DateFn::DayOfWeek => (days + 4).rem_euclid(7),
        DateFn::DayOfMonth => day,
        DateFn::DayOfYear => (1..month).map(|m| month_length(year, m)).sum::<i64>() + day,
        DateFn::DaysInMonth => month_length(year, month),
        DateFn::Month => month,
        DateFn::Year => year,
    };
    value as f64
}

/// An instant as `2024-02-29T13:05:09Z`.
pub(crate) fn rfc3339(t_ms: i64) -> String {
    let seconds = t_ms.div_euclid(1000);
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_known_dates() {
        // 2024-02-29T13:05:09Z, a Thursday.
        let at = 1_709_211_909.0;
        let parts = [
            (DateFn::Year, 2024.0),
            (DateFn::Month, 2.0),
            (DateFn::DayOfMonth, 29.0),
            (DateFn::DayOfYear, 60.0),
            (DateFn::DayOfWeek, 4.0),
            (DateFn::DaysInMonth, 29.0),
            (DateFn::Hour, 13.0),
            (DateFn::Minute, 5.0),
        ];
        for (which, value) in parts {
            assert_eq!(part(which, at), value, "{which:?}");
        }
        assert_eq!(part(DateFn::Year, -1.0), 1969.0);
        assert_eq!(rfc3339(1_709_211_909_000), "2024-02-29T13:05:09Z");
    }
}
