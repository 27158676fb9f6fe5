//! Checkout: takes an order, has payments charge it, writes it down, and confirms it.
//!
//! Paid orders go to a queue with one worker that confirms them one by one. `POST /faults/stuck-worker`
//! switches on a bug: the worker waits for ever before its next order. Orders are still accepted, the
//! queue only grows. The ledger says which paid orders are not confirmed yet, so after a restart the
//! worker goes on where the stuck one stopped.
//!
//! An order stays `pending` in the ledger while nobody can know whether it was charged: payments gave no
//! answer, or the process died before it wrote the answer down. Sending the same order again settles it,
//! because payments charges an order once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use opentelemetry::global;
use opentelemetry::metrics::{Counter, ObservableGauge};
use reqwest::Url;
use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::ShopError;
use crate::error::{Refusal, chain};
use crate::ledger::{self, Ledger};
use crate::payments::{Charge, Charged, is_order_id};
use crate::program::{Common, Service};
use crate::queue::{Paid, Queue, Standing};
use crate::wire::{self, Peer};

/// How long payments may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the worker waits before it tries again to write to a ledger that failed.
const RETRY: Duration = Duration::from_secs(1);

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY,
    amount_cents INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'paid', 'failed')),
    reason TEXT,
    paid_ms INTEGER,
    confirmed_ms INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS unconfirmed ON orders (paid_ms) WHERE state = 'paid' AND confirmed_ms IS NULL";

/// Takes an order, charges the card and confirms the order
#[derive(Debug, clap::Parser)]
#[command(name = "shop-checkout", version)]
pub struct Options {
    /// Port to listen on, on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 8102)]
    port: u16,
    /// Where payments listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8103", value_parser = wire::base_address)]
    payments: Url,
    #[command(flatten)]
    common: Common,
}

/// An order to check out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Its id: 1 to 64 letters, digits and hyphens. The same order sent again is paid once.
    pub order_id: String,
    /// What it costs, in cents.
    pub amount_cents: u32,
}

/// The answer to an order that was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The order.
    pub order_id: String,
    /// What was paid, in cents.
    pub amount_cents: u32,
}

/// The service's state.
#[derive(Debug)]
pub struct Checkout {
    payments: Peer,
    ledger: Arc<Ledger>,
    queue: Arc<Queue>,
    revenue: Counter<u64>,
    confirmations: Counter<u64>,
    _depth: ObservableGauge<u64>,
}

/// Makes the service ready.
///
/// # Errors
/// When the ledger cannot be opened or read.
pub async fn start(options: Options) -> Result<Service, ShopError> {
    let payments = Peer::new("payments", options.payments, PATIENCE)?;
    let checkout = Checkout::open(&options.common.data, payments).await?;
    let ledger = Arc::clone(&checkout.ledger);
    let mut work = JoinSet::new();
    work.spawn(Arc::clone(&checkout).confirm_orders());
    Ok(Service {
        port: options.port,
        router: router(checkout),
        health: Arc::new(move || ledger.check()),
        work,
    })
}

/// The service's routes.
pub fn router(checkout: Arc<Checkout>) -> Router {
    Router::new()
        .route("/checkout", post(check_out))
        .route("/queue", get(standing))
        .route("/faults/stuck-worker", post(stick))
        .with_state(checkout)
}

impl Checkout {
    /// Opens the ledger in `data` and puts the orders in the queue that still wait for confirmation.
    ///
    /// # Errors
    /// When the ledger cannot be opened or read.
    pub async fn open(data: &Path, payments: Peer) -> Result<Arc<Self>, ShopError> {
        let ledger = Ledger::open(data, "checkout.db", SCHEMA)?;
        let queue = Arc::new(Queue::default());
        for order in unconfirmed(&ledger).await? {
            queue.push(order);
        }
        if queue.depth() > 0 {
            tracing::info!(orders = queue.depth(), "orders of the last run wait for their confirmation");
        }
        let meter = global::meter("shop");
        let revenue = meter
            .u64_counter("shop.revenue.cents")
            .with_description("Money taken for orders, in cents")
            .build();
        let confirmations = meter
            .u64_counter("checkout.confirmations")
            .with_description("Orders confirmed to their customers")
            .build();
        revenue.add(0, &[]);
        confirmations.add(0, &[]);
        let observed = Arc::clone(&queue);
        let depth = meter
            .u64_observable_gauge("checkout.confirmation.queue.depth")
            .with_description("Paid orders that wait for their confirmation")
            .with_callback(move |gauge| gauge.observe(observed.depth() as u64, &[]))
            .build();
        Ok(Arc::new(Self { payments, ledger, queue, revenue, confirmations, _depth: depth }))
    }

    /// Takes an order through payment.
    ///
    /// # Errors
    /// 400 for an order that makes no sense, 409 when its id is known with another amount, and what
    /// payments refused with.
    pub async fn check_out(&self, order: Order) -> Result<Receipt, Refusal> {
        if !is_order_id(&order.order_id) {
            let reason = "an order id has 1 to 64 letters, digits and hyphens";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
        }
        let Order { order_id, amount_cents } = order;
        let receipt = Receipt { order_id: order_id.clone(), amount_cents };
        match self.begin(&order_id, amount_cents).await? {
            Begun::Paid => return Ok(receipt),
            Begun::Differs(cents) => {
                let reason = format!("order {order_id} is known with {cents} cents");
                return Err(Refusal::new(StatusCode::CONFLICT, reason));
            }
            Begun::Open => {}
        }
        let charge = Charge { order_id: order_id.clone(), amount_cents };
        match self.payments.post::<Charged>("/charge", &charge).await {
            Ok(_) => {
                self.paid(order_id, amount_cents).await?;
                Ok(receipt)
            }
            Err(refusal) => {
                tracing::warn!(order_id, reason = refusal.reason, "the order could not be charged");
                let unknown =
                    [StatusCode::GATEWAY_TIMEOUT, StatusCode::BAD_GATEWAY].contains(&refusal.status);
                let state = if unknown { "pending" } else { "failed" };
                self.not_paid(order_id, state, refusal.reason.clone()).await?;
                Err(refusal)
            }
        }
    }

    async fn begin(&self, order_id: &str, amount_cents: u32) -> Result<Begun, ShopError> {
        let order_id = order_id.to_owned();
        self.ledger
            .with(move |connection| {
                let known: Option<(i64, String)> = connection
                    .query_row(
                        "SELECT amount_cents, state FROM orders WHERE order_id = ?1",
                        [&order_id],
                        |row| Ok((row.get(0)?, row.get(1)?)),
                    )
                    .optional()?;
                match known {
                    Some((cents, _)) if cents != i64::from(amount_cents) => Ok(Begun::Differs(cents)),
                    Some((_, state)) if state == "paid" => Ok(Begun::Paid),
                    Some(_) => Ok(Begun::Open),
                    None => {
                        connection.execute(
                            "INSERT INTO orders (order_id, amount_cents, state) VALUES (?1, ?2, 'pending')",
                            (&order_id, amount_cents),
                        )?;
                        Ok(Begun::Open)
                    }
                }
            })
            .await
    }

    /// Records that an order is paid. Of two requests for the same order only one comes first here, and
    /// only that one counts the money and asks for the confirmation.
    async fn paid(&self, order_id: String, amount_cents: u32) -> Result<(), ShopError> {
        let order = Paid { order_id, paid_ms: ledger::now_ms() };
        let row = order.clone();
        let update = "UPDATE orders SET state = 'paid', reason = NULL, paid_ms = ?2
            WHERE order_id = ?1 AND state <> 'paid'";
        let first = self.ledger.with(move |c| c.execute(update, (&row.order_id, row.paid_ms))).await?;
        if first == 1 {
            self.revenue.add(u64::from(amount_cents), &[]);
            self.queue.push(order);
        }
        Ok(())
    }

    async fn not_paid(&self, order_id: String, state: &'static str, reason: String) -> Result<(), ShopError> {
        let update = "UPDATE orders SET state = ?2, reason = ?3 WHERE order_id = ?1 AND state <> 'paid'";
        self.ledger.with(move |c| c.execute(update, (order_id, state, reason))).await.map(drop)
    }

    /// The worker: confirms orders one by one, for as long as the process lives.
    async fn confirm_orders(self: Arc<Self>) {
        loop {
            let order = self.queue.next().await;
            while let Err(error) = self.confirm(&order.order_id).await {
                tracing::error!(
                    order_id = order.order_id,
                    error = chain(&error),
                    "the order could not be confirmed"
                );
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn confirm(&self, order_id: &str) -> Result<(), ShopError> {
        let order_id = order_id.to_owned();
        let update = "UPDATE orders SET confirmed_ms = ?2 WHERE order_id = ?1";
        self.ledger.with(move |c| c.execute(update, (order_id, ledger::now_ms()))).await?;
        self.confirmations.add(1, &[]);
        Ok(())
    }
}

/// What is known of an order when it comes in.
enum Begun {
    /// New, or not paid so far.
    Open,
    Paid,
    /// Known with this other amount.
    Differs(i64),
}

async fn unconfirmed(ledger: &Arc<Ledger>) -> Result<Vec<Paid>, ShopError> {
    let query = "SELECT order_id, paid_ms FROM orders
        WHERE state = 'paid' AND confirmed_ms IS NULL ORDER BY paid_ms";
    ledger
        .with(move |connection| {
            let mut statement = connection.prepare(query)?;
            let rows =
                statement.query_map([], |row| Ok(Paid { order_id: row.get(0)?, paid_ms: row.get(1)? }))?;
            rows.collect()
        })
        .await
}

async fn check_out(
    State(checkout): State<Arc<Checkout>>,
    body: Result<Json<Order>, JsonRejection>,
) -> Result<(StatusCode, Json<Receipt>), Refusal> {
    let Json(order) = body?;
    Ok((StatusCode::CREATED, Json(checkout.check_out(order).await?)))
}

async fn standing(State(checkout): State<Arc<Checkout>>) -> Json<Standing> {
    Json(checkout.queue.standing(ledger::now_ms()))
}

async fn stick(State(checkout): State<Arc<Checkout>>) -> Json<Value> {
    tracing::warn!("fault: the worker that confirms orders takes no more");
    checkout.queue.stick();
    Json(json!({ "fault": "stuck-worker", "until": "checkout is restarted" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::{self, Payments};
    use crate::queue::Worker;

    /// Payments on a free port, in this process.
    async fn payments(data: &Path, work: &mut JoinSet<()>) -> Peer {
        let router = payments::router(Payments::open(data).expect("opens"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("an address");
        work.spawn(async move { axum::serve(listener, router).await.expect("serves") });
        Peer::new("payments", wire::base_address(&format!("http://{address}")).expect("a url"), PATIENCE)
            .expect("a client")
    }

    fn order(number: u32) -> Order {
        Order { order_id: format!("order-{number}"), amount_cents: 500 }
    }

    async fn state_of(checkout: &Checkout, number: u32) -> (String, Option<String>) {
        let id = order(number).order_id;
        let query = "SELECT state, reason FROM orders WHERE order_id = ?1";
        let row = checkout.ledger.with(move |c| c.query_row(query, [id], |r| Ok((r.get(0)?, r.get(1)?))));
        row.await.expect("known")
    }

    #[tokio::test]
    async fn a_stuck_worker_leaves_orders_waiting_and_a_restart_confirms_them() {
        let data = tempfile::tempdir().expect("a directory");
        let mut work = JoinSet::new();
        let peer = payments(data.path(), &mut work).await;
        let checkout = Checkout::open(data.path(), peer.clone()).await.expect("opens");
        checkout.queue.stick();
        let mut worker = JoinSet::new();
        worker.spawn(Arc::clone(&checkout).confirm_orders());
        for number in 0..3 {
            checkout.check_out(order(number)).await.expect("still accepted");
        }
        let standing = checkout.queue.standing(ledger::now_ms());
        assert_eq!((standing.depth, standing.worker), (3, Worker::Stuck));
        worker.shutdown().await;
        drop(checkout);

        let checkout = Checkout::open(data.path(), peer).await.expect("opens again");
        assert_eq!(checkout.queue.depth(), 3);
        for _ in 0..3 {
            let next = checkout.queue.next().await;
            checkout.confirm(&next.order_id).await.expect("confirmed");
        }
        assert_eq!(unconfirmed(&checkout.ledger).await.expect("read"), []);
    }

    #[tokio::test]
    async fn an_order_sent_twice_is_paid_and_confirmed_once() {
        let data = tempfile::tempdir().expect("a directory");
        let mut work = JoinSet::new();
        let peer = payments(data.path(), &mut work).await;
        let checkout = Checkout::open(data.path(), peer).await.expect("opens");
        let first = checkout.check_out(order(1)).await.expect("paid");
        assert_eq!(checkout.check_out(order(1)).await.expect("answered"), first);
        assert_eq!(checkout.queue.depth(), 1);
        let refusal = checkout.check_out(Order { amount_cents: 1, ..order(1) }).await.expect_err("differs");
        assert_eq!(refusal.status, StatusCode::CONFLICT);
    }

    #[tokio::test]
    async fn an_order_stays_pending_while_nobody_knows_whether_it_was_charged() {
        let data = tempfile::tempdir().expect("a directory");
        // Takes each connection and closes it without an answer.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("an address");
        let mut work = JoinSet::new();
        work.spawn(async move { while listener.accept().await.is_ok() {} });
        let silent = wire::base_address(&format!("http://{address}")).expect("a url");
        let peer = Peer::new("payments", silent, PATIENCE).expect("a client");
        let checkout = Checkout::open(data.path(), peer).await.expect("opens");
        let refusal = checkout.check_out(order(1)).await.expect_err("no answer");
        assert_eq!(refusal.status, StatusCode::GATEWAY_TIMEOUT, "{}", refusal.reason);
        assert_eq!(state_of(&checkout, 1).await.0, "pending");
    }

    #[tokio::test]
    async fn an_order_that_payments_cannot_take_is_recorded_with_the_reason_and_can_be_sent_again() {
        let data = tempfile::tempdir().expect("a directory");
        let nobody = wire::base_address("http://127.0.0.1:1").expect("a url");
        let peer = Peer::new("payments", nobody, PATIENCE).expect("a client");
        let checkout = Checkout::open(data.path(), peer).await.expect("opens");
        let refusal = checkout.check_out(order(1)).await.expect_err("nobody is there");
        assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
        let (state, reason) = state_of(&checkout, 1).await;
        assert_eq!(state, "failed");
        assert!(reason.is_some_and(|reason| reason.starts_with("payments cannot be reached: ")));
        drop(checkout);

        let mut work = JoinSet::new();
        let peer = payments(data.path(), &mut work).await;
        let checkout = Checkout::open(data.path(), peer).await.expect("opens again");
        checkout.check_out(order(1)).await.expect("paid");
        assert_eq!(state_of(&checkout, 1).await, ("paid".to_owned(), None));
    }
}
