//! What functions and operators of PromQL do, each in a few words.

use mainstay_promql::{AggregateOp, BinaryOp};

/// A function by its name.
pub fn function(name: &str) -> &'static str {
    let at = FUNCTIONS.binary_search_by(|(known, _)| (*known).cmp(name));
    at.map_or("a function", |at| FUNCTIONS[at].1)
}

const FUNCTIONS: [(&str, &str); 90] = [
    ("abs", "the value without its sign"),
    ("absent", "1 if there is no series at all, otherwise nothing"),
    ("absent_over_time", "1 if there was no sample in the window, otherwise nothing"),
    ("acos", "arc cosine"),
    ("acosh", "inverse hyperbolic cosine"),
    ("asin", "arc sine"),
    ("asinh", "inverse hyperbolic sine"),
    ("atan", "arc tangent"),
    ("atanh", "inverse hyperbolic tangent"),
    ("avg_over_time", "the mean of the window's samples"),
    ("ceil", "rounded up"),
    ("changes", "how often the value changed in the window"),
    ("clamp", "held between two limits"),
    ("clamp_max", "held below a limit"),
    ("clamp_min", "held above a limit"),
    ("cos", "cosine"),
    ("cosh", "hyperbolic cosine"),
    ("count_over_time", "how many samples the window has"),
    ("day_of_month", "the day of the month in UTC, from 1"),
    ("day_of_week", "the day of the week in UTC, Sunday is 0"),
    ("day_of_year", "the day of the year in UTC, from 1"),
    ("days_in_month", "how many days the month has"),
    ("deg", "radians as degrees"),
    ("delta", "last minus first, stretched to the window; for gauges"),
    ("deriv", "slope per second by linear regression; for gauges"),
    ("double_exponential_smoothing", "the value smoothed with its trend"),
    ("end", "the end of the query, in seconds"),
    ("exp", "e to the power of the value"),
    ("first_over_time", "the first sample of the window"),
    ("floor", "rounded down"),
    ("histogram_avg", "the mean of a histogram's observations"),
    ("histogram_count", "how many observations a histogram has"),
    ("histogram_fraction", "the share of observations between two limits"),
    ("histogram_quantile", "the value below which this share of observations lies, estimated from buckets"),
    ("histogram_quantiles", "several quantiles at once, told apart by a label"),
    ("histogram_stddev", "the standard deviation of a histogram's observations, estimated"),
    ("histogram_stdvar", "the variance of a histogram's observations, estimated"),
    ("histogram_sum", "the sum of a histogram's observations"),
    ("hour", "the hour in UTC, 0 to 23"),
    ("idelta", "the difference of the last two samples; for gauges"),
    ("increase", "how much a counter grew in the window, its resets evened out"),
    ("info", "labels of the matching info series added"),
    ("irate", "per second, from the last two samples only; for counters"),
    ("label_join", "a label made of other labels"),
    ("label_replace", "a label made of parts of another"),
    ("last_over_time", "the newest sample of the window"),
    ("ln", "natural logarithm"),
    ("log10", "decimal logarithm"),
    ("log2", "binary logarithm"),
    ("mad_over_time", "the median distance from the median in the window"),
    ("max_of", "the larger of two numbers"),
    ("max_over_time", "the largest sample of the window"),
    ("min_of", "the smaller of two numbers"),
    ("min_over_time", "the smallest sample of the window"),
    ("minute", "the minute of the hour, 0 to 59"),
    ("month", "the month in UTC, from 1"),
    ("pi", "3.14159…"),
    ("predict_linear", "the value so many seconds from now, by linear regression; for gauges"),
    ("present_over_time", "1 if the window has any sample"),
    ("quantile_over_time", "a quantile of the window's samples"),
    ("rad", "degrees as radians"),
    ("range", "the length of the query, in seconds"),
    ("rate", "per second, how fast a counter grew in the window, its resets evened out"),
    ("resets", "how often a counter was reset in the window"),
    ("round", "rounded to the nearest multiple"),
    ("scalar", "the value of the only series as a number; NaN if there is not exactly one"),
    ("sgn", "the sign: -1, 0 or 1"),
    ("sin", "sine"),
    ("sinh", "hyperbolic sine"),
    ("sort", "sorted, smallest first"),
    ("sort_by_label", "sorted by labels"),
    ("sort_by_label_desc", "sorted by labels, backwards"),
    ("sort_desc", "sorted, largest first"),
    ("sqrt", "square root"),
    ("start", "the start of the query, in seconds"),
    ("start_timestamp", "when the counter began, in seconds"),
    ("stddev_over_time", "the standard deviation of the window's samples"),
    ("stdvar_over_time", "the variance of the window's samples"),
    ("step", "the step of the query, in seconds"),
    ("sum_over_time", "the sum of the window's samples"),
    ("tan", "tangent"),
    ("tanh", "hyperbolic tangent"),
    ("time", "the time of evaluation, in seconds"),
    ("timestamp", "when the sample was taken, in seconds"),
    ("ts_of_first_over_time", "when the first sample of the window was taken"),
    ("ts_of_last_over_time", "when the newest sample of the window was taken"),
    ("ts_of_max_over_time", "when the largest sample of the window was taken"),
    ("ts_of_min_over_time", "when the smallest sample of the window was taken"),
    ("vector", "a number as a series without labels"),
    ("year", "the year in UTC"),
];

/// An aggregation.
pub fn aggregation(op: AggregateOp) -> &'static str {
    match op {
        AggregateOp::Sum => "the sum",
        AggregateOp::Avg => "the mean",
        AggregateOp::Count => "how many series there are",
        AggregateOp::Min => "the smallest",
        AggregateOp::Max => "the largest",
        AggregateOp::Group => "1 wherever there is any series",
        AggregateOp::Stddev => "the standard deviation",
        AggregateOp::Stdvar => "the variance",
        AggregateOp::Topk => "the series with the largest values",
        AggregateOp::Bottomk => "the series with the smallest values",
        AggregateOp::CountValues => "how many series have each value",
        AggregateOp::Quantile => "a quantile over the series",
        AggregateOp::Limitk => "so many of the series, always the same",
        AggregateOp::LimitRatio => "this share of the series, always the same",
    }
}

/// A binary operator; what it does to a comparison's sides is the caller's to say.
pub fn operator(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "left plus right",
        BinaryOp::Sub => "left minus right",
        BinaryOp::Mul => "left times right",
        BinaryOp::Div => "left divided by right",
        BinaryOp::Mod => "the remainder of left divided by right",
        BinaryOp::Pow => "left to the power of right",
        BinaryOp::Atan2 => "the angle of the point with these coordinates",
        BinaryOp::Equal => "equal",
        BinaryOp::NotEqual => "not equal",
        BinaryOp::Less => "left less than right",
        BinaryOp::LessEqual => "left at most right",
        BinaryOp::Greater => "left greater than right",
        BinaryOp::GreaterEqual => "left at least right",
        BinaryOp::TrimUpper => "a histogram without what is above right",
        BinaryOp::TrimLower => "a histogram without what is below right",
        BinaryOp::And => "left where right has a series too",
        BinaryOp::Or => "left, and right where left has no series",
        BinaryOp::Unless => "left where right has no series",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_explained() {
        let names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
        let known: Vec<&str> = mainstay_promql::FUNCTIONS.iter().map(|function| function.name).collect();
        assert_eq!(names, known);
    }
}
