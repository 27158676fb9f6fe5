//! Scraping real HTTP servers.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod common {
    pub mod http;
    include!("common/mod.rs");
}

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use common::http::Server;
use common::*;
use mainstay_observe::scrape::{Health, Scraper, Target, TargetStatus};
use mainstay_observe::{Telemetry, is_stale};

/// What the page answers next.
#[derive(Clone)]
struct Page {
    status: StatusCode,
    content_type: Option<&'static str>,
    body: Vec<u8>,
    gzip: bool,
}

impl Page {
    fn text(body: &str) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: Some("text/plain; version=0.0.4"),
            body: body.as_bytes().to_vec(),
            gzip: false,
        }
    }
}

struct Fixture {
    telemetry: Arc<Telemetry>,
    scraper: Scraper,
    server: Server,
    page: Arc<Mutex<Page>>,
    requests: Arc<Mutex<Vec<HeaderMap>>>,
    clock: HandClock,
    _dir: tempfile::TempDir,
}

async fn fixture(first: Page) -> Fixture {
    let dir = tempfile::tempdir().expect("tempdir");
    let clock = HandClock::new();
    let telemetry = Telemetry::open(dir.path(), options(&clock)).expect("opens");
    let page = Arc::new(Mutex::new(first));
    let requests = Arc::new(Mutex::new(Vec::new()));
    let answer = {
        let (page, requests, clock) = (Arc::clone(&page), Arc::clone(&requests), clock.clone());
        move |headers: HeaderMap| {
            requests.lock().expect("unpoisoned").push(headers);
            // Each scrape is a second later by the store's clock, however fast the test runs.
            clock.advance(Duration::from_secs(1));
            let page = page.lock().expect("unpoisoned").clone();
            async move { respond(page) }
        }
    };
    let hang = || std::future::pending::<Response>();
    let server = Server::http(Router::new().route("/metrics", get(answer)).route("/hang", get(hang))).await;
    let scraper = Scraper::new(Arc::clone(&telemetry)).expect("a client");
    Fixture { telemetry, scraper, server, page, requests, clock, _dir: dir }
}

fn respond(page: Page) -> Response {
    let mut response = (page.status, page.body).into_response();
    let headers = response.headers_mut();
    headers.remove("content-type");
    if let Some(content_type) = page.content_type {
        headers.insert("content-type", content_type.parse().expect("a header"));
    }
    if page.gzip {
        headers.insert("content-encoding", "gzip".parse().expect("a header"));
    }
    response
}

impl Fixture {
    /// A target that is scraped once by schedule and then when the test says so.
    fn target(&self, path: &str) -> Target {
        let hour = Duration::from_secs(3600);
        Target { timeout: hour, ..Target::new("payments", "local:8103", self.server.url(path), hour) }
    }

    fn set(&self, page: Page) {
        *self.page.lock().expect("unpoisoned") = page;
    }

    /// The status after the one scheduled scrape.
    async fn first(&self) -> TargetStatus {
        self.scraper.scrapes().wait_for(|count| *count >= 1).await.expect("open");
        self.scraper.statuses().remove(0)
    }

    /// The status after one more scrape.
    async fn next(&self) -> TargetStatus {
        let mut done = self.scraper.scrapes();
        let before = *done.borrow();
        self.scraper.scrape_now();
        done.wait_for(|count| *count > before).await.expect("open");
        self.scraper.statuses().remove(0)
    }

    fn last(&self, name: &str) -> f64 {
        read(&self.telemetry, name)[0].1.last().expect("a sample").1
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_becomes_series_that_end_when_the_page_loses_them() {
    let fixture = fixture(Page::text(
        "# TYPE pool_used gauge\npool_used{job=\"inner\"} 3\ngone_soon 1\nrepeated 1\nrepeated 2\nown_time 5 1794999999000\n",
    ))
    .await;
    let mut target = fixture.target("/metrics");
    target.labels.insert("component".to_owned(), "payments".to_owned());
    assert_eq!(fixture.scraper.set_targets(vec![target.clone()]), []);
    let status = fixture.first().await;
    assert_eq!((status.health, status.samples, status.refused), (Health::Up, 5, 1), "{status:?}");
    let (found, _) = read(&fixture.telemetry, "pool_used").remove(0);
    let expected = [
        ("__name__", "pool_used"),
        ("component", "payments"),
        ("exported_job", "inner"),
        ("instance", "local:8103"),
        ("job", "payments"),
    ];
    assert_eq!(found, labels(&expected));
    assert_eq!(fixture.last("up"), 1.0);
    assert_eq!(fixture.last("scrape_samples_scraped"), 5.0);
    assert_eq!(only(&fixture.telemetry, "own_time"), [(1_794_999_999_000, 5.0)]);
    assert_eq!(
        fixture.telemetry.metrics().iter().find(|m| m.name == "pool_used").expect("listed").kind,
        mainstay_observe::MetricKind::Gauge
    );
    let sent = fixture.requests.lock().expect("unpoisoned")[0].clone();
    assert!(sent["accept"].to_str().expect("text").contains("openmetrics-text;version=1.0.0"));
    assert_eq!(sent["x-prometheus-scrape-timeout-seconds"], "3600");

    fixture.set(Page::text("pool_used 4\nown_time 5 1794999999000\n"));
    fixture.next().await;
    assert!(is_stale(fixture.last("gone_soon")), "a series that is gone ends");
    assert!(!is_stale(fixture.last("own_time")), "a series with its own time ends by itself");

    // The same list changes nothing; an empty one ends every series.
    fixture.scraper.set_targets(vec![target]);
    assert_eq!(fixture.scraper.statuses()[0].scrapes, 2);
    let before = fixture.telemetry.stats().samples_stored;
    fixture.clock.advance(Duration::from_secs(1));
    fixture.scraper.set_targets(Vec::new());
    assert!(fixture.scraper.statuses().is_empty());
    let telemetry = Arc::clone(&fixture.telemetry);
    fixture.scraper.stop().await;
    assert!(telemetry.stats().samples_stored > before);
    assert!(is_stale(only(&telemetry, "up").last().expect("a sample").1), "the target's own series end too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_failure_is_down_with_its_reason_and_ends_the_series() {
    let good = Page::text("a 1\n");
    let fixture = fixture(good.clone()).await;
    let mut target = fixture.target("/metrics");
    (target.sample_limit, target.body_limit) = (3, 2000);
    assert_eq!(fixture.scraper.set_targets(vec![target]), []);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&b"# a bomb\n".repeat(100_000)).expect("writes");
    let bomb = encoder.finish().expect("finishes");
    fixture.first().await;
    let page = |change: &dyn Fn(&mut Page)| {
        let mut page = good.clone();
        change(&mut page);
        page
    };
    let failures = [
        ("HTTP 503", page(&|p| p.status = StatusCode::SERVICE_UNAVAILABLE)),
        ("content type `text/html`", page(&|p| p.content_type = Some("text/html"))),
        ("without a content type", page(&|p| p.content_type = None)),
        ("line 2: `x` is not a number", page(&|p| p.body = b"a 1\nb x\n".to_vec())),
        ("not UTF-8", page(&|p| p.body = b"a 1\n\xff".to_vec())),
        ("the limit is 3", page(&|p| p.body = b"a 1\nb 1\nc 1\nd 1\n".to_vec())),
        ("more than 2000 bytes", page(&|p| p.body = vec![b' '; 2001])),
        ("more than 2000 bytes", page(&|p| (p.body, p.gzip) = (bomb.clone(), true))),
        ("not gzip", page(&|p| p.gzip = true)),
    ];
    for (expected, failure) in failures {
        fixture.set(good.clone());
        let status = fixture.next().await;
        assert_eq!((status.health, status.error), (Health::Up, None));
        assert_eq!((fixture.last("a"), fixture.last("up")), (1.0, 1.0));
        fixture.set(failure);
        let status = fixture.next().await;
        assert_eq!(status.health, Health::Down, "{expected}");
        let error = status.error.expect("a reason");
        assert!(error.contains(expected), "{error}");
        assert!(is_stale(fixture.last("a")), "{expected}");
        assert_eq!(fixture.last("up"), 0.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_hangs_or_is_not_there_is_down() {
    let fixture = fixture(Page::text("a 1\n")).await;
    let hanging = Target { timeout: Duration::from_millis(100), ..fixture.target("/hang") };
    assert_eq!(fixture.scraper.set_targets(vec![hanging]), []);
    let error = fixture.first().await.error.expect("a reason");
    assert_eq!(error, "did not answer within 100 ms");
    // A port that was free a moment ago.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("binds")
        .local_addr()
        .expect("bound")
        .port();
    let url = format!("http://127.0.0.1:{port}/metrics");
    let absent = Target { url, ..fixture.target("") };
    fixture.scraper.set_targets(vec![absent]);
    let mut done = fixture.scraper.scrapes();
    done.wait_for(|count| *count >= 2).await.expect("open");
    let error = fixture.scraper.statuses()[0].error.clone().expect("a reason");
    assert!(error.starts_with("not reached"), "{error}");
    fixture.scraper.stop().await;
}

#[tokio::test]
async fn targets_that_cannot_be_scraped_are_named() {
    let fixture = fixture(Page::text("a 1\n")).await;
    let good = fixture.target("/metrics");
    let with = |change: &dyn Fn(&mut Target)| {
        let mut target = good.clone();
        target.instance = "odd".to_owned();
        change(&mut target);
        target
    };
    let cases = [
        ("https targets are not supported", with(&|t| t.url = "https://example.test/metrics".to_owned())),
        ("cannot scrape `ftp`", with(&|t| t.url = "ftp://example.test/metrics".to_owned())),
        ("is not a URL", with(&|t| t.url = "metrics".to_owned())),
        ("needs a job", with(&|t| t.job.clear())),
        ("shorter than 100 ms", with(&|t| t.interval = Duration::from_millis(1))),
        ("not longer than the interval", with(&|t| t.timeout = Duration::from_secs(9999))),
        ("cannot be a label", with(&|t| drop(t.labels.insert("__x".to_owned(), "y".to_owned())))),
        ("listed twice", good.clone()),
    ];
    let mut targets = vec![good.clone()];
    targets.extend(cases.iter().map(|(_, target)| target.clone()));
    let problems = fixture.scraper.set_targets(targets);
    assert_eq!(problems.len(), cases.len());
    for (problem, (expected, _)) in problems.iter().zip(&cases) {
        assert!(problem.to_string().contains(expected), "{problem}");
    }
    assert_eq!(fixture.scraper.statuses().len(), 1);
}
