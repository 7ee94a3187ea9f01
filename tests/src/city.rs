//! A small city: one zone, and clients that call the APIs as customers, shops, riders and operations.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use pannier_contracts::{CustomerId, MerchantId, OrderId, RiderId};
use pannier_platform::auth::Role;
use pannier_platform::broker::Broker;
use pannier_platform::{Namespace, Stop, Tls};
use pannier_testkit::service::token;
use pannier_testkit::{Answer, Caller, Servers, TestDb, eventually, http_client};
use serde_json::{Value, json};

use crate::gateway;
pub use crate::services::Wiring;
use crate::services::{Ground, Services, as_processes, in_this_process};

/// The three services and the payment gateway with their own database and namespace: in this process, or as processes.
pub struct TestCity {
    /// PostgreSQL, Redis and RabbitMQ.
    pub servers: Servers,
    /// The database that the three services share, one schema each.
    pub db: TestDb,
    /// Base URL of order-svc.
    pub order_url: String,
    /// Base URL of merchant-svc.
    pub merchant_url: String,
    /// Base URL of dispatch-svc.
    pub dispatch_url: String,
    /// Base URL of the payment gateway.
    pub gateway_url: String,
    /// Base URLs of the admin ports: order-svc, merchant-svc, dispatch-svc.
    pub admin_urls: [String; 3],
    /// RabbitMQ, with this city's namespace.
    pub broker: Broker,
    /// Stops the services and the gateway.
    pub stop: Stop,
    http: reqwest::Client,
    pub(crate) dir: PathBuf,
    running: Vec<tokio::task::JoinHandle<anyhow::Result<()>>>,
}

/// The middle of the zone: latitude and longitude.
pub const MIDDLE: (f64, f64) = (52.52, 13.40);

impl TestCity {
    /// Starts every service and publishes the zone. Returns when order-svc knows the zone.
    pub async fn start() -> Self {
        Self::start_with_policy(json!({})).await
    }

    /// Like [`Self::start`], with this dispatch policy for the zone.
    pub async fn start_with_policy(policy: Value) -> Self {
        Self::start_wired(policy, &Wiring::default()).await
    }

    /// Like [`Self::start`], with each service as a process of its own that has this environment, too.
    ///
    /// # Panics
    /// When a service does not start.
    pub async fn start_processes(env: &[(String, String)]) -> Self {
        Self::start_with(json!({}), &Tls::default(), async |ground| (as_processes(ground, env).await, ())).await.0
    }

    /// Everything that the services have logged, when they are processes.
    #[must_use]
    pub fn logs(&self) -> String {
        let logs = std::fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|file| file.path());
        let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect()
    }

    /// Like [`Self::start_with_policy`], wired like this.
    ///
    /// # Panics
    /// When a service does not start.
    pub async fn start_wired(policy: Value, wiring: &Wiring) -> Self {
        let start = async |ground: &Ground| (in_this_process(ground, wiring).await, ());
        Self::start_with(policy, &wiring.callers, start).await.0
    }

    /// Like [`Self::start`], with services that `start` has started.
    pub(crate) async fn start_with<T>(
        policy: Value,
        callers: &Tls,
        start: impl AsyncFnOnce(&Ground) -> (Services, T),
    ) -> (Self, T) {
        if std::env::var_os("RUST_LOG").is_some() {
            let _ = pannier_platform::Telemetry::start("pannier");
        }
        let servers = Servers::from_env();
        let db = TestDb::create(&servers).await;
        let namespace = Namespace::try_from(db.name.clone()).expect("a database name is a namespace");
        let stop = Stop::new();
        let dir = std::env::temp_dir().join(format!("pannier-{}", db.name));
        std::fs::create_dir_all(&dir).expect("a folder for the gateway");

        // It has an address before the services start, and answers when they have theirs, because it calls order-svc back.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let gateway_url = format!("http://{}", listener.local_addr().expect("an address"));
        let ground = Ground { servers, db, namespace, gateway_url, stop, dir };
        let (services, more) = start(&ground).await;
        let Ground { servers, db, namespace, gateway_url, stop, dir } = ground;
        let Services { urls: [order_url, merchant_url, dispatch_url], admin_urls, running: started } = services;
        let mut running = vec![gateway::start(listener, &dir, &order_url, callers, stop.clone())];
        running.extend(started);

        let broker = Broker { url: servers.amqp_url.clone(), tls: Tls::default(), namespace };
        let http = callers.http().build().expect("an HTTP client");
        let city = Self {
            servers,
            db,
            order_url,
            merchant_url,
            dispatch_url,
            gateway_url,
            admin_urls,
            broker,
            stop,
            http,
            dir,
            running,
        };
        city.publish_zone(policy).await;
        (city, more)
    }

    async fn publish_zone(&self, policy: Value) {
        let ops = self.ops(&self.dispatch_url);
        let (lat, lng) = MIDDLE;
        let corner = |dy: f64, dx: f64| json!({"lat": lat + dy, "lng": lng + dx});
        let polygon = json!([corner(-0.1, -0.2), corner(-0.1, 0.2), corner(0.1, 0.2), corner(0.1, -0.2)]);
        ops.put("/v1/ops/zones/test", None, json!({"name": "Test", "polygon": polygon, "policy": policy})).await.ok();
        eventually("order-svc knows the zone", || async {
            (self.db.count("SELECT count(*) AS n FROM orders.zones").await == 1).then_some(())
        })
        .await;
    }

    /// An access token, valid for an hour.
    #[must_use]
    pub fn token(&self, role: Role, subject: &str) -> String {
        token(role, subject, Duration::from_secs(3600))
    }

    /// A caller of the payment gateway's API.
    #[must_use]
    pub fn gateway(&self) -> Caller {
        Caller::new(http_client(), &self.gateway_url, gateway::API_KEY.to_owned(), "gateway".to_owned())
    }

    /// Makes the payment gateway misbehave, as `docs/payment-gateway.md` describes:
    /// `{"on": "capture", "do": "late", "times": 1}`.
    pub async fn gateway_misbehaves(&self, rule: Value) {
        self.gateway().with_token(gateway::CONTROL_KEY.to_owned()).post("/v1/control/misbehaviours", rule).await.ok();
    }

    fn caller(&self, base: &str, role: Role, id: String) -> Caller {
        Caller::new(self.http.clone(), base, self.token(role, &id), id)
    }

    /// A new customer.
    #[must_use]
    pub fn customer(&self) -> Caller {
        self.caller(&self.order_url, Role::Customer, CustomerId::generate().to_string())
    }

    /// Operations, calling the service at this base URL.
    #[must_use]
    pub fn ops(&self, base: &str) -> Caller {
        self.caller(base, Role::Ops, "ops_test".to_owned())
    }

    /// A caller with this id and role, calling the service at this base URL.
    #[must_use]
    pub fn somebody(&self, base: &str, role: Role, id: &str) -> Caller {
        self.caller(base, role, id.to_owned())
    }

    /// An open shop at [`MIDDLE`] that sells soup. Returns when order-svc knows that it is open.
    pub async fn shop(&self) -> Caller {
        let shop = self.caller(&self.merchant_url, Role::Merchant, MerchantId::generate().to_string());
        let (lat, lng) = MIDDLE;
        let profile = json!({"name": "Shop", "place": {"lat": lat, "lng": lng}, "currency": "EUR", "prep_ms": 60_000});
        let made = shop.put("/v1/merchant/profile", None, profile).await.ok();
        let soup =
            json!({"sku": "soup", "name": "Soup", "price": {"amount": 650, "currency": "EUR"}, "available": true});
        let made = shop.put("/v1/merchant/menu", Some(&made["version"]), json!({"items": [soup]})).await.ok();
        shop.post_if("/v1/merchant/open", &made["version"], json!({})).await.ok();
        let customer = self.customer();
        let menu = format!("/v1/merchants/{}/menu", shop.id);
        eventually("order-svc knows the shop", || async {
            let menu = customer.get(&menu).await;
            (menu.status == 200 && menu.body["status"] == "open").then_some(())
        })
        .await;
        shop
    }

    /// A rider who is online near [`MIDDLE`].
    pub async fn rider(&self) -> Caller {
        let rider = self.rider_offline().await;
        let (lat, lng) = MIDDLE;
        rider.post("/v1/rider/online", json!({"place": {"lat": lat + 0.002, "lng": lng}})).await.ok();
        rider
    }

    /// A rider with a profile who is not online.
    pub async fn rider_offline(&self) -> Caller {
        let rider = self.caller(&self.dispatch_url, Role::Rider, RiderId::generate().to_string());
        rider
            .put("/v1/rider/profile", None, json!({"name": "R", "vehicle": "bicycle", "speed_mps": 5.0, "capacity": 2}))
            .await
            .ok();
        rider
    }

    /// A quote of one soup.
    pub async fn quote(&self, customer: &Caller, shop: &Caller) -> Value {
        let (lat, lng) = MIDDLE;
        let basket = json!({"merchant_id": shop.id, "lines": [{"sku": "soup", "quantity": 1}],
            "dropoff": {"lat": lat + 0.01, "lng": lng}});
        customer.post("/v1/quotes", basket).await.ok()
    }

    /// An order that is placed. Its payment may not be authorised yet.
    pub async fn placed(&self, customer: &Caller, shop: &Caller) -> Value {
        let quote = self.quote(customer, shop).await;
        customer.post("/v1/orders", json!({"quote_id": quote["id"], "payment_method": "tok_ok"})).await.ok()
    }

    /// A paid order and its ticket.
    pub async fn ticket(&self, customer: &Caller, shop: &Caller) -> (Value, Value) {
        let order = self.placed(customer, shop).await;
        let ticket = self.ticket_of(shop, &order).await;
        (order, ticket)
    }

    /// The ticket of a paid order, once it has opened.
    pub async fn ticket_of(&self, shop: &Caller, order: &Value) -> Value {
        eventually("the ticket opens", || async {
            let tickets = shop.get("/v1/merchant/tickets?state=awaiting_acceptance&limit=100").await.ok();
            tickets["data"].as_array()?.iter().find(|t| t["order_id"] == order["id"]).cloned()
        })
        .await
    }

    /// An accepted order. Its food is ready in a minute.
    pub async fn accepted(&self, customer: &Caller, shop: &Caller) -> Value {
        let (order, ticket) = self.ticket(customer, shop).await;
        self.accept(shop, &ticket).await.ok();
        order
    }

    /// The shop accepts a ticket. The food is ready in a minute.
    pub async fn accept(&self, shop: &Caller, ticket: &Value) -> Answer {
        let path = format!("/v1/merchant/tickets/{}/accept", text(&ticket["id"]));
        shop.post_if(&path, &ticket["version"], json!({"ready_at": in_a_minute()})).await
    }

    /// The rider's next open offer for an order. Reports a position first: a rider without a recent one gets no offers.
    pub async fn offer(&self, rider: &Caller, order: &Value) -> Value {
        let (lat, lng) = MIDDLE;
        let fix = json!({"seq": chrono::Utc::now().timestamp_millis(), "place": {"lat": lat + 0.002, "lng": lng}});
        rider.post("/v1/rider/locations", json!({"locations": [fix]})).await.ok();
        eventually("the rider gets an offer", || async {
            let offers = rider.get("/v1/rider/offers").await.ok();
            offers["data"].as_array()?.iter().find(|o| o["order_id"] == order["id"]).cloned()
        })
        .await
    }

    /// An order and its delivery, which this rider has accepted.
    pub async fn assigned(&self, customer: &Caller, shop: &Caller, rider: &Caller) -> (Value, Value) {
        let order = self.accepted(customer, shop).await;
        let offer = self.offer(rider, &order).await;
        let delivery = rider.post(&format!("/v1/rider/offers/{}/accept", text(&offer["id"])), json!({})).await.ok();
        (order, delivery)
    }

    /// Waits until an order is in a state.
    pub async fn order_is(&self, customer: &Caller, order: &Value, state: &str) -> Value {
        let path = format!("/v1/orders/{}", text(&order["id"]));
        eventually(&format!("the order is {state}"), || async {
            let order = customer.get(&path).await.ok();
            (order["state"] == state).then_some(order)
        })
        .await
    }

    /// Waits until order, ticket, delivery and payment are in these states; `-` for none.
    pub async fn ends_as(&self, order: &Value, expected: [&str; 4]) {
        self.ends_as_one_of(order, &[expected]).await;
    }

    /// Waits until order, ticket, delivery and payment are in one of these combinations of states; `-` for none.
    ///
    /// # Panics
    /// When they are in none of them after eighteen seconds. The message has the states that they are in.
    pub async fn ends_as_one_of(&self, order: &Value, expected: &[[&str; 4]]) {
        let id = text(&order["id"]).parse::<OrderId>().expect("an order id").0;
        let sql = format!(
            "SELECT concat_ws(' / ', o.state, coalesce(t.state, '-'), coalesce(d.state, '-'), p.state) AS ends
             FROM orders.orders o JOIN orders.payments p ON p.order_id = o.id
             LEFT JOIN merchant.tickets t ON t.order_id = o.id LEFT JOIN dispatch.deliveries d ON d.order_id = o.id
             WHERE o.id = '{id}'"
        );
        let expected: Vec<String> = expected.iter().map(|states| states.join(" / ")).collect();
        let last = std::sync::Mutex::new(String::new());
        let what = format!("order {id} ends as {}", expected.join(" or "));
        let waiting = eventually(&what, || async {
            let ends = self.text(&sql).await;
            let there = expected.contains(&ends);
            *last.lock().expect("not poisoned") = ends;
            there.then_some(())
        });
        if tokio::time::timeout(Duration::from_secs(18), waiting).await.is_err() {
            panic!("{what}, but it is {}", last.lock().expect("not poisoned"));
        }
    }

    /// The text in column `ends` of the one row that a query returns, or the error.
    pub async fn text(&self, sql: &str) -> String {
        use diesel::sql_types::Text;
        use diesel_async::RunQueryDsl as _;
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            ends: String,
        }
        let mut conn = self.db.connect().await;
        diesel::sql_query(sql).get_result::<Row>(&mut conn).await.map_or_else(|e| e.to_string(), |r| r.ends)
    }

    /// Stops the services and the gateway. The database and the queues stay.
    ///
    /// # Panics
    /// When a service fails, or does not stop within ten seconds.
    pub async fn stop_services(&mut self) {
        self.stop.cancel();
        let ended = futures::future::join_all(self.running.drain(..));
        for service in
            tokio::time::timeout(Duration::from_secs(10), ended).await.expect("the services stop within ten seconds")
        {
            service.expect("the service does not panic").expect("the service stops without an error");
        }
    }

    /// Stops everything and deletes the queues and the database. A test that fails leaves them for inspection.
    ///
    /// # Panics
    /// As [`Self::stop_services`].
    pub async fn end(mut self) {
        self.stop_services().await;
        remove_queues(&self.broker).await;
        self.db.remove(&self.servers).await;
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Deletes the queues and exchanges of a namespace.
///
/// # Panics
/// When the broker does not answer.
pub async fn remove_queues(broker: &Broker) {
    use pannier_contracts::topology::{RETRY_LADDER_S, ROUTES, dead_queue, retry_queue};
    let connection = broker.connect("cleaning").await.expect("the broker answers");
    let channel = connection.create_channel().await.expect("a channel");
    for route in ROUTES {
        let queue = broker.namespace.of(route.queue);
        let retries = RETRY_LADDER_S.iter().map(|s| retry_queue(&queue, *s));
        for name in retries.chain([dead_queue(&queue), queue.clone()]) {
            let _ = channel.queue_delete(name.as_str().into(), Default::default()).await;
        }
        let _ = channel.exchange_delete(broker.namespace.of(route.exchange).as_str().into(), Default::default()).await;
    }
    let _ = connection.close(200, "cleaned".into()).await;
}

/// The text of a JSON string. Empty for any other value.
#[must_use]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// The time in a minute from now, in RFC 3339.
#[must_use]
pub fn in_a_minute() -> String {
    (chrono::Utc::now() + Duration::from_secs(60)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
