//! Storefront: shows the catalogue and takes orders to checkout.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::ShopError;
use crate::checkout::{Order, Receipt};
use crate::error::Refusal;
use crate::ledger::{self, Ledger};
use crate::program::{Common, Service};
use crate::wire::{self, Peer};

/// How long checkout may take to answer: a little longer than checkout gives payments.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// The most pieces of one thing in an order.
const MOST: u32 = 20;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY,
    item TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    amount_cents INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('placed', 'paid', 'failed')),
    placed_ms INTEGER NOT NULL
) STRICT";

/// What the shop sells.
pub const CATALOGUE: [Item; 4] = [
    Item { item: "rope", title: "Rope, 20 m", price_cents: 2_490 },
    Item { item: "lamp", title: "Storm lamp", price_cents: 3_950 },
    Item { item: "mug", title: "Tin mug", price_cents: 890 },
    Item { item: "chart", title: "Harbour chart", price_cents: 1_500 },
];

/// One thing the shop sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its short name, as orders use it.
    pub item: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What one piece costs, in cents.
    pub price_cents: u32,
}

/// Shows the catalogue and takes orders
#[derive(Debug, clap::Parser)]
#[command(name = "shop-storefront", version)]
pub struct Options {
    /// Port to listen on, on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 8101)]
    port: u16,
    /// Where checkout listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8102", value_parser = wire::base_address)]
    checkout: Url,
    #[command(flatten)]
    common: Common,
}

/// What a customer wants.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// An item of the catalogue.
    pub item: String,
    /// How many pieces, 1 to 20.
    pub quantity: u32,
}

/// The service's state.
#[derive(Debug)]
pub struct Storefront {
    checkout: Peer,
    ledger: Arc<Ledger>,
    orders: Counter<u64>,
}

/// Makes the service ready.
///
/// # Errors
/// When the ledger cannot be opened.
pub async fn start(options: Options) -> Result<Service, ShopError> {
    let checkout = Peer::new("checkout", options.checkout, PATIENCE)?;
    let storefront = Storefront::open(&options.common.data, checkout)?;
    let ledger = Arc::clone(&storefront.ledger);
    Ok(Service {
        port: options.port,
        router: router(storefront),
        health: Arc::new(move || ledger.check()),
        work: JoinSet::new(),
    })
}

/// The service's routes.
pub fn router(storefront: Arc<Storefront>) -> Router {
    Router::new().route("/", get(catalogue)).route("/orders", post(place)).with_state(storefront)
}

impl Storefront {
    /// Opens the ledger in `data`.
    ///
    /// # Errors
    /// When the ledger cannot be opened.
    pub fn open(data: &Path, checkout: Peer) -> Result<Arc<Self>, ShopError> {
        let ledger = Ledger::open(data, "storefront.db", SCHEMA)?;
        let orders = global::meter("shop")
            .u64_counter("shop.orders")
            .with_description("Orders placed by customers, by what came of them")
            .build();
        for outcome in ["paid", "failed"] {
            orders.add(0, &[KeyValue::new("outcome", outcome)]);
        }
        Ok(Arc::new(Self { checkout, ledger, orders }))
    }

    /// Places an order and takes it through checkout.
    ///
    /// # Errors
    /// 400 for a wish that makes no sense; else what checkout refused with.
    pub async fn place(&self, wish: Wish) -> Result<Receipt, Refusal> {
        let amount_cents = price(&wish)?;
        let order_id = Uuid::now_v7().to_string();
        let row = (order_id.clone(), wish.item, wish.quantity, amount_cents, ledger::now_ms());
        let insert = "INSERT INTO orders VALUES (?1, ?2, ?3, ?4, 'placed', ?5)";
        self.ledger.with(move |connection| connection.execute(insert, row)).await?;

        let order = Order { order_id: order_id.clone(), amount_cents };
        let result: Result<Receipt, Refusal> = self.checkout.post("/checkout", &order).await;

        let outcome = if result.is_ok() { "paid" } else { "failed" };
        self.orders.add(1, &[KeyValue::new("outcome", outcome)]);
        if let Err(refusal) = &result {
            tracing::warn!(order_id, reason = refusal.reason, "the order failed");
        }
        let update = "UPDATE orders SET outcome = ?2 WHERE order_id = ?1";
        self.ledger.with(move |connection| connection.execute(update, (order_id, outcome))).await?;
        result
    }
}

/// What a wish costs, in cents.
fn price(wish: &Wish) -> Result<u32, Refusal> {
    let bad = |reason: String| Refusal::new(StatusCode::BAD_REQUEST, reason);
    let items = CATALOGUE.map(|item| item.item).join(", ");
    let item = CATALOGUE.iter().find(|item| item.item == wish.item);
    let item = item.ok_or_else(|| bad(format!("there is no item {:?}; there are {items}", wish.item)))?;
    if !(1..=MOST).contains(&wish.quantity) {
        return Err(bad(format!("a quantity is between 1 and {MOST}")));
    }
    Ok(item.price_cents * wish.quantity)
}

/// The catalogue: a page for browsers, JSON for everyone else.
async fn catalogue(headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/html") {
        return Json(CATALOGUE).into_response();
    }
    let row = |item: &Item| {
        format!("<li>{}: {}.{:02}</li>", item.title, item.price_cents / 100, item.price_cents % 100)
    };
    let rows: String = CATALOGUE.iter().map(row).collect();
    Html(format!(
        "<!doctype html><html lang=\"en\"><title>Web shop</title><h1>Web shop</h1><ul>{rows}</ul></html>\n"
    ))
    .into_response()
}

async fn place(
    State(storefront): State<Arc<Storefront>>,
    body: Result<Json<Wish>, JsonRejection>,
) -> Result<(StatusCode, Json<Receipt>), Refusal> {
    let Json(wish) = body?;
    Ok((StatusCode::CREATED, Json(storefront.place(wish).await?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_costs_what_the_catalogue_says_or_is_refused_with_what_there_is() {
        let wish = |item: &str, quantity| Wish { item: item.to_owned(), quantity };
        assert_eq!(price(&wish("mug", 3)), Ok(2_670));
        assert_eq!(
            price(&wish("boat", 1)).expect_err("unknown").reason,
            "there is no item \"boat\"; there are rope, lamp, mug, chart"
        );
        for quantity in [0, 21, u32::MAX] {
            assert_eq!(
                price(&wish("mug", quantity)).expect_err("refused").reason,
                "a quantity is between 1 and 20"
            );
        }
    }

    #[tokio::test]
    async fn the_catalogue_is_a_page_for_browsers_and_json_for_programs() {
        use tower::ServiceExt as _;

        let data = tempfile::tempdir().expect("a directory");
        let nobody = wire::base_address("http://127.0.0.1:1").expect("a url");
        let checkout = Peer::new("checkout", nobody, PATIENCE).expect("a client");
        let router = router(Storefront::open(data.path(), checkout).expect("opens"));
        for (accept, expected) in [("text/html,*/*", "text/html"), ("*/*", "application/json")] {
            let request = axum::http::Request::get("/").header(header::ACCEPT, accept);
            let request = request.body(axum::body::Body::empty()).expect("a request");
            let response = router.clone().oneshot(request).await.expect("answered");
            assert_eq!(response.status(), StatusCode::OK);
            let kind = response.headers()[header::CONTENT_TYPE].to_str().expect("text");
            assert!(kind.starts_with(expected), "{kind}");
        }
    }
}
