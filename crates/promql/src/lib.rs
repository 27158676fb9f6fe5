//! PromQL: parser, engine and test scripts.
//!
//! Start with [`parse`] and [`Engine`]; a store takes part by implementing [`Series`], and [`MemorySeries`] is
//! one for tests and tools. [`testscript`] runs the `.test` scripts Prometheus tests its own engine with.
#![doc = include_str!("../README.md")]

mod ast;
pub mod contract;
mod date;
mod engine;
mod functions;
mod histogram;
pub mod json;
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
