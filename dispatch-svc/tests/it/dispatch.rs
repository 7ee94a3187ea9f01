//! One dispatch-svc, and the people around it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use dispatch_svc::app::{App, Settings};
use dispatch_svc::domain::pin;
use dispatch_svc::messaging::on_order::OnOrder;
use dispatch_svc::tasks::city::CityCache;
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_contracts::{CustomerId, Envelope, EventId, MerchantId, Money, OrderId, Place, RiderId, Version};
use pannier_platform::auth::{Role, Signer};
use pannier_platform::consumer::{Processed, process};
use pannier_platform::{Db, Namespace, Stop, service};
use pannier_testkit::{Servers, TestDb, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

pub const MIDDLE: (f64, f64) = (52.52, 13.40);
pub const PIN: &str = "4711";

/// So many metres north of the shop.
pub fn north(metres: f64) -> Place {
    Place::new(MIDDLE.0 + metres / 111_195.0, MIDDLE.1).expect("a place")
}

pub struct Dispatch {
    pub db: TestDb,
    pub pool: Db,
    stop: Stop,
    url: String,
    http: reqwest::Client,
    servers: Servers,
    redis: String,
    running: Vec<tokio::task::JoinHandle<anyhow::Result<()>>>,
    timers: Arc<tokio::sync::Notify>,
    /// What each process has in memory.
    pub cities: Vec<Arc<CityCache>>,
}

fn signer() -> &'static (Signer, PathBuf) {
    static SIGNER: OnceLock<(Signer, PathBuf)> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("pannier-dispatch-{}", std::process::id()));
        (Signer::load_or_create(&dir).expect("a key can be made"), dir.join("jwks.json"))
    })
}

fn settings(db: &TestDb, redis: &str) -> Settings {
    Settings {
        service: service::Settings {
            http_bind: "127.0.0.1:0".to_owned(),
            http_workers: 1,
            instance: String::new(),
            keep_days: 90,
            keep_answers_hours: 48,
            database_url: db.urls.dispatch.clone().into(),
            pool_size: 8,
            amqp_url: "amqp://nobody@127.0.0.1:1/%2f".to_owned().into(),
            namespace: Namespace::try_from(db.name.clone()).expect("a database name is a namespace"),
            auth_jwks: signer().1.display().to_string(),
        },
        redis_url: redis.to_owned().into(),
        locations_waiting: 64,
        plan_budget_ms: 250,
    }
}

impl Dispatch {
    /// One that runs, with a zone of this policy.
    pub async fn start(policy: Value) -> Self {
        let redis = Servers::from_env().redis_url;
        Self::start_on(policy, redis).await
    }

    /// One whose Redis answers at `redis`, or does not.
    pub async fn start_on(policy: Value, redis: String) -> Self {
        let servers = Servers::from_env();
        let db = TestDb::create(&servers).await;
        let stop = Stop::new();
        let app = App::build(settings(&db, &redis), stop.clone()).await.expect("it builds");
        let url = format!("http://{}", app.address().expect("an address"));
        let (timers, cities) = (app.timer_nudge(), vec![app.city()]);
        let running = vec![tokio::spawn(app.run())];
        let pool = Db::new(&db.urls.dispatch, 4).expect("a pool");
        let http = reqwest::Client::new();
        let this = Self { db, pool, stop, url, http, servers, redis, running, timers, cities };
        this.zone("test", -0.1, policy).await;
        this
    }

    /// A second process on the same tables.
    pub async fn join_in(&mut self) {
        let app = App::build(settings(&self.db, &self.redis), self.stop.clone()).await.expect("it builds");
        self.cities.push(app.city());
        self.running.push(tokio::spawn(app.run()));
    }

    /// A new zone that begins so many degrees north of the middle, and ends a fifth of a degree on.
    pub async fn zone(&self, id: &str, south: f64, policy: Value) {
        let corner = |dy: f64, dx: f64| json!({"lat": MIDDLE.0 + dy, "lng": MIDDLE.1 + dx});
        let north = south + 0.2;
        let polygon = [corner(south, -0.2), corner(south, 0.2), corner(north, 0.2), corner(north, -0.2)];
        let zone = json!({"name": "Test", "polygon": polygon, "policy": policy});
        self.ops().put(&format!("/v1/ops/zones/{id}"), zone).await.ok();
    }

    fn caller(&self, role: Role, id: String) -> Caller {
        let token = signer().0.mint(role, &id, Duration::from_secs(600)).expect("it can be signed");
        Caller { http: self.http.clone(), url: self.url.clone(), token, id }
    }

    pub fn ops(&self) -> Caller {
        self.caller(Role::Ops, "ops_test".to_owned())
    }

    /// A rider with room for `capacity` orders, not on shift.
    pub async fn rider_offline(&self, capacity: i32) -> Caller {
        let rider = self.caller(Role::Rider, RiderId::generate().to_string());
        let profile = json!({"name": "R", "vehicle": "bicycle", "speed_mps": 5.0, "capacity": capacity});
        rider.put("/v1/rider/profile", profile).await.ok();
        rider
    }

    /// A rider with room for `capacity` orders, so many metres north of the shop.
    pub async fn rider(&self, capacity: i32, metres: f64) -> Caller {
        let rider = self.rider_offline(capacity).await;
        rider.post("/v1/rider/online", json!({"place": north(metres)})).await.ok();
        rider
    }

    /// Hands over news of an order.
    pub async fn tell(&self, order: &OrderSnapshot) -> Processed {
        let envelope = Envelope {
            event_id: EventId::generate(),
            kind: format!("order.{}.v1", order.state),
            aggregate: "order".to_owned(),
            aggregate_id: order.id.0,
            version: order.version,
            occurred_at: Utc::now(),
            traceparent: None,
            actor: "test".to_owned(),
            data: order,
        };
        let bytes = serde_json::to_vec(&envelope).expect("JSON");
        process(&self.pool, &Arc::new(OnOrder), &bytes).await.expect("it is applied")
    }

    /// An order that the shop has accepted, ready in a minute, and its delivery's id.
    pub async fn accepted(&self) -> (OrderSnapshot, String) {
        let order = an_order(OrderState::Accepted);
        self.tell(&order).await;
        let id = self.delivery_of(&order).await["id"].as_str().expect("an id").to_owned();
        (order, id)
    }

    /// The delivery of an order, as operations see it.
    pub async fn delivery_of(&self, order: &OrderSnapshot) -> Value {
        let all = self.ops().get("/v1/ops/deliveries?limit=100").await.ok();
        let of_order = |d: &&Value| d["order_id"] == order.id.to_string();
        all["data"].as_array().expect("a list").iter().find(of_order).cloned().unwrap_or(Value::Null)
    }

    /// What operations should look at. Events that do not leave are no news: there is no broker.
    pub async fn alarms(&self) -> Vec<String> {
        let stuck = self.ops().get("/v1/ops/stuck").await.ok();
        let kinds =
            stuck["data"].as_array().expect("a list").iter().map(|s| s["kind"].as_str().unwrap_or("").to_owned());
        kinds.filter(|kind| kind != "event_unpublished").collect()
    }

    /// Waits until a delivery is in a state.
    pub async fn delivery_is(&self, id: &str, state: &str) -> Value {
        let (ops, path) = (self.ops(), format!("/v1/ops/deliveries/{id}"));
        eventually(&format!("the delivery is {state}"), || async {
            let delivery = ops.get(&path).await.ok();
            (delivery["state"] == state).then_some(delivery)
        })
        .await
    }

    /// The open offer of an order to a rider, once it is there.
    pub async fn offer(&self, rider: &Caller, order: &OrderSnapshot) -> Value {
        eventually("the rider is asked", || async { rider.offer_of(order).await }).await
    }

    /// A delivery that this rider has accepted.
    pub async fn assigned(&self, rider: &Caller) -> (OrderSnapshot, String) {
        let (order, id) = self.accepted().await;
        let offer = self.offer(rider, &order).await;
        rider.accept(&offer).await.ok();
        (order, id)
    }

    /// Lets time pass, and lets the timers see it.
    pub async fn let_time_pass(&self, d: Duration) {
        self.db.let_time_pass(d).await;
        self.timers.notify_waiters();
    }

    /// Stops it, and takes its database away. Nothing may be left that an operator would have to explain.
    pub async fn end(self) {
        let wrong =
            "SELECT count(*) AS n FROM dispatch.riders r WHERE r.active <> (SELECT count(*) FROM dispatch.offers o
            WHERE o.rider_id = r.id AND o.state = 'accepted' AND o.ended_at IS NULL)";
        assert_eq!(self.db.count(wrong).await, 0, "a rider's load is what they accepted and have not ended");
        let gaps = "SELECT count(*) AS n FROM (SELECT aggregate_id FROM dispatch.events
            GROUP BY aggregate, aggregate_id HAVING count(*) <> max(version)) g";
        assert_eq!(self.db.count(gaps).await, 0, "one event per version");
        self.stop.cancel();
        for running in self.running {
            let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
            ended.expect("it stops within ten seconds").expect("it does not panic").expect("it ends well");
        }
        self.db.remove(&self.servers).await;
    }
}

/// An order from the shop in the middle to a door a kilometre north.
pub fn an_order(state: OrderState) -> OrderSnapshot {
    let id = OrderId::generate();
    OrderSnapshot {
        id,
        version: Version(3),
        state,
        customer_id: CustomerId::generate(),
        merchant_id: MerchantId::generate(),
        merchant_name: "Shop".to_owned(),
        zone_id: "test".parse().expect("a zone id"),
        lines: Vec::new(),
        total: Money { amount: 1250, currency: "EUR".parse().expect("a currency") },
        pickup: north(0.0),
        dropoff: north(1_000.0),
        ready_at: Some(Utc::now() + TimeDelta::seconds(60)),
        promise_at: Utc::now() + TimeDelta::minutes(30),
        pin_hash: pin::hash(id, PIN),
        reason: None,
        placed_at: Utc::now(),
    }
}

/// The same order, one version later.
pub fn later(order: &OrderSnapshot, state: OrderState) -> OrderSnapshot {
    OrderSnapshot { version: order.version.next(), state, ..order.clone() }
}

pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.body);
        self.body
    }

    /// Status and problem code.
    pub fn told(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or(""))
    }
}

pub struct Caller {
    http: reqwest::Client,
    url: String,
    token: String,
    pub id: String,
}

impl Caller {
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, None, Some(body)).await
    }

    pub async fn put_if(&self, path: &str, version: i64, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(version), Some(body)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, None, Some(body)).await
    }

    pub async fn post_if(&self, path: &str, version: i64, body: Value) -> Answer {
        self.send(Method::POST, path, Some(version), Some(body)).await
    }

    pub async fn accept(&self, offer: &Value) -> Answer {
        self.post(&format!("/v1/rider/offers/{}/accept", offer["id"].as_str().expect("an id")), json!({})).await
    }

    pub async fn tap(&self, delivery: &str, tap: &str) -> Answer {
        self.post(&format!("/v1/rider/deliveries/{delivery}/{tap}"), json!({})).await
    }

    pub async fn deliver(&self, delivery: &str, pin: &str) -> Answer {
        self.post(&format!("/v1/rider/deliveries/{delivery}/delivered"), json!({"pin": pin})).await
    }

    pub async fn offer_of(&self, order: &OrderSnapshot) -> Option<Value> {
        let offers = self.get("/v1/rider/offers").await.ok();
        offers["data"].as_array()?.iter().find(|o| o["order_id"] == order.id.to_string()).cloned()
    }

    pub async fn profile(&self) -> Value {
        self.get("/v1/rider/profile").await.ok()
    }

    pub fn rider(&self) -> RiderId {
        self.id.parse().expect("a rider id")
    }

    async fn send(&self, method: Method, path: &str, if_match: Option<i64>, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url)).bearer_auth(&self.token);
        if method == Method::POST {
            request = request.header("Idempotency-Key", Uuid::now_v7().to_string());
        }
        if let Some(version) = if_match {
            request = request.header("If-Match", version.to_string());
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap_or_else(|e| panic!("{path}: {e}"));
        let status = response.status().as_u16();
        Answer { status, body: response.json().await.unwrap_or(Value::Null) }
    }

    /// Opens the rider's stream.
    pub async fn stream(&self) -> reqwest::Response {
        let request = self.http.get(format!("{}/v1/rider/offers/stream", self.url)).bearer_auth(&self.token);
        request.send().await.expect("the stream opens")
    }
}
