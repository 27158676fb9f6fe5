//! An expression as a tree: what each part is, and what it does.

use mainstay_promql::{
    Aggregate, At, Binary, Cardinality, Expr, MatchOp, Matcher, NAME, ValueType, VectorSelector,
};
use serde_json::{Value, json};

use super::words;

/// One part of an expression.
pub struct Node {
    /// Its head, as it stands in the text.
    pub text: String,
    /// The type of its value.
    pub value_type: ValueType,
    /// What it does, in a few words.
    pub what: String,
    /// Its parts.
    pub parts: Vec<Node>,
}

/// The tree of an expression. Parentheses say nothing of their own.
pub fn tree(expr: &Expr) -> Node {
    let expr = expr.without_parens();
    let (text, what) = match expr {
        Expr::Number(number) => (
            number.to_string(),
            if number.duration { "a duration in seconds" } else { "a number" }.to_owned(),
        ),
        Expr::String(_) => (expr.to_string(), "a text".to_owned()),
        Expr::Selector(selector) => (
            expr.to_string(),
            format!("the newest sample of each series{}{}", condition(selector), shifted(selector)),
        ),
        Expr::Range(range) => (
            expr.to_string(),
            format!(
                "all samples of the last {} of each series{}{}",
                range.range,
                condition(&range.selector),
                shifted(&range.selector)
            ),
        ),
        Expr::Subquery(subquery) => {
            let inner = subquery.expr.to_string();
            let text = expr.to_string();
            let head = text.strip_prefix(&inner).unwrap_or(&text).to_owned();
            let every = subquery
                .step
                .as_ref()
                .map_or_else(|| "at the default interval".to_owned(), |step| format!("every {step}"));
            (head, format!("evaluated {every} over {}", subquery.range))
        }
        Expr::Call(call) => {
            (format!("{}()", call.function.name), words::function(call.function.name).to_owned())
        }
        Expr::Aggregate(aggregate) => (aggregate_head(aggregate), aggregate_words(aggregate)),
        Expr::Binary(binary) => binary_words(binary),
        Expr::Unary(unary) if unary.negative => ("-".to_owned(), "with the other sign".to_owned()),
        Expr::Unary(_) => ("+".to_owned(), "unchanged".to_owned()),
        Expr::Paren(_) => (expr.to_string(), String::new()),
    };
    Node { text, value_type: expr.value_type(), what, parts: expr.children().into_iter().map(tree).collect() }
}

fn aggregate_head(aggregate: &Aggregate) -> String {
    let labels = aggregate.grouping.join(", ");
    let keyword = aggregate.op.keyword();
    match (aggregate.without, aggregate.grouping.is_empty()) {
        (true, _) => format!("{keyword} without ({labels})"),
        (false, true) => keyword.to_owned(),
        (false, false) => format!("{keyword} by ({labels})"),
    }
}

fn aggregate_words(aggregate: &Aggregate) -> String {
    let what = words::aggregation(aggregate.op);
    match (aggregate.without, aggregate.grouping.is_empty()) {
        (true, true) => format!("{what}, one for each set of labels"),
        (true, false) => format!("{what}, one for each set of labels but {}", aggregate.grouping.join(", ")),
        (false, true) => format!("{what}, over everything"),
        (false, false) => format!("{what}, one for each {}", aggregate.grouping.join(", ")),
    }
}

fn binary_words(binary: &Binary) -> (String, String) {
    let text = binary.op.symbol().to_owned();
    let mut what = words::operator(binary.op).to_owned();
    let vector = |expr: &Expr| expr.value_type() == ValueType::Vector;
    if binary.op.is_comparison() {
        what = if binary.return_bool {
            format!("1 where {what}, otherwise 0")
        } else if vector(&binary.lhs) || vector(&binary.rhs) {
            format!("keeps the series where {what}")
        } else {
            format!("whether {what}")
        };
    }
    if !(vector(&binary.lhs) && vector(&binary.rhs)) {
        return (text, what);
    }
    let matching = &binary.matching;
    let labels = matching.labels.join(", ");
    let equal = match (matching.explicit, matching.on, matching.labels.is_empty()) {
        (true, true, false) => format!("series match by {labels}"),
        (true, true, true) => "every series matches".to_owned(),
        (true, false, false) => format!("series match by all labels but {labels}"),
        _ => "series match by all labels".to_owned(),
    };
    let many = match matching.cardinality {
        Cardinality::ManyToOne => ", many of the left to one of the right",
        Cardinality::OneToMany => ", one of the left to many of the right",
        Cardinality::OneToOne | Cardinality::ManyToMany => "",
    };
    (text, format!("{what}; {equal}{many}"))
}

fn condition(selector: &VectorSelector) -> String {
    let mut out = selector.metric_name().map_or_else(String::new, |name| format!(" of `{name}`"));
    let conditions: Vec<String> = selector
        .matchers
        .iter()
        .filter(|matcher| matcher.name != NAME || matcher.op != MatchOp::Equal)
        .map(worded)
        .collect();
    if !conditions.is_empty() {
        out.push_str(&format!(" where {}", conditions.join(" and ")));
    }
    out
}

fn worded(matcher: &Matcher) -> String {
    let name = if matcher.name == NAME { "the name" } else { matcher.name.as_str() };
    match (matcher.op, matcher.value.is_empty()) {
        (MatchOp::Equal, true) => format!("{name} is absent"),
        (MatchOp::NotEqual, true) => format!("{name} is present"),
        (MatchOp::Equal, false) => format!("{name} is {:?}", matcher.value),
        (MatchOp::NotEqual, false) => format!("{name} is not {:?}", matcher.value),
        (MatchOp::Regex, _) => format!("{name} matches {:?}", matcher.value),
        (MatchOp::NotRegex, _) => format!("{name} does not match {:?}", matcher.value),
    }
}

fn shifted(selector: &VectorSelector) -> String {
    let mut out = match selector.at {
        None => String::new(),
        Some(At::Start) => ", at the start of the query".to_owned(),
        Some(At::End) => ", at the end of the query".to_owned(),
        Some(At::Time(ms)) => format!(", at {}", mainstay_model::Timestamp::from_millis(ms)),
    };
    if let Some(offset) = &selector.offset {
        out.push_str(&format!(", shifted back by {offset}"));
    }
    if let Some(extension) = selector.extension {
        out.push_str(&format!(", {}", extension.keyword()));
    }
    out
}

/// The tree, drawn.
pub fn draw(node: &Node) -> String {
    let mut out = String::new();
    line(node, "", "", &mut out);
    out
}

fn line(node: &Node, first: &str, rest: &str, out: &mut String) {
    out.push_str(&format!("{first}{}  ({}) {}\n", node.text, node.value_type.describe(), node.what));
    for (index, part) in node.parts.iter().enumerate() {
        let last = index + 1 == node.parts.len();
        let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        line(part, &format!("{rest}{branch}"), &format!("{rest}{below}"), out);
    }
}

/// The tree for scripts.
pub fn to_json(node: &Node) -> Value {
    json!({
        "text": node.text,
        "type": node.value_type.api_name(),
        "what": node.what,
        "parts": node.parts.iter().map(to_json).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_says_what_each_part_does() {
        let text = "sum by (job) (rate(errors_total{code=~\"5..\"}[5m])) / on (job) up{env!=\"\"} offset 1h > bool 0.1";
        let expr = mainstay_promql::parse(text).expect("is PromQL");
        assert_eq!(
            draw(&tree(&expr)),
            "\
>  (instant vector) 1 where left greater than right, otherwise 0
├─ /  (instant vector) left divided by right; series match by job
│  ├─ sum by (job)  (instant vector) the sum, one for each job
│  │  └─ rate()  (instant vector) per second, how fast a counter grew in the window, its resets evened out
│  │     └─ errors_total{code=~\"5..\"}[5m]  (range vector) all samples of the last 5m of each series of `errors_total` where code matches \"5..\"
│  └─ up{env!=\"\"} offset 1h  (instant vector) the newest sample of each series of `up` where env is present, shifted back by 1h
└─ 0.1  (scalar) a number
"
        );
    }
}
