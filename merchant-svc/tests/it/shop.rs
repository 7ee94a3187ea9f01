//! A shop under test: merchant-svc, its database, a scripted order-svc, and the tablet that calls the API.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App as Actix, HttpRequest, HttpResponse, HttpServer, web};
use chrono::{TimeDelta, Utc};
use merchant_svc::app::{App, Settings};
use merchant_svc::messaging::on_delivery::OnDelivery;
use merchant_svc::messaging::on_order::OnOrder;
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::order::{OrderLine, OrderSnapshot, OrderState};
use pannier_contracts::{CustomerId, DeliveryId, EventId, MerchantId, Money, OrderId, Place, RiderId, Version};
use pannier_platform::auth::Role;
use pannier_platform::consumer::{Processed, process};
use pannier_platform::{Db, Namespace, Stop};
use pannier_testkit::service::{settings, token};
use pannier_testkit::{Answer, Caller, Servers, TestDb, event_bytes, eventually, http_client};
use reqwest::Method;
use serde_json::{Value, json};

/// No broker: requests of a shop do not need one.
const NO_BROKER: &str = "amqp://127.0.0.1:1/%2f";
const HOUR: Duration = Duration::from_secs(3600);

/// How the scripted order-svc answers.
#[derive(Debug, Clone)]
pub enum Says {
    /// 200, with the order in this state.
    Yes(OrderState),
    /// 409 with this code, because the order is in this state.
    No(OrderState, &'static str),
    /// 500, without changing anything.
    Broken,
}

/// A call that order-svc received.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub path: String,
    pub key: String,
    pub bearer: String,
    pub traceparent: String,
    pub body: Value,
}

#[derive(Debug)]
struct OrderSide {
    says: Says,
    calls: Vec<Call>,
    /// Status and body by idempotency key. The same key gets the same answer again, as from the real service.
    answered: HashMap<String, (u16, Value)>,
}

/// One shop and the merchant-svc that it uses, on a database of its own.
pub struct Shop {
    pub id: MerchantId,
    pub db: TestDb,
    /// Calls the API as the shop.
    pub api: Caller,
    pub token: String,
    pub url: String,
    order_side: Arc<Mutex<OrderSide>>,
    service_db: Db,
    servers: Servers,
    stop: Stop,
    running: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Shop {
    /// Starts the service. The shop has no profile yet.
    pub async fn start() -> Self {
        let servers = Servers::from_env();
        let db = TestDb::create(&servers).await;
        let order_side =
            Arc::new(Mutex::new(OrderSide { says: Says::Broken, calls: Vec::new(), answered: HashMap::new() }));
        let namespace = Namespace::try_from(db.name.clone()).unwrap();
        let service = settings(&db.urls.merchant, NO_BROKER, &namespace);
        let settings = Settings { service, order_url: serve_orders(Arc::clone(&order_side)) };
        let stop = Stop::new();
        let app = App::build(settings, stop.clone()).await.unwrap();
        let url = format!("http://{}", app.address().unwrap());
        let running = tokio::spawn(app.run());
        let id = MerchantId::generate();
        let token = token(Role::Merchant, &id.to_string(), HOUR);
        let api = Caller::new(http_client(), &url, token.clone(), id.to_string());
        let service_db = Db::new(&db.urls.merchant, 4).unwrap();
        let shop = Self { id, db, api, token, url, order_side, service_db, servers, stop, running };
        eventually("the service listens", || async { http_client().get(&shop.url).send().await.ok() }).await;
        shop
    }

    /// Starts the service with an open shop that sells soup.
    pub async fn open() -> Self {
        let shop = Self::start().await;
        let profile =
            json!({"name": "Noodles", "place": {"lat": 52.5, "lng": 13.4}, "currency": "EUR", "prep_ms": 600_000});
        assert_eq!(shop.put("/v1/merchant/profile", None, profile).await.status, 200);
        assert_eq!(
            shop.put("/v1/merchant/menu", Some(1), json!({"items": [item("soup", 650, true)]})).await.status,
            200
        );
        assert_eq!(shop.post("/v1/merchant/open", Some(2), json!({})).await.status, 200);
        shop
    }

    /// Stops the service within ten seconds and removes the database.
    pub async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.running).await.expect("it stops in time").unwrap().unwrap();
        self.db.remove(&self.servers).await;
    }

    pub fn order_svc(&self, says: Says) {
        self.order_side.lock().unwrap().says = says;
    }

    pub fn calls(&self) -> Vec<Call> {
        self.order_side.lock().unwrap().calls.clone()
    }

    /// Another caller of the same service.
    pub fn caller(&self, role: Role, id: &str) -> Caller {
        self.api.with_token(token(role, id, HOUR))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.api.get(path).await
    }

    pub async fn put(&self, path: &str, seen: Option<i64>, body: Value) -> Answer {
        self.api.put(path, seen.map(Value::from).as_ref(), body).await
    }

    pub async fn post(&self, path: &str, seen: Option<i64>, body: Value) -> Answer {
        self.post_as(path, Some(&EventId::generate().to_string()), seen, body).await
    }

    pub async fn post_as(&self, path: &str, key: Option<&str>, seen: Option<i64>, body: Value) -> Answer {
        self.api.send(Method::POST, path, key, seen.map(Value::from).as_ref(), Some(body)).await
    }

    /// An order of soup, as the events of order-svc carry it.
    pub fn order(&self) -> OrderSnapshot {
        let place = Place::new(52.5, 13.4).unwrap();
        let price = Money::new(650, "EUR".parse().unwrap());
        OrderSnapshot {
            id: OrderId::generate(),
            version: Version(2),
            state: OrderState::Paid,
            customer_id: CustomerId::generate(),
            merchant_id: self.id,
            merchant_name: "Noodles".to_owned(),
            zone_id: "harbour".parse().unwrap(),
            lines: vec![OrderLine { sku: "soup".to_owned(), name: "Soup".to_owned(), quantity: 2, unit_price: price }],
            total: price,
            pickup: place,
            dropoff: place,
            ready_at: None,
            promise_at: Utc::now(),
            pin_hash: String::new(),
            reason: None,
            placed_at: Utc::now(),
        }
    }

    /// A new order, and the id of its ticket, which waits for acceptance.
    pub async fn ringing(&self) -> (OrderSnapshot, String) {
        let order = self.order();
        self.hear(&order).await;
        let id = self.ticket_of(&order).await["id"].as_str().unwrap().to_owned();
        (order, id)
    }

    /// Handles an event of an order.
    pub async fn hear(&self, order: &OrderSnapshot) -> Processed {
        process(&self.service_db, &Arc::new(OnOrder), &event_bytes(order)).await.unwrap()
    }

    /// Handles an event of an order's delivery.
    pub async fn hear_delivery(&self, order: &OrderSnapshot, version: i64, state: DeliveryState) -> Processed {
        let delivery = DeliverySnapshot {
            id: DeliveryId(order.id.0),
            version: Version(version),
            state,
            order_id: order.id,
            merchant_id: self.id,
            zone_id: order.zone_id.clone(),
            rider_id: Some(RiderId::generate()),
            attempt: 1,
            ready_at: Utc::now(),
            picked_up_at: None,
            delivered_at: None,
            reason: None,
        };
        process(&self.service_db, &Arc::new(OnDelivery), &event_bytes(&delivery)).await.unwrap()
    }

    /// The ticket of an order, as the shop's list shows it; `null` if there is none.
    pub async fn ticket_of(&self, order: &OrderSnapshot) -> Value {
        let page = self.get("/v1/merchant/tickets?limit=100").await;
        let order_id = order.id.to_string();
        let found = page.body["data"].as_array().unwrap().iter().find(|t| t["order_id"] == order_id.as_str());
        found.cloned().unwrap_or(Value::Null)
    }

    /// The types of a ticket's events, oldest first. Checks that there is one for each version.
    pub async fn told(&self, ticket: &str) -> Vec<String> {
        let id = ticket.parse::<pannier_contracts::TicketId>().unwrap();
        let rows = self
            .service_db
            .read(move |conn| {
                Box::pin(async move { pannier_platform::event_log::timeline(conn, "ticket", id.0).await })
            })
            .await
            .unwrap();
        for (row, version) in rows.iter().zip(1..) {
            assert_eq!(row.version, version);
        }
        rows.into_iter().map(|row| row.kind).collect()
    }
}

/// The same order at a later version.
pub fn later(order: &OrderSnapshot, version: i64, state: OrderState) -> OrderSnapshot {
    let ready_at = (state != OrderState::Paid).then(in_20_min);
    OrderSnapshot { version: Version(version), state, ready_at, ..order.clone() }
}

pub fn in_20_min() -> chrono::DateTime<Utc> {
    use chrono::SubsecRound as _;
    (Utc::now() + TimeDelta::minutes(20)).trunc_subsecs(3)
}

pub fn item(sku: &str, amount: i64, available: bool) -> Value {
    json!({"sku": sku, "name": sku, "price": {"amount": amount, "currency": "EUR"}, "available": available})
}

/// Starts the scripted order-svc and returns its base URL. It runs until the process of the test ends.
fn serve_orders(side: Arc<Mutex<OrderSide>>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let side = web::Data::from(side);
    let server = HttpServer::new(move || Actix::new().app_data(side.clone()).default_service(web::to(answer)))
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
    tokio::spawn(server);
    url
}

async fn answer(request: HttpRequest, side: web::Data<Mutex<OrderSide>>, body: web::Json<Value>) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
    let key = header("idempotency-key");
    let mut side = side.lock().unwrap();
    side.calls.push(Call {
        path: request.path().to_owned(),
        key: key.clone(),
        bearer: header("authorization"),
        traceparent: header("traceparent"),
        body: body.clone(),
    });
    let said = side.answered.get(&key).cloned();
    let (status, answer) = said.unwrap_or_else(|| match side.says {
        Says::Yes(state) => (200, json!({"state": state, "ready_at": body["ready_at"], "reason": body["reason"]})),
        Says::No(state, code) => (
            409,
            json!({"type": format!("/problems/{}", code.replace('_', "-")), "title": "No", "status": 409, "detail": "no",
                   "code": code, "retryable": false, "trace_id": "0af7651916cd43dd8448eb211c80319c",
                   "state": state, "allowed_actions": []}),
        ),
        Says::Broken => (500, json!({})),
    });
    if status != 500 {
        side.answered.insert(key, (status, answer.clone()));
    }
    HttpResponse::build(status.try_into().unwrap()).json(answer)
}
