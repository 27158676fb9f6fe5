//! The whole shop as its users run it: the four binaries, over real HTTP, with telemetry sent to a
//! receiver that counts. Each fault is provoked and healed by a restart, and the books agree at the end.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::routing::post;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long anything may take before the test gives up. Nothing is measured by it.
const LIMIT: Duration = Duration::from_secs(60);

/// A running service; killed when dropped.
struct Process {
    child: Child,
    address: String,
    port: u16,
}

impl Process {
    fn start(binary: &str, data: &Path, otlp: &str, port: u16, more: &[&str]) -> Self {
        let mut child = Command::new(binary)
            .env_clear()
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp)
            .args(["--port", &port.to_string(), "--data"])
            .arg(data)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("says where it listens");
        let address = line.trim().strip_prefix("listening on ").expect("the address").to_owned();
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        Self { child, address, port }
    }

    /// Asks the process to stop and waits for its end.
    fn stop(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
        self.child.wait().expect("ended")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many requests came in, by path.
type Received = watch::Receiver<BTreeMap<String, usize>>;

/// A receiver of OTLP over HTTP that only counts.
async fn otlp_sink(tasks: &mut JoinSet<()>) -> (String, Received) {
    let (count, received) = watch::channel(BTreeMap::new());
    let take = move |uri: Uri, body: axum::body::Bytes| async move {
        assert!(!body.is_empty(), "{uri}");
        count.send_modify(|counts: &mut BTreeMap<String, usize>| {
            *counts.entry(uri.path().to_owned()).or_default() += 1;
        });
        StatusCode::OK
    };
    let router = Router::new().route("/v1/{signal}", post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let address = listener.local_addr().expect("an address");
    tasks.spawn(async move { axum::serve(listener, router).await.expect("serves") });
    (format!("http://{address}"), received)
}

struct Shop {
    data: PathBuf,
    otlp: String,
    payments: Process,
    checkout: Process,
    storefront: Process,
    customers: Process,
    client: reqwest::Client,
}

impl Shop {
    fn start(data: &Path, otlp: &str) -> Self {
        let payments = Process::start(PAYMENTS, data, otlp, 0, &[]);
        let checkout = Process::start(CHECKOUT, data, otlp, 0, &["--payments", &payments.address]);
        let storefront = Process::start(STOREFRONT, data, otlp, 0, &["--checkout", &checkout.address]);
        let customers =
            Process::start(CUSTOMERS, data, otlp, 0, &["--storefront", &storefront.address, "--rate", "50"]);
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().expect("a client");
        Self {
            data: data.to_owned(),
            otlp: otlp.to_owned(),
            payments,
            checkout,
            storefront,
            customers,
            client,
        }
    }

    async fn get(&self, process: &Process, path: &str) -> (StatusCode, String) {
        let url = format!("{}{path}", process.address);
        let response = self.client.get(url).send().await.expect("answered");
        (response.status(), response.text().await.expect("text"))
    }

    async fn json(&self, process: &Process, path: &str) -> Value {
        serde_json::from_str(&self.get(process, path).await.1).expect("JSON")
    }

    async fn post(&self, process: &Process, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("{}{path}", process.address);
        let response = self.client.post(url).json(&body).send().await.expect("answered");
        (response.status(), response.json().await.expect("JSON"))
    }

    /// Buys a mug.
    async fn order(&self) -> (StatusCode, Value) {
        self.post(&self.storefront, "/orders", json!({ "item": "mug", "quantity": 1 })).await
    }

    /// Repeats an order until it ends as wanted; each try waits for its answer.
    async fn order_until(&self, wanted: StatusCode) -> Value {
        let trying = async {
            loop {
                let (status, body) = self.order().await;
                if status == wanted {
                    return body;
                }
            }
        };
        tokio::time::timeout(LIMIT, trying).await.unwrap_or_else(|_| unreachable!("never {wanted}"))
    }

    async fn restart_payments(&mut self) {
        assert!(self.payments.stop().success(), "a graceful stop ends with 0");
        self.payments = Process::start(PAYMENTS, &self.data, &self.otlp, self.payments.port, &[]);
    }

    async fn restart_checkout(&mut self) {
        assert!(self.checkout.stop().success(), "a stuck worker does not hold up the stop");
        let payments = ["--payments", &self.payments.address];
        self.checkout = Process::start(CHECKOUT, &self.data, &self.otlp, self.checkout.port, &payments);
    }
}

const STOREFRONT: &str = env!("CARGO_BIN_EXE_shop-storefront");
const CHECKOUT: &str = env!("CARGO_BIN_EXE_shop-checkout");
const PAYMENTS: &str = env!("CARGO_BIN_EXE_shop-payments");
const CUSTOMERS: &str = env!("CARGO_BIN_EXE_shop-customers");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_flow_faults_stop_them_and_restarts_heal() {
    let data = tempfile::tempdir().expect("a directory");
    let mut tasks = JoinSet::new();
    let (otlp, mut received) = otlp_sink(&mut tasks).await;
    let mut shop = Shop::start(data.path(), &otlp);

    // An order flows, and customers are served.
    let (status, receipt) = shop.order().await;
    assert_eq!((status, &receipt["amount_cents"]), (StatusCode::CREATED, &json!(890)), "{receipt}");
    for process in [&shop.storefront, &shop.checkout, &shop.payments, &shop.customers] {
        assert_eq!(shop.get(process, "/healthz").await, (StatusCode::OK, "healthy\n".to_owned()));
    }
    // Metrics, traces and logs reach the receiver, metrics more than once.
    let all = |counts: &BTreeMap<String, usize>| {
        let count = |path| counts.get(path).copied().unwrap_or_default();
        count("/v1/metrics") >= 8 && count("/v1/traces") >= 4 && count("/v1/logs") >= 4
    };
    tokio::time::timeout(LIMIT, received.wait_for(all)).await.expect("in time").expect("counted");
    assert_metrics(&shop).await;

    // Payments leaks connections: orders fail, and it looks healthy.
    let (status, _) = shop.post(&shop.payments, "/faults/leak", json!(null)).await;
    assert_eq!(status, StatusCode::OK);
    let refusal = shop.order_until(StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(refusal["error"], "no connection to the ledger was free within 150 ms");
    let pool = shop.json(&shop.payments, "/pool").await;
    assert_eq!((&pool["in_use"], &pool["idle"]), (&json!(8), &json!(0)), "{pool}");
    assert_eq!(shop.get(&shop.payments, "/healthz").await.0, StatusCode::OK);
    shop.restart_payments().await;
    shop.order_until(StatusCode::CREATED).await;

    // The worker of checkout gets stuck: orders are taken but not confirmed.
    shop.post(&shop.checkout, "/faults/stuck-worker", json!(null)).await;
    let (status, _) = shop.order().await;
    assert_eq!(status, StatusCode::CREATED);
    let queue = shop.json(&shop.checkout, "/queue").await;
    assert_eq!(queue["worker"], "stuck");
    assert_eq!(shop.get(&shop.checkout, "/healthz").await.0, StatusCode::OK);

    // Nobody buys any more; the restarted worker confirms what has waited.
    assert!(shop.customers.stop().success());
    assert_ne!(shop.json(&shop.checkout, "/queue").await["depth"], json!(0));
    shop.restart_checkout().await;
    let confirmed = async {
        while shop.json(&shop.checkout, "/queue").await["depth"] != json!(0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, confirmed).await.expect("in time");
    for process in [&mut shop.storefront, &mut shop.checkout, &mut shop.payments] {
        assert!(process.stop().success());
    }
    assert_books(data.path());
}

async fn assert_metrics(shop: &Shop) {
    for (process, names) in [
        (&shop.storefront, &["shop_orders_total{outcome=\"paid\"}"][..]),
        (
            &shop.checkout,
            &[
                "shop_revenue_cents_total ",
                "checkout_confirmation_queue_depth ",
                "checkout_confirmations_total ",
            ],
        ),
        (
            &shop.payments,
            &[
                "payments_pool_connections{state=\"in_use\"}",
                "payments_pool_size 8",
                "http_server_request_duration_seconds_count{http_request_method=\"POST\",\
                 http_response_status_code=\"200\",http_route=\"/charge\"}",
            ],
        ),
        (
            &shop.customers,
            &[
                "shop_customer_attempts_total{outcome=\"success\"}",
                "shop_customer_attempts_total{outcome=\"failure\"}",
            ],
        ),
    ] {
        let (status, text) = shop.get(process, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        for name in names {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name} in:\n{text}");
        }
    }
}

/// Each receipt has its charge, each paid order its charge and its confirmation, all amounts agree.
fn assert_books(data: &Path) {
    let books = Connection::open(data.join("customers.db")).expect("opens");
    for name in ["storefront", "checkout", "payments"] {
        let path = data.join(format!("{name}.db"));
        books.execute(&format!("ATTACH ?1 AS {name}"), [path.to_str()]).expect("attached");
    }
    let count = |query: &str| -> i64 { books.query_row(query, [], |row| row.get(0)).expect(query) };
    assert!(count("SELECT count(*) FROM receipts") > 0);
    assert!(count("SELECT count(*) FROM storefront.orders WHERE outcome = 'failed'") > 0);
    for (what, query) in [
        (
            "receipts without their charge",
            "SELECT count(*) FROM receipts LEFT JOIN payments.charges AS c USING (order_id, amount_cents)
             WHERE c.order_id IS NULL",
        ),
        (
            "paid orders without their charge",
            "SELECT count(*) FROM checkout.orders AS o
             LEFT JOIN payments.charges AS c USING (order_id, amount_cents)
             WHERE o.state = 'paid' AND c.order_id IS NULL",
        ),
        (
            "charges of orders that are unknown or failed",
            "SELECT count(*) FROM payments.charges AS c
             LEFT JOIN checkout.orders AS o USING (order_id, amount_cents)
             WHERE o.state IS NULL OR o.state = 'failed'",
        ),
        (
            "paid orders not confirmed",
            "SELECT count(*) FROM checkout.orders WHERE state = 'paid' AND confirmed_ms IS NULL",
        ),
        (
            "orders that are paid at the storefront only",
            "SELECT count(*) FROM storefront.orders AS s LEFT JOIN checkout.orders AS o USING (order_id)
             WHERE s.outcome = 'paid' AND o.state IS NOT 'paid'",
        ),
    ] {
        assert_eq!(count(query), 0, "{what}");
    }
}

#[test]
fn a_port_in_use_and_bad_arguments_are_said_in_words() {
    let data = tempfile::tempdir().expect("a directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
    let port = taken.local_addr().expect("an address").port().to_string();
    for (binary, arguments, code, expected) in [
        (PAYMENTS, ["--port", &port], 1, format!("port {port} on 127.0.0.1 is in use; stop what listens")),
        (
            CHECKOUT,
            ["--payments", "https://pay.example"],
            2,
            "https is not built into the example".to_owned(),
        ),
        (CUSTOMERS, ["--rate", "0"], 2, "0 is not in 1..=1000".to_owned()),
        (STOREFRONT, ["--data", "/dev/null/x"], 1, "cannot use the data directory /dev/null/x".to_owned()),
    ] {
        let output =
            Command::new(binary).env_clear().current_dir(data.path()).args(arguments).output().expect("runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(&expected), "{stderr}");
        assert!(output.stdout.is_empty());
    }
}
