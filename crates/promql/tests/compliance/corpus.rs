//! The queries: those of the compliance suite with their variants spelt out, and more of our own.

/// A query and whether it must be refused.
#[derive(Debug, Clone)]
pub struct Query {
    pub text: String,
    pub should_fail: bool,
    /// The suite's, and not one of ours.
    pub from_suite: bool,
}

/// The values that the suite's tester puts in for the names in its templates.
const VARIANTS: &[(&str, &[&str])] = &[
    ("range", &["1s", "15s", "1m", "5m", "15m", "1h"]),
    ("offset", &["1m", "5m", "10m"]),
    ("simpleAggrOp", &["sum", "avg", "max", "min", "count", "stddev", "stdvar"]),
    (
        "simpleTimeAggrOp",
        &["sum", "avg", "max", "min", "count", "stddev", "stdvar", "absent", "last", "present"],
    ),
    ("topBottomOp", &["topk", "bottomk"]),
    ("quantile", &["-0.5", "0.1", "0.5", "0.75", "0.95", "0.90", "0.99", "1", "1.5"]),
    ("arithBinOp", &["+", "-", "*", "/", "%", "^"]),
    ("compBinOp", &["==", "!=", "<", ">", "<=", ">="]),
    ("binOp", &["+", "-", "*", "/", "%", "^", "==", "!=", "<", ">", "<=", ">="]),
    ("simpleMathFunc", &["abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "round"]),
    ("extrapolatedRateFunc", &["delta", "rate", "increase"]),
    ("clampFunc", &["clamp_min", "clamp_max"]),
    ("instantRateFunc", &["idelta", "irate"]),
    ("dateFunc", &["day_of_month", "day_of_week", "days_in_month", "hour", "minute", "month", "year"]),
];

/// What the suite does not ask: joins, staleness, `@`, subqueries in range queries, values out of the ordinary.
const MORE: &[&str] = &[
    "demo_odd_values",
    "demo_odd_values == bool demo_odd_values",
    "demo_odd_values > 0",
    "demo_odd_values {{.arithBinOp}} 3",
    "sum(demo_odd_values)",
    "{{.simpleTimeAggrOp}}_over_time(demo_odd_values[{{.range}}])",
    "{{.simpleTimeAggrOp}}_over_time(demo_intermittent_metric[{{.range}}])",
    "quantile_over_time({{.quantile}}, demo_intermittent_metric[{{.range}}])",
    "{{.extrapolatedRateFunc}}(demo_items_shipped_total[{{.range}}])",
    "{{.instantRateFunc}}(demo_items_shipped_total[{{.range}}])",
    "resets(demo_items_shipped_total[{{.range}}])",
    "changes(demo_is_holiday[{{.range}}])",
    "deriv(demo_intermittent_metric[{{.range}}])",
    "predict_linear(demo_intermittent_metric[{{.range}}], -60)",
    "absent(demo_intermittent_metric)",
    "absent(demo_intermittent_metric{instance=\"demo.promlabs.com:10001\", job=~\"demo\"})",
    "absent_over_time(demo_intermittent_metric[{{.range}}])",
    "count(demo_intermittent_metric) by (job)",
    "demo_intermittent_metric offset {{.offset}}",
    "demo_intermittent_metric or demo_num_cpus",
    "demo_num_cpus and on (instance) demo_intermittent_metric",
    "demo_num_cpus unless on (instance) demo_intermittent_metric",
    "demo_num_cpus * on (instance) group_left (version, goversion) demo_build_info",
    "demo_build_info * on (instance) group_right (version) demo_memory_usage_bytes",
    "demo_memory_usage_bytes * on (job) demo_num_cpus",
    "demo_memory_usage_bytes + ignoring (type) group_left demo_num_cpus",
    "demo_cpu_usage_seconds_total @ 1700003000",
    "rate(demo_cpu_usage_seconds_total[5m] @ end())",
    "rate(demo_cpu_usage_seconds_total[5m] @ start() offset 1m)",
    "demo_memory_usage_bytes - demo_memory_usage_bytes @ 1700002000.5",
    "{{.simpleTimeAggrOp}}_over_time(demo_num_cpus[10m:30s] offset 1m)",
    "max_over_time(sum by (mode) (rate(demo_cpu_usage_seconds_total[1m]))[10m:])",
    "rate(demo_items_shipped_total[10m:20s])",
    "min_over_time((demo_odd_values > 0)[15m:15s])",
    "sum_over_time(rate(demo_cpu_usage_seconds_total[1m])[5m:7s] @ 1700004000.123)",
    "deriv(rate(demo_cpu_usage_seconds_total[1m])[5m:30s])",
    "histogram_quantile({{.quantile}}, sum by (le, path) (rate(demo_api_request_duration_seconds_bucket[5m])))",
    "histogram_quantile(0.9, demo_api_request_duration_seconds_bucket)",
    "histogram_quantile(0.5, sum without (instance) (increase(demo_api_request_duration_seconds_bucket[1m])))",
    "sum(rate(demo_api_request_duration_seconds_sum[5m])) / sum(rate(demo_api_request_duration_seconds_count[5m]))",
    "sum by (path) (rate(demo_api_request_duration_seconds_count{status=~\"5..\"}[5m])) / on (path) group_left sum by (path, instance) (rate(demo_api_request_duration_seconds_count[5m]))",
    "{{.simpleAggrOp}} by (status) (demo_api_request_duration_seconds_count)",
    "group by (instance) (demo_memory_usage_bytes)",
    "quantile by (instance) ({{.quantile}}, demo_memory_usage_bytes)",
    "count_values by (instance) (\"cpus\", demo_num_cpus)",
    "count_values(\"value\", demo_odd_values)",
    "topk by (instance) (1, demo_cpu_usage_seconds_total)",
    "bottomk(2, rate(demo_cpu_usage_seconds_total[5m]))",
    "sort(demo_memory_usage_bytes)",
    "sort_desc(demo_memory_usage_bytes)",
    "scalar(demo_num_cpus{instance=~\".*:10001\"})",
    "scalar(demo_num_cpus)",
    "demo_num_cpus * scalar(sum(demo_num_cpus))",
    "vector(scalar(demo_odd_values))",
    "sgn(demo_odd_values)",
    "{{.simpleMathFunc}}(demo_odd_values)",
    "round(demo_odd_values, {{.quantile}})",
    "clamp(demo_odd_values, -10, 10)",
    "sin(demo_odd_values)",
    "cos(demo_odd_values)",
    "tan(demo_odd_values)",
    "asin(demo_odd_values / 1000)",
    "acos(demo_odd_values / 1000)",
    "atan(demo_odd_values)",
    "sinh(demo_odd_values / 100)",
    "cosh(demo_odd_values / 100)",
    "tanh(demo_odd_values)",
    "asinh(demo_odd_values)",
    "acosh(demo_odd_values)",
    "atanh(demo_odd_values / 1000)",
    "deg(demo_odd_values)",
    "rad(demo_odd_values)",
    "demo_odd_values atan2 demo_odd_values",
    "pi()",
    "day_of_year()",
    "{{.dateFunc}}(demo_batch_last_success_timestamp_seconds)",
    "timestamp(demo_intermittent_metric)",
    "timestamp(demo_intermittent_metric offset 5m)",
    "time() - timestamp(demo_num_cpus)",
    "demo_is_holiday{text=~\"caf.*\"}",
    "demo_is_holiday{text!~\".+\"}",
    "{__name__=~\"demo_.*_total\", mode=\"\"}",
    "label_replace(demo_is_holiday, \"short\", \"$2-${1}\", \"text\", \"(caf)(.).*\")",
    "label_replace(demo_is_holiday, \"short\", \"$2-${1}\", \"text\", \"(?s)(caf)(.).*\")",
    "label_replace(demo_num_cpus, \"__name__\", \"renamed\", \"\", \"\")",
    "label_join(demo_memory_usage_bytes, \"key\", \"/\", \"type\", \"missing\", \"instance\")",
    "sum by (__name__) ({__name__=~\"demo_(num_cpus|is_holiday)\"})",
    "-demo_memory_usage_bytes or demo_num_cpus",
    "rate({__name__=~\"demo_.*_total\"}[5m])",
    "1 > bool 2",
    "demo_num_cpus > bool 4",
    "4 < demo_num_cpus",
    "demo_num_cpus != 8 or vector(0)",
    "holt_winters(demo_disk_usage_bytes[{{.range}}], 0.5, 0.1)",
    "demo_num_cpus[5m]",
    "demo_intermittent_metric[20m] offset 2m",
    "rate(demo_cpu_usage_seconds_total[1m])[2m:10s]",
    "\"text\"",
    "sum(demo_num_cpus",
    "rate(demo_num_cpus)",
    "demo_num_cpus{",
    "sum_over_time(demo_num_cpus)",
    "1 + \"a\"",
    "{}",
    "demo_memory_usage_bytes / on (job) demo_num_cpus",
];

/// One template for each combination of the variants it names.
fn expand(template: &str) -> Vec<String> {
    let Some((before, rest)) = template.split_once("{{.") else { return vec![template.to_owned()] };
    let Some((name, _)) = rest.split_once("}}") else { return vec![template.to_owned()] };
    let values = VARIANTS.iter().find(|(known, _)| *known == name).map(|(_, values)| *values);
    let values = values.unwrap_or_else(|| panic!("no values are known for {name} in {before}"));
    let hole = format!("{{{{.{name}}}}}");
    values.iter().flat_map(|value| expand(&template.replace(&hole, value))).collect()
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    if let Some(text) = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')) {
        return text.replace("''", "'");
    }
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value).to_owned()
}

/// The queries of the suite's file, which holds a list of flat mappings; this reads no other YAML.
pub fn suite(text: &str) -> Vec<Query> {
    let mut templates: Vec<Query> = Vec::new();
    for line in text.lines() {
        let line = line.trim().trim_start_matches("- ").trim_start();
        if let Some(value) = line.strip_prefix("query:") {
            templates.push(Query { text: unquote(value), should_fail: false, from_suite: true });
        } else if line.strip_prefix("should_fail:").is_some_and(|value| value.trim() == "true")
            && let Some(last) = templates.last_mut()
        {
            last.should_fail = true;
        }
    }
    templates
        .iter()
        .flat_map(|query| expand(&query.text).into_iter().map(|text| Query { text, ..query.clone() }))
        .collect()
}

/// The queries of our own.
pub fn more() -> Vec<Query> {
    MORE.iter()
        .flat_map(|template| expand(template))
        .map(|text| Query { text, should_fail: false, from_suite: false })
        .collect()
}
