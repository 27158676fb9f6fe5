//! The functions of the language: their names, signatures and which code answers them.

use crate::ast::ValueType;

/// A function's signature.
#[derive(Debug)]
pub struct Function {
    /// The name, which is case-sensitive.
    pub name: &'static str,
    /// The types of the arguments; the last one repeats when the function is variadic.
    pub args: &'static [ValueType],
    /// How often the last argument may be given: 0 exactly once, `n` up to `n` times or not at all, -1 any number.
    pub variadic: i8,
    /// The type of the result.
    pub returns: ValueType,
    /// Whether Prometheus calls the function experimental.
    pub experimental: bool,
    pub(crate) kind: Kind,
}

/// Which code answers a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Math(MathFn),
    Round,
    Clamp,
    ClampMin,
    ClampMax,
    Pi,
    Time,
    Query(QueryFn),
    MinOf,
    MaxOf,
    Scalar,
    Vector,
    Timestamp,
    StartTimestamp,
    Absent,
    AbsentOverTime,
    Sort { descending: bool },
    SortByLabel { descending: bool },
    LabelReplace,
    LabelJoin,
    Info,
    HistogramStat(HistogramStat),
    HistogramQuantile,
    HistogramQuantiles,
    HistogramFraction,
    Date(DateFn),
    Over(OverFn),
}

/// Functions of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MathFn {
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Ceil,
    Cos,
    Cosh,
    Deg,
    Exp,
    Floor,
    Ln,
    Log10,
    Log2,
    Rad,
    Sgn,
    Sin,
    Sinh,
    Sqrt,
    Tan,
    Tanh,
}

/// Functions of the query's own times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryFn {
    End,
    Range,
    Start,
    Step,
}

/// Single numbers read from a native histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistogramStat {
    Avg,
    Count,
    Stddev,
    Stdvar,
    Sum,
}

/// Parts of a UTC date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateFn {
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    DaysInMonth,
    Hour,
    Minute,
    Month,
    Year,
}

/// Functions over a window of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverFn {
    Avg,
    Changes,
    Count,
    Delta,
    Deriv,
    DoubleExponentialSmoothing,
    First,
    Idelta,
    Increase,
    Irate,
    Last,
    Mad,
    Max,
    Min,
    PredictLinear,
    Present,
    Quantile,
    Rate,
    Resets,
    Stddev,
    Stdvar,
    Sum,
    TsOfFirst,
    TsOfLast,
    TsOfMax,
    TsOfMin,
}

/// The function of that name, if there is one.
#[must_use]
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok().map(|at| &FUNCTIONS[at])
}

const fn function(
    name: &'static str,
    args: &'static [ValueType],
    variadic: i8,
    returns: ValueType,
    kind: Kind,
) -> Function {
    Function { name, args, variadic, returns, experimental: false, kind }
}

const fn experimental(mut function: Function) -> Function {
    function.experimental = true;
    function
}

use ValueType::{Matrix, Scalar, String, Vector};

/// Every function, sorted by name.
pub static FUNCTIONS: [Function; 90] = [
    function("abs", &[Vector], 0, Vector, Kind::Math(MathFn::Abs)),
    function("absent", &[Vector], 0, Vector, Kind::Absent),
    function("absent_over_time", &[Matrix], 0, Vector, Kind::AbsentOverTime),
    function("acos", &[Vector], 0, Vector, Kind::Math(MathFn::Acos)),
    function("acosh", &[Vector], 0, Vector, Kind::Math(MathFn::Acosh)),
    function("asin", &[Vector], 0, Vector, Kind::Math(MathFn::Asin)),
    function("asinh", &[Vector], 0, Vector, Kind::Math(MathFn::Asinh)),
    function("atan", &[Vector], 0, Vector, Kind::Math(MathFn::Atan)),
    function("atanh", &[Vector], 0, Vector, Kind::Math(MathFn::Atanh)),
    function("avg_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::Avg)),
    function("ceil", &[Vector], 0, Vector, Kind::Math(MathFn::Ceil)),
    function("changes", &[Matrix], 0, Vector, Kind::Over(OverFn::Changes)),
    function("clamp", &[Vector, Scalar, Scalar], 0, Vector, Kind::Clamp),
    function("clamp_max", &[Vector, Scalar], 0, Vector, Kind::ClampMax),
    function("clamp_min", &[Vector, Scalar], 0, Vector, Kind::ClampMin),
    function("cos", &[Vector], 0, Vector, Kind::Math(MathFn::Cos)),
    function("cosh", &[Vector], 0, Vector, Kind::Math(MathFn::Cosh)),
    function("count_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::Count)),
    function("day_of_month", &[Vector], 1, Vector, Kind::Date(DateFn::DayOfMonth)),
    function("day_of_week", &[Vector], 1, Vector, Kind::Date(DateFn::DayOfWeek)),
    function("day_of_year", &[Vector], 1, Vector, Kind::Date(DateFn::DayOfYear)),
    function("days_in_month", &[Vector], 1, Vector, Kind::Date(DateFn::DaysInMonth)),
    function("deg", &[Vector], 0, Vector, Kind::Math(MathFn::Deg)),
    function("delta", &[Matrix], 0, Vector, Kind::Over(OverFn::Delta)),
    function("deriv", &[Matrix], 0, Vector, Kind::Over(OverFn::Deriv)),
    experimental(function(
        "double_exponential_smoothing",
        &[Matrix, Scalar, Scalar],
        0,
        Vector,
        Kind::Over(OverFn::DoubleExponentialSmoothing),
    )),
    experimental(function("end", &[], 0, Scalar, Kind::Query(QueryFn::End))),
    function("exp", &[Vector], 0, Vector, Kind::Math(MathFn::Exp)),
    function("first_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::First)),
    function("floor", &[Vector], 0, Vector, Kind::Math(MathFn::Floor)),
    function("histogram_avg", &[Vector], 0, Vector, Kind::HistogramStat(HistogramStat::Avg)),
    function("histogram_count", &[Vector], 0, Vector, Kind::HistogramStat(HistogramStat::Count)),
    function("histogram_fraction", &[Scalar, Scalar, Vector], 0, Vector, Kind::HistogramFraction),
    function("histogram_quantile", &[Scalar, Vector], 0, Vector, Kind::HistogramQuantile),
    experimental(function(
        "histogram_quantiles",
        &[Vector, String, Scalar, Scalar],
        9,
        Vector,
        Kind::HistogramQuantiles,
    )),
    function("histogram_stddev", &[Vector], 0, Vector, Kind::HistogramStat(HistogramStat::Stddev)),
    function("histogram_stdvar", &[Vector], 0, Vector, Kind::HistogramStat(HistogramStat::Stdvar)),
    function("histogram_sum", &[Vector], 0, Vector, Kind::HistogramStat(HistogramStat::Sum)),
    function("hour", &[Vector], 1, Vector, Kind::Date(DateFn::Hour)),
    function("idelta", &[Matrix], 0, Vector, Kind::Over(OverFn::Idelta)),
    function("increase", &[Matrix], 0, Vector, Kind::Over(OverFn::Increase)),
    experimental(function("info", &[Vector, Vector], 1, Vector, Kind::Info)),
    function("irate", &[Matrix], 0, Vector, Kind::Over(OverFn::Irate)),
    function("label_join", &[Vector, String, String, String], -1, Vector, Kind::LabelJoin),
    function("label_replace", &[Vector, String, String, String, String], 0, Vector, Kind::LabelReplace),
    function("last_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::Last)),
    function("ln", &[Vector], 0, Vector, Kind::Math(MathFn::Ln)),
    function("log10", &[Vector], 0, Vector, Kind::Math(MathFn::Log10)),
    function("log2", &[Vector], 0, Vector, Kind::Math(MathFn::Log2)),
    experimental(function("mad_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::Mad))),
    experimental(function("max_of", &[Scalar, Scalar], 0, Scalar, Kind::MaxOf)),
    function("max_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::Max)),
    experimental(function("min_of", &[Scalar, Scalar], 0, Scalar, Kind::MinOf)),
    function("min_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::Min)),
    function("minute", &[Vector], 1, Vector, Kind::Date(DateFn::Minute)),
    function("month", &[Vector], 1, Vector, Kind::Date(DateFn::Month)),
    function("pi", &[], 0, Scalar, Kind::Pi),
    function("predict_linear", &[Matrix, Scalar], 0, Vector, Kind::Over(OverFn::PredictLinear)),
    function("present_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::Present)),
    function("quantile_over_time", &[Scalar, Matrix], 0, Vector, Kind::Over(OverFn::Quantile)),
    function("rad", &[Vector], 0, Vector, Kind::Math(MathFn::Rad)),
    experimental(function("range", &[], 0, Scalar, Kind::Query(QueryFn::Range))),
    function("rate", &[Matrix], 0, Vector, Kind::Over(OverFn::Rate)),
    function("resets", &[Matrix], 0, Vector, Kind::Over(OverFn::Resets)),
    function("round", &[Vector, Scalar], 1, Vector, Kind::Round),
    function("scalar", &[Vector], 0, Scalar, Kind::Scalar),
    function("sgn", &[Vector], 0, Vector, Kind::Math(MathFn::Sgn)),
    function("sin", &[Vector], 0, Vector, Kind::Math(MathFn::Sin)),
    function("sinh", &[Vector], 0, Vector, Kind::Math(MathFn::Sinh)),
    function("sort", &[Vector], 0, Vector, Kind::Sort { descending: false }),
    experimental(function(
        "sort_by_label",
        &[Vector, String],
        -1,
        Vector,
        Kind::SortByLabel { descending: false },
    )),
    experimental(function(
        "sort_by_label_desc",
        &[Vector, String],
        -1,
        Vector,
        Kind::SortByLabel { descending: true },
    )),
    function("sort_desc", &[Vector], 0, Vector, Kind::Sort { descending: true }),
    function("sqrt", &[Vector], 0, Vector, Kind::Math(MathFn::Sqrt)),
    experimental(function("start", &[], 0, Scalar, Kind::Query(QueryFn::Start))),
    experimental(function("start_timestamp", &[Vector], 0, Vector, Kind::StartTimestamp)),
    function("stddev_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::Stddev)),
    function("stdvar_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::Stdvar)),
    experimental(function("step", &[], 0, Scalar, Kind::Query(QueryFn::Step))),
    function("sum_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::Sum)),
    function("tan", &[Vector], 0, Vector, Kind::Math(MathFn::Tan)),
    function("tanh", &[Vector], 0, Vector, Kind::Math(MathFn::Tanh)),
    function("time", &[], 0, Scalar, Kind::Time),
    function("timestamp", &[Vector], 0, Vector, Kind::Timestamp),
    experimental(function("ts_of_first_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::TsOfFirst))),
    experimental(function("ts_of_last_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::TsOfLast))),
    experimental(function("ts_of_max_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::TsOfMax))),
    experimental(function("ts_of_min_over_time", &[Matrix], 0, Vector, Kind::Over(OverFn::TsOfMin))),
    function("vector", &[Scalar], 0, Vector, Kind::Vector),
    function("year", &[Vector], 1, Vector, Kind::Date(DateFn::Year)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(FUNCTIONS.iter().all(|f| find(f.name).is_some_and(|found| found.name == f.name)));
    }
}
