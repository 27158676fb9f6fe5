//! The `.test` script language of Prometheus: load series, evaluate expressions, compare.
//!
//! ```text
//! load 1m
//!   requests_total{job="shop"} 0+60x10
//!
//! eval instant at 10m rate(requests_total[5m])
//!   {job="shop"} 1
//! ```
//!
//! As Prometheus does, every instant evaluation is also run as a range query around its instant and, where the
//! functions allow it, with the instant fixed by `@`; all must agree. Other than there, a failing evaluation
//! does not end the script.

mod compare;
mod description;
mod script;
mod storage;

use crate::ast::{At, Expr};
use crate::engine::{Engine, EvalError, Options};
use crate::functions::Kind;
use crate::parser::parse;
use crate::series::MemorySeries;
use crate::value::{Answer, MatrixSeries, Value, VectorSample};
pub use description::{Description, Item, parse_description};
pub use script::{Action, Command, Evaluation, Load, Pattern, When, parse_script};

/// What became of one evaluation, or of a command that could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The line of the command, from 1.
    pub line: usize,
    /// The expression, or the empty string when the command is none.
    pub expr: String,
    /// What differs from what was expected.
    pub failure: Option<String>,
}

/// What became of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// One entry per evaluation, and one per other command that failed.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// How many evaluations passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.failure.is_none()).count()
    }

    /// How many evaluations or other commands failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.outcomes.len() - self.passed()
    }
}

/// The options that Prometheus runs its own scripts with.
#[must_use]
pub fn default_options() -> Options {
    Options { delayed_name_removal: true, use_start_timestamps: true, ..Options::default() }
}

/// Runs a script with the options Prometheus uses for its own.
#[must_use]
pub fn run(text: &str) -> Report {
    run_with(text, &Engine::new(default_options()))
}

/// Runs a script on an engine.
#[must_use]
pub fn run_with(text: &str, engine: &Engine) -> Report {
    let mut report = Report::default();
    let mut storage = storage::Storage::default();
    let mut view: Option<MemorySeries> = None;
    for command in parse_script(text) {
        let (expr, result) = match command.what {
            Err(error) => (String::new(), Err(error)),
            Ok(Action::Clear) => {
                storage.clear();
                view = None;
                continue;
            }
            Ok(Action::Load(load)) => {
                view = None;
                match storage.load(&load) {
                    Ok(()) => continue,
                    Err(error) => (String::new(), Err(error)),
                }
            }
            Ok(Action::Eval(evaluation)) => {
                let series = view.get_or_insert_with(|| storage.view());
                (evaluation.expr.clone(), evaluate(engine, series, &evaluation))
            }
        };
        report.outcomes.push(Outcome { line: command.line, expr, failure: result.err() });
    }
    report
}

fn evaluate(engine: &Engine, series: &MemorySeries, test: &Evaluation) -> Result<(), String> {
    let expr = parse(&test.expr)
        .map_err(|errors| errors.first().map_or_else(|| "does not parse".to_owned(), ToString::to_string))?;
    match test.when {
        When::Range { start, end, step } => {
            if test.range_vector.is_some() {
                return Err("a range query cannot expect a range vector".to_owned());
            }
            let answer = engine.range(series, &expr, start, end, step);
            let Some(answer) = check_outcome(answer, test)? else { return Ok(()) };
            compare::matrix(test, answer.value.matrix(), start, step)
        }
        When::Instant(at) => {
            evaluate_at(engine, series, test, &expr, at)?;
            let Some(fixed) = with_fixed_instant(&expr, at) else { return Ok(()) };
            let printed = fixed.to_string();
            let fixed = parse(&printed).map_err(|errors| {
                let error = errors.first().map_or_else(String::new, ToString::to_string);
                format!("the expression with a fixed instant, {printed}, does not parse: {error}")
            })?;
            let times = if at == 0 { [-1000, 0, 1000, 0, 0] } else { [-10 * at, 0, at / 5, at, 10 * at] };
            for other in times {
                evaluate_at(engine, series, test, &fixed, other)
                    .map_err(|error| format!("with a fixed instant, {printed} at {other} ms: {error}"))?;
            }
            Ok(())
        }
    }
}

fn evaluate_at(
    engine: &Engine,
    series: &MemorySeries,
    test: &Evaluation,
    expr: &Expr,
    at: i64,
) -> Result<(), String> {
    let Some(answer) = check_outcome(engine.instant(series, expr, at), test)? else { return Ok(()) };
    compare::instant(test, &answer.value)?;
    let skip = matches!(answer.value, Value::String(..) | Value::Matrix(_)) || mentions_query_times(expr);
    if skip || test.range_vector.is_some() {
        return Ok(());
    }
    let ranged = engine
        .range(series, expr, at - 60_000, at + 60_000, 60_000)
        .map_err(|error| format!("as a range query: {}", full(&error)))?;
    if test.ordered {
        return Ok(());
    }
    let vector = at_instant(ranged.value.matrix(), at);
    let value = match answer.value {
        Value::Scalar(..) => {
            let value = vector.first().and_then(|sample| sample.sample.as_float()).unwrap_or(f64::NAN);
            Value::Scalar(at, value)
        }
        _ => Value::Vector(vector),
    };
    compare::instant(test, &value).map_err(|error| format!("as a range query: {error}"))
}

fn at_instant(matrix: &[MatrixSeries], at: i64) -> Vec<VectorSample> {
    matrix
        .iter()
        .filter_map(|series| {
            let sample = series.samples.iter().find(|sample| sample.t_ms == at)?.clone();
            Some(VectorSample { labels: series.labels.clone(), sample })
        })
        .collect()
}

/// The text of an error with its sources.
fn full(error: &EvalError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// Compares failure and annotations with what is expected; answers what else is to be compared.
fn check_outcome(answer: Result<Answer, EvalError>, test: &Evaluation) -> Result<Option<Answer>, String> {
    let answer = match (answer, &test.fail) {
        (Err(error @ EvalError::Unsupported { .. }), _) => return Err(full(&error)),
        (Err(error), Some(pattern)) => {
            let text = full(&error);
            if pattern.matches(&text) {
                return Ok(None);
            }
            return Err(format!("fails with {text}, expected {}", pattern.describe()));
        }
        (Err(error), None) => return Err(format!("fails with {}", full(&error))),
        (Ok(_), Some(_)) => return Err("succeeds, but is expected to fail".to_owned()),
        (Ok(answer), None) => answer,
    };
    for (what, found, wanted, none) in [
        ("warning", &answer.warnings, &test.warn, test.no_warn),
        ("info", &answer.infos, &test.info, test.no_info),
    ] {
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        if none && !texts.is_empty() {
            return Err(format!("unexpected {what} {}", texts.join("; ")));
        }
        for pattern in wanted {
            if !texts.iter().any(|text| pattern.matches(text)) {
                return Err(format!("no {what} is {}, there are [{}]", pattern.describe(), texts.join("; ")));
            }
        }
        if !wanted.is_empty() && !test.lenient {
            for text in &texts {
                if !wanted.iter().any(|pattern| pattern.matches(text)) {
                    return Err(format!("unexpected {what} {text}"));
                }
            }
        }
    }
    Ok(Some(answer))
}

fn mentions_query_times(expr: &Expr) -> bool {
    let text = expr.to_string().to_lowercase();
    ["start()", "end()", "range()", "step()"].iter().any(|word| text.contains(word))
}

/// The expression with every selector fixed to an instant, unless its functions depend on the step's time.
fn with_fixed_instant(expr: &Expr, at: i64) -> Option<Expr> {
    fn safe(expr: &Expr) -> bool {
        let own = match expr {
            Expr::Call(call) => {
                !matches!(call.function.kind, Kind::Date(_) | Kind::Query(_) | Kind::Time | Kind::Timestamp)
                    && call.function.name != "predict_linear"
            }
            _ => true,
        };
        own && expr.children().into_iter().all(safe)
    }
    fn fix(expr: &mut Expr, at: At) {
        match expr {
            Expr::Number(_) | Expr::String(_) => {}
            Expr::Selector(selector) => selector.at = selector.at.or(Some(at)),
            Expr::Range(range) => range.selector.at = range.selector.at.or(Some(at)),
            Expr::Subquery(subquery) => subquery.at = subquery.at.or(Some(at)),
            Expr::Call(call) => {
                // The second argument of info() is not a selector that is evaluated by itself.
                let keep = usize::from(call.function.kind == Kind::Info && call.args.len() > 1);
                let last = call.args.len() - keep;
                call.args[..last].iter_mut().for_each(|arg| fix(arg, at));
            }
            Expr::Aggregate(aggregate) => {
                if let Some(param) = &mut aggregate.param {
                    fix(param, at);
                }
                fix(&mut aggregate.expr, at);
            }
            Expr::Binary(binary) => {
                fix(&mut binary.lhs, at);
                fix(&mut binary.rhs, at);
            }
            Expr::Unary(unary) => fix(&mut unary.expr, at),
            Expr::Paren(paren) => fix(&mut paren.expr, at),
        }
    }
    if !safe(expr) {
        return None;
    }
    let mut fixed = expr.clone();
    fix(&mut fixed, At::Time(at));
    Some(fixed)
}
