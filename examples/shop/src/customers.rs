//! Customers: people who browse and buy at a steady rate, and what they see of the shop.
//!
//! A customer's view is the one that counts: `shop.customer.attempts` says how many wanted to pay and
//! how many could, whatever the services think of themselves. Each receipt is kept, so that afterwards
//! the books can be compared: every receipt has exactly one charge.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::ShopError;
use crate::checkout::Receipt;
use crate::error::chain;
use crate::ledger::{self, Ledger};
use crate::program::{Common, Service};
use crate::storefront::{CATALOGUE, Wish};
use crate::wire::{self, Peer};

/// How long a customer waits for an answer before giving up.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many customers can wait at once. When the shop is so slow that there are more, new ones turn
/// away, which counts as a failed attempt.
const CROWD: usize = 500;
/// One of this many customers looks at the catalogue first.
const BROWSERS: u64 = 4;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS receipts (
    order_id TEXT PRIMARY KEY,
    amount_cents INTEGER NOT NULL,
    received_ms INTEGER NOT NULL
) STRICT";

/// People who browse and buy at a steady rate
#[derive(Debug, clap::Parser)]
#[command(name = "shop-customers", version)]
pub struct Options {
    /// Port to listen on, on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 8104)]
    port: u16,
    /// Where the storefront listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8101", value_parser = wire::base_address)]
    storefront: Url,
    /// Orders per second, 1 to 1000
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    #[command(flatten)]
    common: Common,
}

/// What customers have seen since the process started; the answer to `GET /`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Orders that were paid.
    pub successes: u64,
    /// Orders that were refused, or had no answer in time.
    pub failures: u64,
}

#[derive(Debug)]
struct Customers {
    storefront: Peer,
    ledger: Arc<Ledger>,
    attempts: Counter<u64>,
    successes: AtomicU64,
    failures: AtomicU64,
}

/// Makes the service ready; customers come as soon as it runs.
///
/// # Errors
/// When the ledger cannot be opened.
pub async fn start(options: Options) -> Result<Service, ShopError> {
    let ledger = Ledger::open(&options.common.data, "customers.db", SCHEMA)?;
    let attempts = global::meter("shop")
        .u64_counter("shop.customer.attempts")
        .with_description("Customers who wanted to pay, by whether they could")
        .build();
    for outcome in ["success", "failure"] {
        attempts.add(0, &[KeyValue::new("outcome", outcome)]);
    }
    let customers = Arc::new(Customers {
        storefront: Peer::new("storefront", options.storefront, PATIENCE)?,
        ledger: Arc::clone(&ledger),
        attempts,
        successes: AtomicU64::new(0),
        failures: AtomicU64::new(0),
    });
    let mut work = JoinSet::new();
    work.spawn(Arc::clone(&customers).come(options.rate));
    Ok(Service {
        port: options.port,
        router: Router::new().route("/", get(seen)).with_state(customers),
        health: Arc::new(move || ledger.check()),
        work,
    })
}

impl Customers {
    /// Lets customers come at this rate, for as long as the process lives.
    async fn come(self: Arc<Self>, rate: u32) {
        let mut clock = tokio::time::interval(Duration::from_secs(1) / rate);
        // After a pause of the machine the rate goes on; what was missed is not made up for in a burst.
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut crowd = JoinSet::new();
        for number in 0_u64.. {
            clock.tick().await;
            while crowd.try_join_next().is_some() {}
            if crowd.len() < CROWD {
                let customer = Arc::clone(&self);
                crowd.spawn(wire::in_new_trace("customer", async move { customer.shop(number).await }));
            } else {
                self.count(false);
            }
        }
    }

    /// One customer: maybe looks around, then buys something.
    async fn shop(&self, number: u64) {
        if number.is_multiple_of(BROWSERS)
            && let Err(refusal) = self.storefront.get("/").await
        {
            tracing::warn!(reason = refusal.reason, "a customer could not see the catalogue");
        }
        let kinds = CATALOGUE.len() as u64;
        let item = CATALOGUE.iter().cycle().nth((number % kinds) as usize).map_or("", |item| item.item);
        let quantity = if number.is_multiple_of(3) { 2 } else { 1 };
        let wish = Wish { item: item.to_owned(), quantity };
        let result: Result<Receipt, _> = self.storefront.post("/orders", &wish).await;
        self.count(result.is_ok());
        match result {
            Ok(receipt) => self.keep(receipt).await,
            Err(refusal) => tracing::warn!(reason = refusal.reason, "a customer could not pay"),
        }
    }

    fn count(&self, success: bool) {
        let (total, outcome) =
            if success { (&self.successes, "success") } else { (&self.failures, "failure") };
        total.fetch_add(1, Ordering::Relaxed);
        self.attempts.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    async fn keep(&self, receipt: Receipt) {
        let row = (receipt.order_id, receipt.amount_cents, ledger::now_ms());
        let kept =
            self.ledger.with(move |c| c.execute("INSERT INTO receipts VALUES (?1, ?2, ?3)", row)).await;
        if let Err(error) = kept {
            tracing::error!(error = chain(&error), "a receipt could not be kept");
        }
    }
}

async fn seen(State(customers): State<Arc<Customers>>) -> Json<Seen> {
    Json(Seen {
        successes: customers.successes.load(Ordering::Relaxed),
        failures: customers.failures.load(Ordering::Relaxed),
    })
}
