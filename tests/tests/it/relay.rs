//! Every committed event is published at least once: after an outage of the broker, after a crash of the relay, and
//! behind an event that the broker refuses.

use std::time::Duration;

use chrono::Utc;
use futures::StreamExt as _;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use pannier_contracts::OrderId;
use pannier_platform::auth::Role;
use pannier_platform::broker::Broker;
use pannier_platform::{Namespace, Stop, Tls};
use pannier_testkit::service::{settings, token};
use pannier_testkit::{Servers, TestDb, eventually, http_client};
use pannier_tests::Caller;
use pannier_tests::city::remove_queues;
use serde_json::json;
use tokio::task::JoinHandle;

/// Processes of order-svc, later also of merchant-svc, with their own database and namespace.
pub struct Publishers {
    servers: Servers,
    pub db: TestDb,
    pub broker: Broker,
    stop: Stop,
    running: Vec<JoinHandle<anyhow::Result<()>>>,
    url: String,
}

impl Publishers {
    pub async fn start(count: usize) -> Self {
        let mut this = Self::on(Servers::from_env()).await;
        for _ in 0..count {
            this.start_order_svc().await;
        }
        this
    }

    /// Starts one order-svc that reaches the broker at another address.
    pub async fn start_through(amqp_url: &str) -> Self {
        let mut this = Self::on(Servers { amqp_url: amqp_url.to_owned(), ..Servers::from_env() }).await;
        this.start_order_svc().await;
        this
    }

    async fn on(servers: Servers) -> Self {
        let db = TestDb::create(&servers).await;
        let namespace = Namespace::try_from(db.name.clone()).unwrap();
        let broker = Broker { url: servers.amqp_url.clone(), tls: Tls::default(), namespace };
        Self { servers, db, broker, stop: Stop::new(), running: Vec::new(), url: String::new() }
    }

    async fn start_order_svc(&mut self) {
        let service = settings(&self.db.urls.order, &self.servers.amqp_url, &self.broker.namespace);
        let settings = order_svc::app::Settings {
            service,
            gateway_url: "http://127.0.0.1:9".to_owned(),
            gateway_key: "key".into(),
            gateway_callback_secret: "secret".into(),
        };
        let app = order_svc::app::App::build(settings, self.stop.clone()).await.unwrap();
        self.url = format!("http://{}", app.address().unwrap());
        self.running.push(tokio::spawn(app.run()));
    }

    pub async fn stop_services(&mut self) {
        self.stop.cancel();
        for service in std::mem::take(&mut self.running) {
            service.await.unwrap().unwrap();
        }
    }

    /// Starts both services again on the same database. merchant-svc starts first, so that its consumer runs before
    /// order-svc publishes.
    pub async fn start_again(&mut self) {
        self.stop = Stop::new();
        self.start_merchant_svc().await;
        self.start_order_svc().await;
    }

    pub async fn start_merchant_svc(&mut self) {
        let service = settings(&self.db.urls.merchant, &self.servers.amqp_url, &self.broker.namespace);
        let settings = merchant_svc::app::Settings { service, order_url: self.url.clone() };
        let app = merchant_svc::app::App::build(settings, self.stop.clone()).await.unwrap();
        self.running.push(tokio::spawn(app.run()));
    }

    /// Commits the events of `count` paid orders, as the transactions of order-svc do.
    pub async fn announce(&self, count: usize) {
        let rows: Vec<_> = (0..count).map(|_| paid_order()).collect();
        let sql = format!(
            "INSERT INTO orders.events (event_id, type, aggregate, aggregate_id, version, actor, data)
             SELECT gen_random_uuid(), 'order.paid.v1', 'order', replace(data ->> 'id', 'ord_', '')::uuid, 2, 'test', data
             FROM jsonb_array_elements('{}') AS data",
            json!(rows)
        );
        self.db.execute(&sql).await;
    }

    pub async fn unpublished(&self) -> i64 {
        self.db
            .count(
                "SELECT (SELECT count(*) FROM orders.events e, orders.relay_cursor c WHERE NOT pg_visible_in_snapshot(e.tx, c.done))
                      + (SELECT count(*) FROM orders.set_aside) AS n",
            )
            .await
    }

    pub fn ops(&self) -> Caller {
        Caller::new(
            http_client(),
            &self.url,
            token(Role::Ops, "ops_test", Duration::from_secs(3600)),
            "ops_test".to_owned(),
        )
    }

    pub async fn end(mut self) {
        self.stop_services().await;
        remove_queues(&self.broker).await;
        self.db.remove(&self.servers).await;
    }
}

fn paid_order() -> serde_json::Value {
    let (here, now) = (json!({"lat": 52.52, "lng": 13.4}), Utc::now());
    let euro = json!({"amount": 1500, "currency": "EUR"});
    json!({
        "id": OrderId::generate(), "version": 2, "state": "paid", "customer_id": "cus_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f",
        "merchant_id": "mer_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f", "merchant_name": "Shop", "zone_id": "test",
        "lines": [{"sku": "soup", "name": "Soup", "quantity": 1, "unit_price": euro}], "total": euro,
        "pickup": here, "dropoff": here, "ready_at": null, "promise_at": now, "pin_hash": "", "reason": null, "placed_at": now,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_published_holds_up_no_other() {
    let mut city = Publishers::start(1).await;

    // There is no consumer yet: the queues keep the messages.
    city.announce(3).await;
    eventually("three events are published", || async { (city.unpublished().await == 0).then_some(()) }).await;
    city.start_merchant_svc().await;
    let tickets = "SELECT count(*) AS n FROM merchant.tickets";
    eventually("three tickets", || async { (city.db.count(tickets).await == 3).then_some(()) }).await;

    // The relay of merchant-svc declares the bindings, too. Wait until it has published everything, so that it does not
    // declare the binding again that is removed below.
    let untold = "SELECT count(*) AS n FROM merchant.events e, merchant.relay_cursor c
                  WHERE NOT pg_visible_in_snapshot(e.tx, c.done)";
    eventually("merchant-svc has published everything", || async { (city.db.count(untold).await == 0).then_some(()) })
        .await;

    // An event without a queue is returned by the broker and set aside with the reason. The events behind it are
    // published.
    unbind(&city.broker, "merchant.order", "order.rejected.*").await;
    city.db
        .execute(
            "INSERT INTO orders.events (event_id, type, aggregate, aggregate_id, version, actor, data)
             VALUES (gen_random_uuid(), 'order.rejected.v1', 'order', gen_random_uuid(), 1, 'test', '{}')",
        )
        .await;
    city.announce(3).await;
    eventually("the other events are published", || async {
        let is_aside = "SELECT count(*) AS n FROM orders.set_aside WHERE attempts > 0";
        (city.db.count(tickets).await == 6 && city.db.count(is_aside).await == 1).then_some(())
    })
    .await;
    let ops = city.ops();
    let outbox = ops.get("/v1/ops/outbox").await.ok();
    assert_eq!((&outbox["last_position"], &outbox["blocked"]), (&json!(7), &json!(false)));
    assert_eq!(outbox["set_aside"][0]["type"], "order.rejected.v1");
    assert!(outbox["set_aside"][0]["last_error"].as_str().is_some_and(|e| !e.is_empty()), "{outbox}");
    let stuck = ops.get("/v1/ops/stuck").await.ok();
    assert_eq!(stuck["data"].as_array().unwrap().len(), 1, "{stuck}");
    assert_eq!(
        (&stuck["data"][0]["kind"], &stuck["data"][0]["aggregate"]),
        (&json!("event_unpublished"), &json!("order"))
    );

    // Once a queue is bound, the event is published without help.
    let mut heard = listen(&city.broker, "order.rejected.*").await;
    assert!(heard.messages.next().await.unwrap().unwrap().routing_key.as_str() == "order.rejected.v1");
    eventually("the event is not set aside any more", || async { (city.unpublished().await == 0).then_some(()) }).await;
    assert_eq!(ops.get("/v1/ops/stuck").await.ok()["data"], json!([]));
    city.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_relays_at_once_are_harmless() {
    let mut city = Publishers::start(2).await;
    city.start_merchant_svc().await;
    let mut heard = listen(&city.broker, "order.#").await;
    for _ in 0..10 {
        // The lease has run out, and its holder does not know yet. The other relay takes it: for a while both publish.
        city.db.execute("UPDATE orders.leases SET until = now()").await;
        city.announce(20).await;
    }
    eventually("all are published", || async { (city.unpublished().await == 0).then_some(()) }).await;
    let mut orders = std::collections::BTreeSet::new();
    while orders.len() < 200 {
        let message = heard.messages.next().await.unwrap().unwrap();
        let event: serde_json::Value = serde_json::from_slice(&message.data).unwrap();
        orders.insert(event["aggregate_id"].as_str().unwrap().to_owned());
    }
    let all_once =
        "SELECT count(*) AS n FROM (SELECT order_id FROM merchant.tickets GROUP BY order_id HAVING count(*) = 1) t";
    eventually("200 tickets", || async { (city.db.count(all_once).await == 200).then_some(()) }).await;
    city.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_died_before_it_saved_its_cursor_publishes_duplicates_and_loses_nothing() {
    let mut city = Publishers::start(1).await;
    city.start_merchant_svc().await;
    eventually("it publishes", || async { (city.unpublished().await == 0).then_some(()) }).await;
    city.db.execute("CREATE TABLE public.place_before AS SELECT * FROM orders.relay_cursor").await;
    city.announce(40).await;
    let tickets = "SELECT count(*) AS n FROM merchant.tickets";
    let told = "SELECT count(*) AS n FROM merchant.events";
    eventually("forty tickets", || async { (city.db.count(tickets).await == 40).then_some(()) }).await;
    // Each ticket is opened and rejected at once, because the shop does not exist.
    assert_eq!(city.db.count(told).await, 80);

    // As if killed after the last confirm: the broker has the events, and the cursor is from before them.
    city.stop_services().await;
    city.db
        .execute("UPDATE orders.relay_cursor c SET done = b.done, window_end = b.window_end, seq = b.seq FROM public.place_before b")
        .await;
    assert_eq!(city.unpublished().await, 40);
    let mut heard = listen(&city.broker, "order.#").await;
    city.start_again().await;
    for _ in 0..40 {
        heard.messages.next().await.unwrap().unwrap();
    }
    eventually("they are published again", || async { (city.unpublished().await == 0).then_some(()) }).await;
    city.announce(1).await;
    eventually("the new ticket", || async { (city.db.count(tickets).await == 41).then_some(()) }).await;
    assert_eq!(city.db.count(told).await, 82, "no ticket was opened twice");
    let dead = "SELECT count(*) AS n FROM merchant.dead_letters";
    assert_eq!(city.db.count(dead).await, 0);
    city.end().await;
}

/// Removes one binding of a queue.
async fn unbind(broker: &Broker, queue: &str, key: &str) {
    let connection = broker.connect("test").await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (queue, exchange) = (broker.namespace.of(queue), broker.namespace.of("order"));
    channel
        .queue_unbind(queue.as_str().into(), exchange.as_str().into(), key.into(), FieldTable::default())
        .await
        .unwrap();
}

struct Listener {
    messages: lapin::Consumer,
    _connection: lapin::Connection,
}

/// Receives the messages of order-svc with this routing key in a queue that is deleted with the connection.
async fn listen(broker: &Broker, key: &str) -> Listener {
    let connection = broker.connect("test").await.unwrap();
    let channel = broker.channel(&connection).await.unwrap();
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await.unwrap();
    let name = queue.name().as_str().to_owned();
    let exchange = broker.namespace.of("order");
    channel
        .queue_bind(
            name.as_str().into(),
            exchange.as_str().into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let messages =
        channel.basic_consume(name.as_str().into(), "".into(), options, FieldTable::default()).await.unwrap();
    Listener { messages, _connection: connection }
}
