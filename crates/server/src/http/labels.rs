//! Which series there are, in Prometheus' own API: what people who write queries are offered to complete them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use mainstay_api::v1::{MetricMetadata, PrometheusMetadata, PrometheusNames, PrometheusSeries};
use mainstay_observe::{Labels, MetricKind};
use mainstay_promql::Matcher;
use serde::Deserialize;

use super::extract::{Asked, Path};
use super::signals::{PrometheusError, time};
use crate::app::App;
use crate::query::Querier;

/// Series of which no end is given, at most. More would be of no use to a person, and a burden to a browser.
const MAX_SERIES: usize = 10_000;

/// Which series are meant. Read by hand, because `match[]` may be there several times.
#[derive(Debug, Default, utoipa::IntoParams)]
#[allow(dead_code, reason = "the names are what the document tells")]
pub struct SeriesQuery {
    /// A selector such as `up{job="shop"}`; of several, any. Every series if there is none.
    #[param(rename = "match[]")]
    matches: Option<Vec<String>>,
    /// Only what has samples since then, as Unix seconds or RFC 3339.
    start: Option<String>,
    /// Taken, and of no effect: series are told from `start` on.
    end: Option<String>,
    /// At most so many entries; 0 or nothing for 10,000.
    limit: Option<usize>,
}

struct Wanted {
    selectors: Vec<Vec<Matcher>>,
    since_ms: Option<i64>,
    limit: usize,
}

fn wanted(query: Option<&str>) -> Result<Wanted, PrometheusError> {
    let mut wanted = Wanted { selectors: Vec::new(), since_ms: None, limit: MAX_SERIES };
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "match[]" => wanted.selectors.push(selector(&value)?),
            "start" => wanted.since_ms = Some(time("start", &value)?.as_millis()),
            "end" => drop(time("end", &value)?),
            "limit" => {
                let limit: usize = value.parse().map_err(|_| {
                    PrometheusError::bad_data(format!(
                        "invalid parameter \"limit\": `{value}` is not a number"
                    ))
                })?;
                wanted.limit = if limit == 0 { MAX_SERIES } else { limit.min(MAX_SERIES) };
            }
            // As Prometheus does with what it does not know.
            _ => {}
        }
    }
    Ok(wanted)
}

fn selector(text: &str) -> Result<Vec<Matcher>, PrometheusError> {
    let bad = |reason: &str| PrometheusError::bad_data(format!("invalid parameter \"match[]\": {reason}"));
    match Querier::parse(text).map_err(|error| bad(&error.to_string()))? {
        mainstay_promql::Expr::Selector(selector) => Ok(selector.matchers),
        _ => Err(bad("a selector is wanted, such as `up` or `{job=\"shop\"}`")),
    }
}

/// Does the work on a thread of its own: an index of a million series takes a while to go through.
async fn answered<T: serde::Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<T, PrometheusError> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(error) => super::Failure::internal("The series could not be read", &error).into_response(),
    }
}

fn series_of(app: &App, wanted: &Wanted) -> Vec<Labels> {
    let selectors: Vec<&[Matcher]> = wanted.selectors.iter().map(Vec::as_slice).collect();
    app.telemetry.series(&selectors, wanted.since_ms)
}

/// The first of a list, and a word when there were more.
fn cut<T>(mut all: Vec<T>, limit: usize) -> (Vec<T>, Vec<String>) {
    let warnings = (all.len() > limit).then(|| "results truncated due to limit".to_owned());
    all.truncate(limit);
    (all, warnings.into_iter().collect())
}

fn success() -> String {
    "success".to_owned()
}

/// `GET /api/v1/labels`
pub async fn names(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    answered(move || {
        let wanted = wanted(query.as_deref())?;
        let series = series_of(&app, &wanted);
        let names: BTreeSet<&str> =
            series.iter().flat_map(|labels| labels.iter().map(|label| label.name.as_ref())).collect();
        let (data, warnings) = cut(names.into_iter().map(str::to_owned).collect(), wanted.limit);
        Ok(PrometheusNames { status: success(), data, warnings })
    })
    .await
}

/// `GET /api/v1/label/{name}/values`
pub async fn values(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    answered(move || {
        let wanted = wanted(query.as_deref())?;
        let series = series_of(&app, &wanted);
        let values: BTreeSet<&str> =
            series.iter().map(|labels| labels.get(&name)).filter(|value| !value.is_empty()).collect();
        let (data, warnings) = cut(values.into_iter().map(str::to_owned).collect(), wanted.limit);
        Ok(PrometheusNames { status: success(), data, warnings })
    })
    .await
}

/// `GET /api/v1/series`: a selector is needed, as Prometheus needs one.
pub async fn series(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    answered(move || {
        let wanted = wanted(query.as_deref())?;
        if wanted.selectors.is_empty() {
            return Err(PrometheusError::bad_data("no match[] parameter provided"));
        }
        let all = series_of(&app, &wanted);
        let (some, warnings) = cut(all, wanted.limit);
        let data = some
            .iter()
            .map(|labels| {
                labels.iter().map(|label| (label.name.to_string(), label.value.to_string())).collect()
            })
            .collect();
        Ok(PrometheusSeries { status: success(), data, warnings })
    })
    .await
}

/// `GET /api/v1/metadata`
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
pub struct MetadataQuery {
    /// Only of this metric.
    metric: Option<String>,
    /// At most so many metrics; 0 or nothing for all.
    limit: Option<usize>,
}

/// `GET /api/v1/metadata`
pub async fn metadata(State(app): State<Arc<App>>, Asked(query): Asked<MetadataQuery>) -> Response {
    answered(move || {
        let limit = query.limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let data: BTreeMap<String, Vec<MetricMetadata>> = app
            .telemetry
            .metrics()
            .into_iter()
            .filter(|metric| query.metric.as_ref().is_none_or(|name| *name == metric.name))
            .take(limit)
            .map(|metric| {
                let told = MetricMetadata {
                    kind: kind(metric.kind).to_owned(),
                    help: metric.help,
                    unit: metric.unit,
                };
                (metric.name, vec![told])
            })
            .collect();
        Ok(PrometheusMetadata { status: success(), data })
    })
    .await
}

fn kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
        MetricKind::Summary => "summary",
        MetricKind::Info => "info",
        MetricKind::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read_from_the_url_and_refused_as_prometheus_does() {
        let good = wanted(Some("match%5B%5D=up%7Bjob%3D%22shop%22%7D&match[]=x&start=1&limit=5&other=1"))
            .unwrap_or_else(|error| unreachable!("{}", error.text()));
        assert_eq!((good.selectors.len(), good.since_ms, good.limit), (2, Some(1000), 5));
        assert_eq!(good.selectors[0].len(), 2);
        assert_eq!(wanted(None).map(|wanted| wanted.limit).ok(), Some(MAX_SERIES));
        for (query, reason) in [
            ("match[]=", "invalid parameter \"match[]\""),
            ("match[]=sum(up)", "a selector is wanted"),
            ("start=soon", "invalid parameter \"start\""),
            ("limit=x", "invalid parameter \"limit\""),
        ] {
            let error = wanted(Some(query)).err().map(|error| error.text().to_owned()).unwrap_or_default();
            assert!(error.contains(reason), "{query}: {error}");
        }
    }
}
