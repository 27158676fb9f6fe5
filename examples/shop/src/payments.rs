//! Payments: charges cards, each order once.
//!
//! The ledger is used through a pool of eight connections. `POST /faults/leak` switches on a bug: each
//! charge forgets to give its connection back, so that after eight charges none is free and every
//! further one is refused. The process looks healthy all the while.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use opentelemetry::metrics::{Counter, ObservableGauge};
use opentelemetry::{KeyValue, global};
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::ShopError;
use crate::error::Refusal;
use crate::ledger::{self, Ledger};
use crate::pool::{Pool, Usage};
use crate::program::{Common, Service};

/// Connections in the pool.
const POOL_SIZE: usize = 8;
/// How long a charge waits for a free connection.
const PATIENCE: Duration = Duration::from_millis(150);
/// The largest charge, in cents.
const LARGEST_CENTS: u32 = 10_000_000;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS charges (
    order_id TEXT PRIMARY KEY,
    amount_cents INTEGER NOT NULL,
    charged_ms INTEGER NOT NULL
) STRICT";

/// Charges cards, each order once
#[derive(Debug, clap::Parser)]
#[command(name = "shop-payments", version)]
pub struct Options {
    /// Port to listen on, on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 8103)]
    port: u16,
    #[command(flatten)]
    common: Common,
}

/// What to charge.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// The order it is for: 1 to 64 letters, digits and hyphens. A second charge of the same order is
    /// answered like the first and moves no money.
    pub order_id: String,
    /// The amount in cents, at least 1.
    pub amount_cents: u32,
}

/// What was charged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charged {
    /// The order.
    pub order_id: String,
    /// The amount in cents.
    pub amount_cents: u32,
    /// Whether the order had been charged before, and this request moved no money.
    pub repeated: bool,
}

/// The service's state.
#[derive(Debug)]
pub struct Payments {
    pool: Arc<Pool<Connection>>,
    ledger: Arc<Ledger>,
    leaking: AtomicBool,
    charges: Counter<u64>,
    _gauges: [ObservableGauge<u64>; 2],
}

/// Makes the service ready.
///
/// # Errors
/// When the ledger cannot be opened.
pub async fn start(options: Options) -> Result<Service, ShopError> {
    let payments = Payments::open(&options.common.data)?;
    let ledger = Arc::clone(&payments.ledger);
    Ok(Service {
        port: options.port,
        router: router(payments),
        health: Arc::new(move || ledger.check()),
        work: JoinSet::new(),
    })
}

/// The service's routes.
pub fn router(payments: Arc<Payments>) -> Router {
    Router::new()
        .route("/charge", post(charge))
        .route("/pool", get(usage))
        .route("/faults/leak", post(leak))
        .with_state(payments)
}

impl Payments {
    /// Opens the ledger in `data`, and the pool on it.
    ///
    /// # Errors
    /// When the ledger cannot be opened.
    pub fn open(data: &Path) -> Result<Arc<Self>, ShopError> {
        let ledger = Ledger::open(data, "payments.db", SCHEMA)?;
        let connections: Result<Vec<_>, _> = (0..POOL_SIZE).map(|_| ledger::connect(ledger.path())).collect();
        let pool = Pool::new(connections?);
        let meter = global::meter("shop");
        let charges = meter
            .u64_counter("payments.charges")
            .with_description("Charges asked for, by what came of them")
            .build();
        for outcome in ["charged", "repeated", "refused"] {
            charges.add(0, &[KeyValue::new("outcome", outcome)]);
        }
        let (observed, sized) = (Arc::clone(&pool), Arc::clone(&pool));
        let connections = meter
            .u64_observable_gauge("payments.pool.connections")
            .with_description("Connections of the pool, by state")
            .with_callback(move |gauge| {
                let usage = observed.usage();
                gauge.observe(usage.in_use as u64, &[KeyValue::new("state", "in_use")]);
                gauge.observe(usage.idle as u64, &[KeyValue::new("state", "idle")]);
            })
            .build();
        let size = meter
            .u64_observable_gauge("payments.pool.size")
            .with_description("Connections the pool has in all")
            .with_callback(move |gauge| gauge.observe(sized.usage().size as u64, &[]))
            .build();
        let leaking = AtomicBool::new(false);
        Ok(Arc::new(Self { pool, ledger, leaking, charges, _gauges: [connections, size] }))
    }

    /// Charges an order once.
    ///
    /// # Errors
    /// 400 for a charge that makes no sense, 409 when the order was charged another amount, 503 when no
    /// connection was free in time.
    pub async fn charge(&self, charge: Charge) -> Result<Charged, Refusal> {
        let result = self.attempt(charge).await;
        let outcome = match &result {
            Ok(charged) if charged.repeated => "repeated",
            Ok(_) => "charged",
            Err(_) => "refused",
        };
        self.charges.add(1, &[KeyValue::new("outcome", outcome)]);
        result
    }

    async fn attempt(&self, charge: Charge) -> Result<Charged, Refusal> {
        check(&charge)?;
        let Some(connection) = self.pool.take(PATIENCE).await else {
            let Usage { size, in_use, .. } = self.pool.usage();
            tracing::warn!(order_id = charge.order_id, in_use, size, "no connection to the ledger is free");
            let reason = format!("no connection to the ledger was free within {} ms", PATIENCE.as_millis());
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        };
        let leaking = self.leaking.load(Ordering::Relaxed);
        let path = self.ledger.path().to_owned();
        let work = tokio::task::spawn_blocking(move || {
            let result = record(&connection, &charge);
            if leaking {
                connection.forget();
            }
            (charge, result)
        });
        let (charge, result) = work.await.map_err(ShopError::Interrupted)?;
        match result.map_err(|source| ShopError::Ledger { path, source })? {
            Recorded::Now => Ok(Charged { repeated: false, ..charged(charge) }),
            Recorded::Before(cents) if cents == i64::from(charge.amount_cents) => Ok(charged(charge)),
            Recorded::Before(cents) => Err(Refusal::new(
                StatusCode::CONFLICT,
                format!("order {} was charged {cents} cents before", charge.order_id),
            )),
        }
    }

    /// Switches the leak on. Only a restart of the process switches it off.
    pub fn leak(&self) {
        self.leaking.store(true, Ordering::Relaxed);
    }

    /// How the pool stands.
    pub fn usage(&self) -> Usage {
        self.pool.usage()
    }
}

fn charged(charge: Charge) -> Charged {
    Charged { order_id: charge.order_id, amount_cents: charge.amount_cents, repeated: true }
}

fn check(charge: &Charge) -> Result<(), Refusal> {
    let bad = |reason: String| Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
    if !is_order_id(&charge.order_id) {
        return bad("an order id has 1 to 64 letters, digits and hyphens".to_owned());
    }
    if !(1..=LARGEST_CENTS).contains(&charge.amount_cents) {
        return bad(format!("an amount is between 1 and {LARGEST_CENTS} cents"));
    }
    Ok(())
}

/// Whether a text can be the id of an order.
pub fn is_order_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

enum Recorded {
    Now,
    Before(i64),
}

/// The primary key is what makes a second charge of an order impossible.
fn record(connection: &Connection, charge: &Charge) -> rusqlite::Result<Recorded> {
    let before: Option<i64> = connection
        .query_row("SELECT amount_cents FROM charges WHERE order_id = ?1", [&charge.order_id], |r| r.get(0))
        .optional()?;
    if let Some(cents) = before {
        return Ok(Recorded::Before(cents));
    }
    let inserted = connection.execute(
        "INSERT INTO charges VALUES (?1, ?2, ?3) ON CONFLICT (order_id) DO NOTHING",
        (&charge.order_id, charge.amount_cents, ledger::now_ms()),
    )?;
    if inserted == 1 { Ok(Recorded::Now) } else { record(connection, charge) }
}

async fn charge(
    State(payments): State<Arc<Payments>>,
    body: Result<Json<Charge>, JsonRejection>,
) -> Result<Json<Charged>, Refusal> {
    let Json(charge) = body?;
    payments.charge(charge).await.map(Json)
}

async fn usage(State(payments): State<Arc<Payments>>) -> Json<Usage> {
    Json(payments.usage())
}

async fn leak(State(payments): State<Arc<Payments>>) -> Json<Value> {
    tracing::warn!("fault: from now on charges do not give their connection back");
    payments.leak();
    Json(json!({ "fault": "leak", "until": "payments is restarted" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, Arc<Payments>) {
        let data = tempfile::tempdir().expect("a directory");
        let payments = Payments::open(data.path()).expect("opens");
        (data, payments)
    }

    fn order(number: usize) -> Charge {
        Charge { order_id: format!("order-{number}"), amount_cents: 1_250 }
    }

    #[tokio::test]
    async fn an_order_is_charged_once() {
        let (_data, payments) = open();
        assert!(!payments.charge(order(1)).await.expect("charged").repeated);
        assert!(payments.charge(order(1)).await.expect("answered").repeated);

        let other = Charge { amount_cents: 1, ..order(1) };
        let refusal = payments.charge(other).await.expect_err("another amount");
        assert_eq!(refusal.status, StatusCode::CONFLICT);
        assert_eq!(refusal.reason, "order order-1 was charged 1250 cents before");
    }

    #[tokio::test]
    async fn many_charges_of_one_order_at_once_move_the_money_once() {
        let (data, payments) = open();
        let mut charges = JoinSet::new();
        for _ in 0..POOL_SIZE {
            let payments = Arc::clone(&payments);
            charges.spawn(async move { payments.charge(order(1)).await });
        }
        let results = charges.join_all().await;
        let first = results.iter().filter(|result| matches!(result, Ok(c) if !c.repeated)).count();
        assert_eq!(first, 1, "{results:?}");
        let ledger = ledger::connect(&data.path().join("payments.db")).expect("opens");
        let rows: i64 = ledger.query_row("SELECT count(*) FROM charges", [], |r| r.get(0)).expect("read");
        assert_eq!(rows, 1);
    }

    #[tokio::test]
    async fn the_leak_uses_up_the_pool_health_does_not_show_it_and_a_restart_heals_it() {
        let (data, payments) = open();
        payments.charge(order(0)).await.expect("charged");
        assert_eq!(payments.usage().idle, POOL_SIZE, "without the fault connections come back");

        payments.leak();
        for number in 1..=POOL_SIZE {
            payments.charge(order(number)).await.expect("charged while connections last");
        }
        let refusal = payments.charge(order(9)).await.expect_err("none is left");
        assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refusal.reason, "no connection to the ledger was free within 150 ms");
        assert_eq!(payments.usage(), Usage { size: POOL_SIZE, in_use: POOL_SIZE, idle: 0, waiting: 0 });
        assert_eq!(payments.ledger.check(), Ok(()));

        let again = Payments::open(data.path()).expect("opens again");
        assert!(!again.charge(order(9)).await.expect("charged").repeated);
    }

    #[tokio::test]
    async fn senseless_charges_are_refused() {
        let (_data, payments) = open();
        for charge in [
            Charge { order_id: String::new(), amount_cents: 1 },
            Charge { order_id: "x".repeat(65), amount_cents: 1 },
            Charge { order_id: "a b".to_owned(), amount_cents: 1 },
            Charge { order_id: "a".to_owned(), amount_cents: 0 },
            Charge { order_id: "a".to_owned(), amount_cents: LARGEST_CENTS + 1 },
        ] {
            let refusal = payments.charge(charge.clone()).await.expect_err("refused");
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{charge:?}");
        }
    }
}
