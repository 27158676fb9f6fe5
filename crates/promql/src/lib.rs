//! A PromQL engine over a trait.
//!
//! The crate reads the whole of Prometheus 3's query language, evaluates it over anything that implements
//! [`Series`], and prints it back. It is pure: it has no clock, no files and no threads of its own, and its
//! answers depend on its arguments alone.
//!
//! ```
//! use mainstay_promql::{Engine, Labels, MemorySeries, Sample, Value, parse};
//!
//! let mut series = MemorySeries::new();
//! let labels = Labels::from_pairs([("__name__", "requests_total"), ("job", "shop")]);
//! for i in 0..=10 {
//!     series.push(&labels, Sample::float(i * 15_000, i as f64 * 30.0));
//! }
//! let expr = parse("sum by (job) (rate(requests_total[1m]))").expect("is PromQL");
//! let answer = Engine::default().instant(&series, &expr, 150_000).expect("evaluates");
//! let Value::Vector(vector) = answer.value else { panic!("a vector") };
//! assert_eq!(vector[0].labels.to_string(), r#"{job="shop"}"#);
//! assert!(vector[0].sample.as_float().is_some_and(|rate| (rate - 2.0).abs() < 1e-9));
//! ```

mod ast;
mod date;
mod engine;
mod functions;
mod histogram;
mod labels;
mod lexer;
mod numeric;
mod parser;
mod print;
mod series;
pub mod testscript;
mod text;
mod value;
mod xxhash;

pub use ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Cardinality, DurationExpr, DurationOp, Expr,
    Extension, Matching, NumberLiteral, Paren, RangeSelector, Span, StringLiteral, Subquery, Unary,
    ValueType, VectorSelector,
};
pub use engine::{Cancel, Engine, EvalError, Options};
pub use functions::{FUNCTIONS, Function, find as find_function};
pub use histogram::{CUSTOM_SCHEMA, Histogram, ResetHint};
pub use labels::{
    Label, Labels, MatchOp, Matcher, NAME, TYPE, UNIT, is_legacy_label_name, is_legacy_metric_name,
};
pub use parser::{ParseError, ParseOptions, parse, parse_selector, parse_with};
pub use series::{Hints, MemorySeries, Selection, Series, SeriesData};
pub use text::{DurationError, api_number, duration_ms, parse_duration_ms};
pub use value::{
    Annotation, Answer, Level, MatrixSeries, STALE_BITS, Sample, SampleValue, Samples, Value, VectorSample,
    is_stale, stale_marker,
};
