//! The parsed form of an expression. Every node knows where it stands in the text.

use std::ops::Range;

use crate::functions::Function;
use crate::labels::{Matcher, NAME};

/// Where a node stands: byte offsets, and the line and column (both from 1, column in bytes) of its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Line of the first byte, from 1.
    pub line: u32,
    /// Column of the first byte within its line, in bytes from 1.
    pub column: u32,
}

impl Span {
    /// The byte range in the text.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// A span from the start of this one to the end of another.
    #[must_use]
    pub(crate) fn to(self, end: Self) -> Self {
        Self { end: end.end.max(self.end), ..self }
    }
}

/// The type of an expression's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// A number.
    Scalar,
    /// A text.
    String,
    /// One sample per series.
    Vector,
    /// A window of samples per series.
    Matrix,
}

impl ValueType {
    /// The name people see in messages.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }

    /// The name the HTTP API uses.
    #[must_use]
    pub fn api_name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
        }
    }
}

/// An expression.
#[derive(Debug, Clone)]
pub enum Expr {
    /// A number or a duration in seconds.
    Number(NumberLiteral),
    /// A quoted text.
    String(StringLiteral),
    /// An instant vector selector.
    Selector(VectorSelector),
    /// A range vector selector.
    Range(RangeSelector),
    /// An expression evaluated over a window of its own steps.
    Subquery(Subquery),
    /// A function call.
    Call(Call),
    /// An aggregation.
    Aggregate(Aggregate),
    /// A binary operation.
    Binary(Box<Binary>),
    /// A sign before an expression.
    Unary(Unary),
    /// An expression in parentheses.
    Paren(Paren),
}

/// A number; `duration` says it was written as a duration and prints as one.
#[derive(Debug, Clone)]
pub struct NumberLiteral {
    /// The value; seconds for a duration.
    pub value: f64,
    /// Whether it was written as a duration.
    pub duration: bool,
    /// Where it stands.
    pub span: Span,
}

/// A quoted text. Escapes can make bytes that are not UTF-8, so the value is bytes.
#[derive(Debug, Clone)]
pub struct StringLiteral {
    /// The unescaped bytes.
    pub value: Vec<u8>,
    /// Where it stands.
    pub span: Span,
}

impl StringLiteral {
    /// The value as text; bytes that are not UTF-8 become replacement characters.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.value).into_owned()
    }
}

/// The instant of an `@` modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// A fixed instant, milliseconds since the epoch.
    Time(i64),
    /// The start of the query.
    Start,
    /// The end of the query.
    End,
}

/// How a selector treats the borders of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// `anchored`: the last sample before the window stands for its left border.
    Anchored,
    /// `smoothed`: values at both borders are interpolated.
    Smoothed,
}

impl Extension {
    /// The keyword.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Smoothed => "smoothed",
        }
    }
}

/// `name{matchers} @ t offset d`, with the matcher for the name last in the list.
#[derive(Debug, Clone)]
pub struct VectorSelector {
    /// The name written before the braces, empty when there is none.
    pub name: String,
    /// The conditions, the one for `name` included.
    pub matchers: Vec<Matcher>,
    /// The `offset` modifier.
    pub offset: Option<DurationExpr>,
    /// The `@` modifier.
    pub at: Option<At>,
    /// `anchored` or `smoothed`.
    pub extension: Option<Extension>,
    /// Where it stands.
    pub span: Span,
}

impl VectorSelector {
    /// The metric name, where the selector fixes one (before the braces or by equality on `__name__`).
    #[must_use]
    pub fn metric_name(&self) -> Option<&str> {
        if !self.name.is_empty() {
            return Some(&self.name);
        }
        self.matchers
            .iter()
            .find(|m| m.name == NAME && m.op == crate::labels::MatchOp::Equal && !m.value.is_empty())
            .map(|m| m.value.as_str())
    }
}

/// `selector[range]`.
#[derive(Debug, Clone)]
pub struct RangeSelector {
    /// The selector, which also holds the modifiers.
    pub selector: VectorSelector,
    /// The window's length.
    pub range: DurationExpr,
    /// Where it stands.
    pub span: Span,
}

/// `expr[range:step]`.
#[derive(Debug, Clone)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Box<Expr>,
    /// The window's length.
    pub range: DurationExpr,
    /// The distance of the steps; the engine's default when absent.
    pub step: Option<DurationExpr>,
    /// The `offset` modifier.
    pub offset: Option<DurationExpr>,
    /// The `@` modifier.
    pub at: Option<At>,
    /// Where it stands.
    pub span: Span,
}

/// `function(args)`.
#[derive(Debug, Clone)]
pub struct Call {
    /// The function.
    pub function: &'static Function,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// Aggregation operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the operator of the same name")]
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    Limitk,
    LimitRatio,
}

impl AggregateOp {
    /// Every operator with its keyword.
    pub(crate) const ALL: [(&'static str, Self); 14] = [
        ("sum", Self::Sum),
        ("avg", Self::Avg),
        ("count", Self::Count),
        ("min", Self::Min),
        ("max", Self::Max),
        ("group", Self::Group),
        ("stddev", Self::Stddev),
        ("stdvar", Self::Stdvar),
        ("topk", Self::Topk),
        ("bottomk", Self::Bottomk),
        ("count_values", Self::CountValues),
        ("quantile", Self::Quantile),
        ("limitk", Self::Limitk),
        ("limit_ratio", Self::LimitRatio),
    ];

    /// The operator's keyword.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        Self::ALL.iter().find(|(_, op)| *op == self).map_or("", |(word, _)| word)
    }

    /// Whether the operator takes a parameter before the expression.
    #[must_use]
    pub fn takes_param(self) -> bool {
        matches!(
            self,
            Self::Topk | Self::Bottomk | Self::CountValues | Self::Quantile | Self::Limitk | Self::LimitRatio
        )
    }

    /// Whether the operator is experimental in Prometheus.
    #[must_use]
    pub fn experimental(self) -> bool {
        matches!(self, Self::Limitk | Self::LimitRatio)
    }
}

/// `sum by (label) (expr)`.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// What is aggregated.
    pub expr: Box<Expr>,
    /// The parameter of the operators that take one.
    pub param: Option<Box<Expr>>,
    /// The labels of `by` or `without`.
    pub grouping: Vec<String>,
    /// Whether the labels are those of `without`.
    pub without: bool,
    /// Where it stands.
    pub span: Span,
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the operator that `symbol` prints")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    TrimUpper,
    TrimLower,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    /// The operator's text.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::TrimUpper => "</",
            Self::TrimLower => ">/",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// Whether the operator compares (and so filters, or answers 0 and 1 with `bool`).
    #[must_use]
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal | Self::NotEqual | Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual
        )
    }

    /// Whether the operator works on sets of series rather than on values.
    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// Whether the result is a new quantity, so that it loses its name.
    #[must_use]
    pub fn is_arithmetic(self) -> bool {
        matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Mod | Self::Pow | Self::Atan2)
    }
}

/// How many series of each side may match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// One to one.
    OneToOne,
    /// `group_left`: many on the left.
    ManyToOne,
    /// `group_right`: many on the right.
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// How series of two vectors find each other.
#[derive(Debug, Clone)]
pub struct Matching {
    /// How many may match.
    pub cardinality: Cardinality,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Whether `labels` are those of `on`.
    pub on: bool,
    /// Whether `on` or `ignoring` was written.
    pub explicit: bool,
    /// The labels that `group_left` or `group_right` take from the one side.
    pub include: Vec<String>,
    /// The value used when a series of the left side is missing.
    pub fill_left: Option<f64>,
    /// The value used when a series of the right side is missing.
    pub fill_right: Option<f64>,
}

/// `lhs op rhs`.
#[derive(Debug, Clone)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// The left operand.
    pub lhs: Expr,
    /// The right operand.
    pub rhs: Expr,
    /// Whether `bool` was written.
    pub return_bool: bool,
    /// How series match; meaningful between vectors.
    pub matching: Matching,
    /// Where it stands.
    pub span: Span,
    /// Where the operator stands.
    pub op_span: Span,
}

/// `-expr` or `+expr`.
#[derive(Debug, Clone)]
pub struct Unary {
    /// Whether the sign is a minus.
    pub negative: bool,
    /// The operand.
    pub expr: Box<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// `(expr)`.
#[derive(Debug, Clone)]
pub struct Paren {
    /// What stands inside.
    pub expr: Box<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// Operators in duration expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the arithmetic operator of the same name")]
pub enum DurationOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
}

impl DurationOp {
    /// The operator's text.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
        }
    }
}

/// A duration that may depend on the query's step and range.
#[derive(Debug, Clone)]
pub enum DurationExpr {
    /// A literal.
    Literal(NumberLiteral),
    /// `step()`: the query's step.
    Step(Span),
    /// `range()`: the query's end minus its start.
    Range(Span),
    /// `min_of(a, b)`.
    MinOf(Box<DurationExpr>, Box<DurationExpr>, Span),
    /// `max_of(a, b)`.
    MaxOf(Box<DurationExpr>, Box<DurationExpr>, Span),
    /// `a op b`.
    Binary(DurationOp, Box<DurationExpr>, Box<DurationExpr>, Span),
    /// `-a`.
    Negative(Box<DurationExpr>, Span),
    /// `(a)`.
    Paren(Box<DurationExpr>, Span),
}

impl DurationExpr {
    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Literal(literal) => literal.span,
            Self::Step(span)
            | Self::Range(span)
            | Self::MinOf(_, _, span)
            | Self::MaxOf(_, _, span)
            | Self::Binary(_, _, _, span)
            | Self::Negative(_, span)
            | Self::Paren(_, span) => *span,
        }
    }

    /// Whether it is a plain literal, possibly negative, so that its value is known from the text.
    #[must_use]
    pub fn literal_seconds(&self) -> Option<f64> {
        match self {
            Self::Literal(literal) => Some(literal.value),
            Self::Negative(inner, _) => match &**inner {
                Self::Literal(literal) => Some(-literal.value),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Expr {
    /// Where the expression stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Number(e) => e.span,
            Self::String(e) => e.span,
            Self::Selector(e) => e.span,
            Self::Range(e) => e.span,
            Self::Subquery(e) => e.span,
            Self::Call(e) => e.span,
            Self::Aggregate(e) => e.span,
            Self::Binary(e) => e.span,
            Self::Unary(e) => e.span,
            Self::Paren(e) => e.span,
        }
    }

    /// The type of the expression's value.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Selector(_) | Self::Aggregate(_) => ValueType::Vector,
            Self::Range(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Call(call) => call.function.returns,
            Self::Binary(binary) => {
                let scalar = |e: &Self| e.value_type() == ValueType::Scalar;
                if scalar(&binary.lhs) && scalar(&binary.rhs) { ValueType::Scalar } else { ValueType::Vector }
            }
            Self::Unary(unary) => unary.expr.value_type(),
            Self::Paren(paren) => paren.expr.value_type(),
        }
    }

    /// The expression without the parentheses around it.
    #[must_use]
    pub fn without_parens(&self) -> &Self {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }

    /// The direct parts of the expression, in the order of the text.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Number(_) | Self::String(_) | Self::Selector(_) | Self::Range(_) => Vec::new(),
            Self::Subquery(e) => vec![&e.expr],
            Self::Call(e) => e.args.iter().collect(),
            Self::Aggregate(e) => e.param.iter().map(|p| &**p).chain([&*e.expr]).collect(),
            Self::Binary(e) => vec![&e.lhs, &e.rhs],
            Self::Unary(e) => vec![&e.expr],
            Self::Paren(e) => vec![&e.expr],
        }
    }

    /// Every selector in the expression, in the order of the text.
    #[must_use]
    pub fn selectors(&self) -> Vec<&VectorSelector> {
        let mut found = Vec::new();
        self.collect_selectors(&mut found);
        found
    }

    fn collect_selectors<'a>(&'a self, found: &mut Vec<&'a VectorSelector>) {
        match self {
            Self::Selector(selector) => found.push(selector),
            Self::Range(range) => found.push(&range.selector),
            _ => self.children().into_iter().for_each(|child| child.collect_selectors(found)),
        }
    }

    /// Every selector in the expression, for changing it (for instance to add a matcher).
    pub fn for_each_selector_mut(&mut self, change: &mut dyn FnMut(&mut VectorSelector)) {
        match self {
            Self::Selector(selector) => change(selector),
            Self::Range(range) => change(&mut range.selector),
            Self::Number(_) | Self::String(_) => {}
            Self::Subquery(e) => e.expr.for_each_selector_mut(change),
            Self::Call(e) => e.args.iter_mut().for_each(|arg| arg.for_each_selector_mut(change)),
            Self::Aggregate(e) => {
                if let Some(param) = &mut e.param {
                    param.for_each_selector_mut(change);
                }
                e.expr.for_each_selector_mut(change);
            }
            Self::Binary(e) => {
                e.lhs.for_each_selector_mut(change);
                e.rhs.for_each_selector_mut(change);
            }
            Self::Unary(e) => e.expr.for_each_selector_mut(change),
            Self::Paren(e) => e.expr.for_each_selector_mut(change),
        }
    }
}
