//! order-svc under test, with a customer, a shop and operations that call it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{SubsecRound as _, TimeDelta, Utc};
use order_svc::app::{App, Settings};
use order_svc::messaging::on_delivery::OnDelivery;
use order_svc::messaging::on_merchant::OnMerchant;
use order_svc::messaging::on_ticket::OnTicket;
use order_svc::messaging::on_zone::OnZone;
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::event::Snapshot;
use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_contracts::ticket::{TicketSnapshot, TicketState};
use pannier_contracts::zone::{Policy, ZoneSnapshot};
use pannier_contracts::{
    CustomerId, DeliveryId, MerchantId, Money, OrderId, PaymentId, Place, RiderId, TicketId, Version,
};
use pannier_platform::auth::Role;
use pannier_platform::consumer::{Handler, Processed, process};
use pannier_platform::{Db, Namespace, Refusal, Stop, event_log};
use pannier_testkit::service::{settings, token};
use pannier_testkit::{Answer, Caller, Servers, TestDb, event_bytes, eventually, http_client};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::scripted_gateway::ScriptedGateway;
use crate::test_gateway::{self, TestGateway};

/// Signs the gateway's callbacks.
pub const CALLBACK_SECRET: &str = "secret";

/// The shop; the zone ends two tenths of a degree around it.
pub const SHOP: (f64, f64) = (52.52, 13.40);

pub struct OrderService {
    pub db: TestDb,
    pub pool: Db,
    pub gateway: ScriptedGateway,
    pub customer: Caller,
    pub shop: Caller,
    pub ops: Caller,
    url: String,
    timers: Arc<Notify>,
    servers: Servers,
    stop: Stop,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl OrderService {
    /// A service that knows a zone and an open shop with soup for 6.50 €. Its gateway is scripted.
    pub async fn start() -> Self {
        let gateway = ScriptedGateway::start();
        Self::start_with(&gateway.url.clone(), gateway).await
    }

    /// The same with another gateway.
    pub async fn start_at(gateway: &TestGateway) -> Self {
        Self::start_with(&gateway.url, ScriptedGateway::start()).await
    }

    async fn start_with(gateway_url: &str, gateway: ScriptedGateway) -> Self {
        let servers = Servers::from_env();
        let db = TestDb::create(&servers).await;
        let namespace = Namespace::try_from(db.name.clone()).unwrap();
        let service = settings(&db.urls.order, "amqp://127.0.0.1:1/%2f", &namespace);
        let stop = Stop::new();
        let settings = Settings {
            service,
            gateway_url: gateway_url.to_owned(),
            gateway_key: test_gateway::API_KEY.into(),
            gateway_callback_secret: CALLBACK_SECRET.into(),
        };
        let app = App::build(settings, stop.clone()).await.unwrap();
        let url = format!("http://{}", app.address().unwrap());
        let timers = app.timer_nudge();
        let running = tokio::spawn(app.run());
        let pool = Db::new(&db.urls.order, 4).unwrap();
        let customer = caller(&url, Role::Customer, CustomerId::generate().to_string());
        let shop = caller(&url, Role::Merchant, MerchantId::generate().to_string());
        let ops = caller(&url, Role::Ops, "ops_test".to_owned());
        let this = Self { db, pool, gateway, customer, shop, ops, url, timers, servers, stop, running };
        this.publish_zone_and_shop().await;
        this
    }

    async fn publish_zone_and_shop(&self) {
        self.receive(OnZone, &self.zone()).await.unwrap();
        self.receive(OnMerchant, &self.shop_snapshot()).await.unwrap();
    }

    /// The zone at its first version.
    pub fn zone(&self) -> ZoneSnapshot {
        let corners = [(-0.2, -0.2), (-0.2, 0.2), (0.2, 0.2), (0.2, -0.2)];
        ZoneSnapshot {
            id: "test".parse().unwrap(),
            version: Version::FIRST,
            name: "Test".to_owned(),
            polygon: corners.map(|(dy, dx)| Place::new(SHOP.0 + dy, SHOP.1 + dx).unwrap()).to_vec(),
            policy: Policy::default(),
        }
    }

    /// The shop at its first version.
    pub fn shop_snapshot(&self) -> MerchantSnapshot {
        let price = Money::new(650, "EUR".parse().unwrap());
        MerchantSnapshot {
            id: self.shop.id.parse().unwrap(),
            version: Version::FIRST,
            name: "Noodles".to_owned(),
            place: Place::new(SHOP.0, SHOP.1).unwrap(),
            currency: price.currency,
            prep_ms: 600_000,
            status: MerchantStatus::Open,
            menu: vec![MenuItem { sku: "soup".to_owned(), name: "Soup".to_owned(), price, available: true }],
        }
    }

    /// A callback of the gateway with this signature.
    pub async fn callback(&self, body: &Value, signature: Option<&str>) -> Answer {
        let request = http_client().post(format!("{}/v1/gateway/callbacks", self.url)).body(body.to_string());
        let request = match signature {
            Some(signature) => request.header("Gateway-Signature", signature),
            None => request,
        };
        Answer::of(request.send().await.unwrap()).await
    }

    /// A callback that the gateway has signed.
    pub async fn signed_callback(&self, body: &Value) -> Answer {
        let signed = pannier_gateway::signature::sign(
            CALLBACK_SECRET.as_bytes(),
            body.to_string().as_bytes(),
            Utc::now().timestamp(),
        );
        self.callback(body, Some(&signed)).await
    }

    /// Another customer.
    pub fn another_customer(&self) -> Caller {
        caller(&self.url, Role::Customer, CustomerId::generate().to_string())
    }

    /// A quote of one soup.
    pub async fn quote(&self, customer: &Caller) -> Value {
        self.try_quote(customer).await.ok()
    }

    /// The answer to a request for it.
    pub async fn try_quote(&self, customer: &Caller) -> Answer {
        let dropoff = json!({"lat": SHOP.0 + 0.01, "lng": SHOP.1});
        let basket =
            json!({"merchant_id": self.shop.id, "lines": [{"sku": "soup", "quantity": 1}], "dropoff": dropoff});
        customer.post("/v1/quotes", basket).await
    }

    /// An order whose payment is under way.
    pub async fn placed(&self, payment_method: &str) -> Order {
        let quote = self.quote(&self.customer).await;
        let body = json!({"quote_id": quote["id"], "payment_method": payment_method});
        Order::of(&self.customer.post("/v1/orders", body).await.ok())
    }

    /// A paid order.
    pub async fn paid(&self) -> Order {
        let order = self.placed("tok_ok").await;
        self.order_is(&order, "paid", "authorised").await;
        order
    }

    /// An order that the shop has accepted, and whose money was taken.
    pub async fn accepted(&self) -> Order {
        self.accepted_with("tok_ok").await
    }

    /// The same with another payment method.
    pub async fn accepted_with(&self, payment_method: &str) -> Order {
        let order = self.placed(payment_method).await;
        self.order_is(&order, "paid", "authorised").await;
        self.accept(&order).await.ok();
        self.order_is(&order, "accepted", "captured").await;
        order
    }

    /// The shop accepts the order.
    pub async fn accept(&self, order: &Order) -> Answer {
        let ready_at = (Utc::now() + TimeDelta::minutes(20)).trunc_subsecs(3);
        self.shop.post(&format!("{}/accept", order.path), json!({"ready_at": ready_at})).await
    }

    /// The order as its customer reads it.
    pub async fn seen(&self, order: &Order) -> Value {
        self.customer.get(&order.path).await.ok()
    }

    /// Waits until an order and its payment are in these states and no payment operation is pending.
    pub async fn order_is(&self, order: &Order, state: &str, payment: &str) -> Value {
        let rests = format!(
            "SELECT count(*) AS n FROM orders.payments WHERE order_id = '{}' AND state = '{payment}'
                 AND next_attempt_at IS NULL",
            order.id.0
        );
        eventually(&format!("the order is {state}, its payment {payment}"), || async {
            // The payment first: an order that is read before its payment changes would show the old one.
            let is_at_rest = self.db.count(&rests).await == 1;
            let seen = self.seen(order).await;
            (is_at_rest && seen["state"] == state).then_some(seen)
        })
        .await
    }

    /// The entries of the ledger that are operations, by key: kind and amount.
    pub async fn operations_in_ledger(&self) -> Vec<(String, String, i64)> {
        use pannier_platform::Refusal;
        let entries = self.pool.read(|conn| {
            Box::pin(async move {
                use diesel::{ExpressionMethods as _, QueryDsl as _};
                use diesel_async::RunQueryDsl as _;
                use order_svc::store::schema::ledger;
                let entries = ledger::table.filter(ledger::kind.ne_all(["receivable", "write_off"]));
                let entries = entries.order(ledger::operation_key);
                let entries = entries.select((ledger::operation_key, ledger::kind, ledger::amount));
                Ok::<_, Refusal>(entries.load::<(String, String, i64)>(conn).await?)
            })
        });
        entries.await.unwrap()
    }

    /// Handles an event of another service.
    pub async fn receive<H: Handler>(&self, handler: H, snapshot: &H::Snapshot) -> Result<Processed, Refusal>
    where
        H::Snapshot: Snapshot,
    {
        process(&self.pool, &Arc::new(handler), &event_bytes(snapshot)).await
    }

    /// Handles an event of an order's ticket.
    pub async fn receive_ticket(&self, order: &Order, version: i64, state: TicketState) -> Processed {
        self.receive(OnTicket, &self.ticket(order, version, state)).await.unwrap()
    }

    /// Handles an event of an order's delivery.
    pub async fn receive_delivery(&self, order: &Order, version: i64, state: DeliveryState) -> Processed {
        self.receive(OnDelivery, &self.delivery(order, version, state)).await.unwrap()
    }

    pub fn ticket(&self, order: &Order, version: i64, state: TicketState) -> TicketSnapshot {
        TicketSnapshot {
            id: TicketId(order.id.0),
            version: Version(version),
            state,
            order_id: order.id,
            merchant_id: self.shop.id.parse().unwrap(),
            lines: Vec::new(),
            ready_at: None,
            reason: (state == TicketState::Rejected).then(|| "sold_out".to_owned()),
            opened_at: Utc::now(),
        }
    }

    pub fn delivery(&self, order: &Order, version: i64, state: DeliveryState) -> DeliverySnapshot {
        DeliverySnapshot {
            id: DeliveryId(order.id.0),
            version: Version(version),
            state,
            order_id: order.id,
            merchant_id: self.shop.id.parse().unwrap(),
            zone_id: "test".parse().unwrap(),
            rider_id: Some(RiderId::generate()),
            attempt: 1,
            ready_at: Utc::now(),
            picked_up_at: None,
            delivered_at: None,
            reason: None,
        }
    }

    /// The types of the events of an order, its payment or its progress, oldest first. Checks that there is one for
    /// each version.
    pub async fn events(&self, aggregate: &'static str, order: &Order) -> Vec<String> {
        let id = match aggregate {
            "payment" => self.payment(order).await["id"].as_str().unwrap().parse::<PaymentId>().unwrap().0,
            _ => order.id.0,
        };
        let events =
            self.pool.read(move |conn| Box::pin(async move { event_log::timeline(conn, aggregate, id).await }));
        let events = events.await.unwrap();
        for (event, version) in events.iter().zip(1..) {
            assert_eq!(event.version, version, "one event for each version");
        }
        events.into_iter().map(|event| event.kind).collect()
    }

    /// The payment of an order with its ledger entries, as operations read it.
    pub async fn payment(&self, order: &Order) -> Value {
        self.ops.get(&format!("/v1/ops/payments/{}", order.id)).await.ok()
    }

    /// The kinds of an order's ledger entries, oldest first.
    pub async fn ledger(&self, order: &Order) -> Vec<String> {
        let payment = self.payment(order).await;
        payment["ledger"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// The kinds of open alarms. Without a broker events stay unpublished, so that alarm is left out.
    pub async fn alarms(&self) -> Vec<String> {
        let stuck = self.ops.get("/v1/ops/stuck").await.ok();
        let kinds = stuck["data"].as_array().unwrap().iter().map(|s| s["kind"].as_str().unwrap().to_owned());
        kinds.filter(|kind| kind != "event_unpublished").collect()
    }

    /// Moves the time in the database, and wakes the timers.
    pub async fn let_time_pass(&self, d: Duration) {
        self.db.let_time_pass(d).await;
        self.timers.notify_waiters();
    }

    /// Makes payments due that wait to be tried again. No other time passes: the order must not expire.
    pub async fn retry_now(&self) {
        let due = "UPDATE orders.payments SET next_attempt_at = now() WHERE next_attempt_at > now()";
        self.db.execute(due).await;
    }

    /// Stops the service within ten seconds and removes the database.
    pub async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.running).await.expect("it stops in time").unwrap().unwrap();
        self.db.remove(&self.servers).await;
    }
}

/// An order that a test follows.
pub struct Order {
    pub id: OrderId,
    /// The path at which its customer reads it.
    pub path: String,
}

impl Order {
    pub fn of(seen: &Value) -> Self {
        let id: OrderId = seen["id"].as_str().unwrap().parse().unwrap();
        Self { id, path: format!("/v1/orders/{id}") }
    }
}

fn caller(url: &str, role: Role, id: String) -> Caller {
    Caller::new(http_client(), url, token(role, &id, Duration::from_secs(3600)), id)
}
