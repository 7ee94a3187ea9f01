//! dispatch-svc under test: the service on a database of its own, its callers, and the events of orders that it
//! handles.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use dispatch_svc::app::{App, Settings};
use dispatch_svc::domain::pin;
use dispatch_svc::messaging::on_order::OnOrder;
use dispatch_svc::tasks::city::CityCache;
use dispatch_svc::tasks::sweeper::sweep;
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_contracts::{CustomerId, DeliveryId, MerchantId, Money, OrderId, Place, RiderId, Version};
use pannier_platform::auth::Role;
use pannier_platform::consumer::{Processed, process};
use pannier_platform::{Db, Namespace, Stop};
use pannier_testkit::{Answer, Caller, Servers, TestDb, event_bytes, eventually, http_client, service};
use serde_json::{Value, json};

use crate::rider::Rider;

pub const MIDDLE: (f64, f64) = (52.52, 13.40);
pub const PIN: &str = "4711";

/// The place `metres` north of the shop.
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
    /// The in-memory city of each process.
    pub cities: Vec<Arc<CityCache>>,
}

/// No broker: requests of riders do not need one.
const NO_BROKER: &str = "amqp://127.0.0.1:1/%2f";

fn settings(db: &TestDb, redis: &str) -> Settings {
    let namespace = Namespace::try_from(db.name.clone()).expect("a database name is a namespace");
    Settings {
        service: service::settings(&db.urls.dispatch, NO_BROKER, &namespace),
        redis_url: redis.to_owned().into(),
        locations_waiting: 64,
        plan_budget_ms: 250,
    }
}

impl Dispatch {
    /// A running service, with a zone `test` of this policy.
    pub async fn start(policy: Value) -> Self {
        let redis = Servers::from_env().redis_url;
        Self::start_on(policy, redis).await
    }

    /// The same with its Redis at `redis`, which may be unreachable.
    pub async fn start_on(policy: Value, redis: String) -> Self {
        let servers = Servers::from_env();
        let db = TestDb::create(&servers).await;
        let stop = Stop::new();
        let app = App::build(settings(&db, &redis), stop.clone()).await.expect("it builds");
        let url = format!("http://{}", app.address().expect("an address"));
        let (timers, cities) = (app.timer_nudge(), vec![app.city()]);
        let running = vec![tokio::spawn(app.run())];
        let pool = Db::new(&db.urls.dispatch, 4).expect("a pool");
        let http = http_client();
        let this = Self { db, pool, stop, url, http, servers, redis, running, timers, cities };
        this.zone("test", -0.1, policy).await;
        this
    }

    /// Starts a second process on the same database.
    pub async fn start_another(&mut self) {
        let app = App::build(settings(&self.db, &self.redis), self.stop.clone()).await.expect("it builds");
        self.cities.push(app.city());
        self.running.push(tokio::spawn(app.run()));
    }

    /// Creates a zone whose southern edge is `south` degrees north of the middle, and a fifth of a degree high.
    pub async fn zone(&self, id: &str, south: f64, policy: Value) {
        let corner = |dy: f64, dx: f64| json!({"lat": MIDDLE.0 + dy, "lng": MIDDLE.1 + dx});
        let north = south + 0.2;
        let polygon = [corner(south, -0.2), corner(south, 0.2), corner(north, 0.2), corner(north, -0.2)];
        let zone = json!({"name": "Test", "polygon": polygon, "policy": policy});
        self.ops().put(&format!("/v1/ops/zones/{id}"), None, zone).await.ok();
    }

    fn caller(&self, role: Role, id: String) -> Caller {
        let token = service::token(role, &id, Duration::from_secs(600));
        Caller::new(self.http.clone(), &self.url, token, id)
    }

    pub fn ops(&self) -> Caller {
        self.caller(Role::Ops, "ops_test".to_owned())
    }

    /// A rider with this capacity who is not on shift.
    pub async fn rider_offline(&self, capacity: i32) -> Rider {
        let rider = Rider(self.caller(Role::Rider, RiderId::generate().to_string()));
        let profile = json!({"name": "R", "vehicle": "bicycle", "speed_mps": 5.0, "capacity": capacity});
        rider.put("/v1/rider/profile", None, profile).await.ok();
        rider
    }

    /// A rider with this capacity on shift, `metres` north of the shop.
    pub async fn rider(&self, capacity: i32, metres: f64) -> Rider {
        let rider = self.rider_offline(capacity).await;
        rider.post("/v1/rider/online", json!({"place": north(metres)})).await.ok();
        rider
    }

    /// Hands over an event of an order, as the consumer gets it.
    pub async fn consume(&self, order: &OrderSnapshot) -> Processed {
        process(&self.pool, &Arc::new(OnOrder), &event_bytes(order)).await.expect("it is applied")
    }

    /// An accepted order that is ready in a minute, and the id of its delivery.
    pub async fn accepted(&self) -> (OrderSnapshot, String) {
        let order = an_order(OrderState::Accepted);
        self.consume(&order).await;
        let id = self.delivery_of(&order).await["id"].as_str().expect("an id").to_owned();
        (order, id)
    }

    /// The delivery of an order, as operations see it.
    pub async fn delivery_of(&self, order: &OrderSnapshot) -> Value {
        let all = self.ops().get("/v1/ops/deliveries?limit=100").await.ok();
        let of_order = |d: &&Value| d["order_id"] == order.id.to_string();
        all["data"].as_array().expect("a list").iter().find(of_order).cloned().unwrap_or(Value::Null)
    }

    /// The kinds of open alarms. Without a broker events stay unpublished, so that alarm is left out.
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

    /// Waits until a rider has an offer of an order.
    pub async fn offer(&self, rider: &Rider, order: &OrderSnapshot) -> Value {
        eventually("the rider has an offer", || async { rider.offer_of(order).await }).await
    }

    /// An order whose delivery this rider has accepted.
    pub async fn assigned(&self, rider: &Rider) -> (OrderSnapshot, String) {
        let (order, id) = self.accepted().await;
        let offer = self.offer(rider, &order).await;
        rider.accept(&offer).await.ok();
        (order, id)
    }

    /// An order whose delivery this rider has picked up.
    pub async fn picked_up(&self, rider: &Rider) -> (OrderSnapshot, String) {
        let (order, id) = self.assigned(rider).await;
        rider.report(&id, "picked_up").await.ok();
        (order, id)
    }

    /// A delivery as operations see it.
    pub async fn delivery(&self, id: &str) -> Value {
        self.ops().get(&format!("/v1/ops/deliveries/{id}")).await.ok()
    }

    /// What operations do with a delivery, at its present version.
    pub async fn act(&self, id: &str, action: &str, body: Value) -> Answer {
        let version = self.delivery(id).await["version"].clone();
        self.ops().post_if(&format!("/v1/ops/deliveries/{id}/{action}"), &version, body).await
    }

    /// A rider as operations see them.
    pub async fn rider_row(&self, rider: &Rider) -> Value {
        let all = self.ops().get("/v1/ops/riders?limit=100").await.ok();
        let row = all["data"].as_array().expect("a list").iter().find(|r| r["id"] == rider.id.as_str());
        row.cloned().expect("they are listed")
    }

    /// Ends a rider's shift as operations, at their present version.
    pub async fn off_duty(&self, rider: &Rider, reason: &str) -> Answer {
        let version = self.rider_row(rider).await["version"].clone();
        self.ops().post_if(&format!("/v1/ops/riders/{}/off-duty", rider.id), &version, json!({"reason": reason})).await
    }

    /// Silences a rider for so many seconds, and sweeps.
    pub async fn silence(&self, rider: &Rider, seconds: u32) {
        let (id, since) = (rider.rider_id().0, format!("clock_timestamp() - interval '{seconds} s'"));
        self.db.execute(&format!("UPDATE dispatch.riders SET last_seen_at = {since} WHERE id = '{id}'")).await;
        sweep(&self.pool).await.expect("it sweeps");
    }

    /// The kinds of a delivery's timers.
    pub async fn timers_of(&self, id: &str) -> Vec<String> {
        use diesel_async::RunQueryDsl as _;
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            kind: String,
        }
        let id = id.parse::<DeliveryId>().expect("an id").0;
        let sql = format!("SELECT kind FROM dispatch.timers WHERE aggregate_id = '{id}' ORDER BY kind");
        let mut conn = self.db.connect().await;
        let rows: Vec<Row> = diesel::sql_query(sql).load(&mut conn).await.expect("timers can be read");
        rows.into_iter().map(|row| row.kind).collect()
    }

    /// Moves the time in the database, and wakes the timers.
    pub async fn let_time_pass(&self, d: Duration) {
        self.db.let_time_pass(d).await;
        self.timers.notify_waiters();
    }

    /// Stops the service and removes its database. Checks that loads agree with offers, and that every version has an
    /// event.
    pub async fn end(self) {
        let wrong =
            "SELECT count(*) AS n FROM dispatch.riders r WHERE r.active <> (SELECT count(*) FROM dispatch.offers o
            WHERE o.rider_id = r.id AND o.state = 'accepted' AND o.ended_at IS NULL)";
        assert_eq!(self.db.count(wrong).await, 0, "the load of riders is the number of their assignments");
        let gaps = "SELECT count(*) AS n FROM (SELECT aggregate_id FROM dispatch.events
            GROUP BY aggregate, aggregate_id HAVING count(*) <> max(version)) g";
        assert_eq!(self.db.count(gaps).await, 0, "every version has one event");
        self.stop.cancel();
        for running in self.running {
            let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
            ended
                .expect("the service stops within ten seconds")
                .expect("it does not panic")
                .expect("it stops without an error");
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
