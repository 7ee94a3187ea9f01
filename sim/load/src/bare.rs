//! The bare loop, the upper bound for placing: the rows of one order in one transaction by diesel-async, repeated on a number
//! of connections, with the platform's durability and without HTTP, checks or a pool.

use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use self::tables::{events, idempotency, orders, payments, timers};
use super::system::SystemUnderTest;

/// The schema of `bare.sql`.
mod tables {
    #![allow(missing_docs, reason = "the columns are those of the platform's tables")]

    diesel::table! {
        orders (id) {
            id -> Uuid, version -> BigInt, state -> Text, external_id -> Nullable<Text>, quote_id -> Uuid, customer_id -> Uuid,
            merchant_id -> Uuid, merchant_name -> Text, zone_id -> Text, lines -> Jsonb, fees -> Jsonb, currency -> Text,
            total -> BigInt, pickup_lat -> Double, pickup_lng -> Double, dropoff_lat -> Double, dropoff_lng -> Double,
            promise_at -> Timestamptz, pin -> Text, pin_hash -> Text, placed_at -> Timestamptz,
        }
    }

    diesel::table! {
        payments (id) {
            id -> Uuid, version -> BigInt, state -> Text, order_id -> Uuid, method -> Text, currency -> Text, amount -> BigInt,
            next_attempt_at -> Nullable<Timestamptz>,
        }
    }

    diesel::table! {
        events (event_id) {
            event_id -> Uuid,
            #[sql_name = "type"]
            kind -> Text,
            aggregate -> Text, aggregate_id -> Uuid, version -> BigInt, traceparent -> Nullable<Text>, actor -> Text, data -> Jsonb,
        }
    }

    diesel::table! {
        timers (aggregate_id, kind) { aggregate -> Text, aggregate_id -> Uuid, kind -> Text, fire_at -> Timestamptz, }
    }

    diesel::table! {
        idempotency (principal, route, key) {
            principal -> Text, route -> Text, key -> Text, fingerprint -> Text, status -> SmallInt, body -> Jsonb,
        }
    }
}

/// A database with the tables of `bare.sql` on the platform's server. It is removed with the server.
pub struct ScratchDatabase {
    url: String,
}

impl ScratchDatabase {
    /// Creates it, replacing that of an earlier run.
    ///
    /// # Errors
    /// The server is unavailable.
    pub async fn create(system: &SystemUnderTest) -> Result<Self> {
        let platform = &system.database_url;
        let mut server = AsyncPgConnection::establish(platform).await?;
        server.batch_execute("DROP DATABASE IF EXISTS bench_bare").await?;
        server.batch_execute("CREATE DATABASE bench_bare").await.context("a scratch database cannot be made")?;
        let (base, _) = platform.rsplit_once('/').context("a database URL ends with the database's name")?;
        let url = format!("{base}/bench_bare");
        AsyncPgConnection::establish(&url).await?.batch_execute(include_str!("bare.sql")).await?;
        Ok(Self { url })
    }

    /// Its URL, for `pgbench`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Places orders on a number of connections at once; returns orders per second.
    ///
    /// # Errors
    /// The server is unavailable.
    pub async fn orders_per_s(&self, connections: usize, lasting: Duration) -> Result<f64> {
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            open.push(AsyncPgConnection::establish(&self.url).await?);
        }
        let began = Instant::now();
        let mut workers = JoinSet::new();
        for mut conn in open {
            workers.spawn(async move {
                let mut placed = 0_u64;
                while began.elapsed() < lasting {
                    place(&mut conn).await?;
                    placed += 1;
                }
                anyhow::Ok(placed)
            });
        }
        let mut placed = 0;
        while let Some(done) = workers.join_next().await {
            placed += done?.context("the bare loop broke")?;
        }
        Ok(placed as f64 / began.elapsed().as_secs_f64())
    }
}

async fn place(conn: &mut AsyncPgConnection) -> Result<(), diesel::result::Error> {
    let (now, row) = (Utc::now(), Row::new());
    conn.transaction(async |conn: &mut AsyncPgConnection| row.insert(conn, now).await).await
}

/// An order, with the values of all rows that are written with it.
struct Row {
    order: Uuid,
    payment: Uuid,
    customer: Uuid,
    lines: Value,
    fees: Value,
    snapshot: Value,
}

#[derive(Insertable)]
#[diesel(table_name = events)]
struct Event {
    event_id: Uuid,
    kind: &'static str,
    aggregate: &'static str,
    aggregate_id: Uuid,
    version: i64,
    traceparent: &'static str,
    actor: &'static str,
    data: Value,
}

impl Row {
    fn new() -> Self {
        let (order, payment, customer) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let money = |amount: i64| json!({ "amount": amount, "currency": "EUR" });
        let lines = json!([{ "sku": "meal", "name": "Meal", "quantity": 1, "unit_price": money(1_250) }]);
        let fees = json!([{ "code": "delivery", "amount": money(349) }]);
        let place = json!({ "lat": -0.22, "lng": -78.51 });
        let snapshot = json!({
            "id": order, "version": 1, "state": "pending_payment", "customer_id": customer, "merchant_id": customer,
            "merchant_name": "Kitchen", "zone_id": "bench", "lines": lines, "total": money(1_599), "pickup": place, "dropoff": place,
            "ready_at": null, "promise_at": "2026-11-20T12:00:00Z", "pin_hash": HASH, "reason": null, "placed_at": "2026-11-20T12:00:00Z",
        });
        Self { order, payment, customer, lines, fees, snapshot }
    }

    async fn insert(&self, conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> Result<(), diesel::result::Error> {
        diesel::insert_into(orders::table)
            .values((
                (
                    orders::id.eq(self.order),
                    orders::version.eq(1),
                    orders::state.eq("pending_payment"),
                    orders::quote_id.eq(self.order),
                    orders::customer_id.eq(self.customer),
                    orders::merchant_id.eq(self.customer),
                    orders::merchant_name.eq("Kitchen"),
                    orders::zone_id.eq("bench"),
                    orders::lines.eq(&self.lines),
                    orders::fees.eq(&self.fees),
                    orders::currency.eq("EUR"),
                    orders::total.eq(1_599),
                ),
                (
                    orders::pickup_lat.eq(-0.22),
                    orders::pickup_lng.eq(-78.51),
                    orders::dropoff_lat.eq(-0.22),
                    orders::dropoff_lng.eq(-78.51),
                    orders::promise_at.eq(now),
                    orders::pin.eq("4711"),
                    orders::pin_hash.eq(HASH),
                    orders::placed_at.eq(now),
                ),
            ))
            .execute(conn)
            .await?;
        diesel::insert_into(payments::table)
            .values((
                payments::id.eq(self.payment),
                payments::version.eq(1),
                payments::state.eq("initiated"),
                payments::order_id.eq(self.order),
                payments::method.eq("tok_ok"),
                payments::currency.eq("EUR"),
                payments::amount.eq(1_599),
                payments::next_attempt_at.eq(now),
            ))
            .execute(conn)
            .await?;
        let event = |kind, aggregate, aggregate_id| Event {
            event_id: Uuid::now_v7(),
            kind,
            aggregate,
            aggregate_id,
            version: 1,
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            actor: "customer:cus_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f",
            data: self.snapshot.clone(),
        };
        // An array, not a Vec: diesel caches the prepared statement of a fixed number of rows.
        let events =
            [event("order.placed.v1", "order", self.order), event("payment.opened.v1", "payment", self.payment)];
        diesel::insert_into(events::table).values(events).execute(conn).await?;
        diesel::insert_into(timers::table)
            .values((
                timers::aggregate.eq("order"),
                timers::aggregate_id.eq(self.order),
                timers::kind.eq("payment"),
                timers::fire_at.eq(now + TimeDelta::minutes(15)),
            ))
            .execute(conn)
            .await?;
        diesel::insert_into(idempotency::table)
            .values((
                idempotency::principal.eq("customer:cus_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f"),
                idempotency::route.eq("POST /v1/orders"),
                idempotency::key.eq(self.order.to_string()),
                idempotency::fingerprint.eq(HASH),
                idempotency::status.eq(201),
                idempotency::body.eq(&self.snapshot),
            ))
            .execute(conn)
            .await?;
        Ok(())
    }
}

const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
