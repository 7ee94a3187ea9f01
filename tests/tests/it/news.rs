//! Events may arrive twice, late, in any order, or be malformed. The final state is the same.

use std::sync::Arc;

use chrono::Utc;
use lapin::BasicProperties;
use lapin::options::{QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::{AMQPValue, FieldTable};
use pannier_contracts::topology::{RETRY_LADDER_S, ROUTES, dead_queue, is_subscribed, retry_queue};
use pannier_contracts::{OrderId, RiderId};
use pannier_platform::broker::{self, ATTEMPTS};
use pannier_platform::consumer::{Processed, process};
use pannier_platform::{Db, Refusal};
use pannier_testkit::{Servers, TestDb, eventually};
use pannier_tests::TestCity;
use pannier_tests::city::text;
use serde_json::{Value, json};

/// The event consumers of the three services, each with a pool of its own schema.
struct Consumers {
    order: Db,
    merchant: Db,
    dispatch: Db,
}

impl Consumers {
    fn of(db: &TestDb) -> Self {
        let open = |url: &str| Db::new(url, 2).unwrap();
        Self { order: open(&db.urls.order), merchant: open(&db.urls.merchant), dispatch: open(&db.urls.dispatch) }
    }

    /// Hands an event to every queue that subscribes to it. Returns the results in the order of the topology.
    async fn hear(&self, event: &Value) -> Vec<Processed> {
        let mut processed = Vec::new();
        for route in ROUTES.iter().filter(|route| route.takes(text(&event["type"]))) {
            let done = self.consume(route.queue, &event.to_string().into_bytes()).await;
            processed.push(done.unwrap_or_else(|e| panic!("{e:?}: {event}")));
        }
        processed
    }

    async fn consume(&self, queue: &str, bytes: &[u8]) -> Result<Processed, Refusal> {
        use {dispatch_svc::messaging as dispatch, merchant_svc::messaging as merchant, order_svc::messaging as order};
        match queue {
            "merchant.order" => process(&self.merchant, &Arc::new(merchant::on_order::OnOrder), bytes).await,
            "merchant.delivery" => process(&self.merchant, &Arc::new(merchant::on_delivery::OnDelivery), bytes).await,
            "dispatch.order" => process(&self.dispatch, &Arc::new(dispatch::on_order::OnOrder), bytes).await,
            "order.ticket" => process(&self.order, &Arc::new(order::on_ticket::OnTicket), bytes).await,
            "order.merchant" => process(&self.order, &Arc::new(order::on_merchant::OnMerchant), bytes).await,
            "order.delivery" => process(&self.order, &Arc::new(order::on_delivery::OnDelivery), bytes).await,
            "order.zone" => process(&self.order, &Arc::new(order::on_zone::OnZone), bytes).await,
            other => panic!("nobody consumes {other}"),
        }
    }
}

fn envelope(aggregate: &str, id: uuid::Uuid, data: Value) -> Value {
    json!({
        "event_id": pannier_contracts::EventId::generate(), "type": format!("{aggregate}.{}.v1", text(&data["state"])),
        "aggregate": aggregate, "aggregate_id": id, "version": data["version"], "occurred_at": Utc::now(),
        "traceparent": null, "actor": "test", "data": data,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_events_are_ignored_after_newer_ones() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let consumers = Consumers::of(&db);
    let (here, euro) = (json!({"lat": 52.52, "lng": 13.4}), json!({"amount": 1500, "currency": "EUR"}));

    // `cancelled` arrives before `paid`: no ticket and no delivery is opened.
    let id = OrderId::generate();
    let order = |version: i64, state: &str| {
        let data = json!({
            "id": id, "version": version, "state": state, "customer_id": "cus_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f",
            "merchant_id": "mer_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f", "merchant_name": "Shop", "zone_id": "test",
            "lines": [], "total": euro, "pickup": here, "dropoff": here, "ready_at": null, "promise_at": Utc::now(),
            "pin_hash": "", "reason": "customer_request", "placed_at": Utc::now(),
        });
        envelope("order", id.0, data)
    };
    use Processed::{Applied, Obsolete};
    assert_eq!(consumers.hear(&order(3, "cancelled")).await, [Applied, Applied]);
    assert_eq!(consumers.hear(&order(2, "paid")).await, [Obsolete], "only merchant-svc subscribes to paid orders");
    assert_eq!(consumers.hear(&order(3, "cancelled")).await, [Obsolete, Obsolete]);
    let made = "SELECT (SELECT count(*) FROM merchant.tickets) + (SELECT count(*) FROM dispatch.deliveries) AS n";
    assert_eq!(db.count(made).await, 0);

    // `delivered` arrives before `picked_up`: the order catches up by legal transitions, and `picked_up` is obsolete.
    db.execute(&format!(
        "INSERT INTO orders.orders VALUES
             ('{0}', 4, 'accepted', NULL, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'Shop', 'test', '[]', '[]',
              'EUR', 1500, 52.5, 13.4, 52.5, 13.5, now(), now(), '1234', 'hash', NULL, now());
         INSERT INTO orders.payments (id, version, state, order_id, method, currency, amount)
         VALUES (gen_random_uuid(), 3, 'captured', '{0}', 'tok_ok', 'EUR', 1500)",
        id.0
    ))
    .await;
    let delivery_id = pannier_contracts::DeliveryId::generate();
    let delivery = |version: i64, state: &str| {
        let data = json!({
            "id": delivery_id, "version": version, "state": state, "order_id": id,
            "merchant_id": "mer_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f", "zone_id": "test", "rider_id": RiderId::generate(), "attempt": 1,
            "ready_at": Utc::now(), "picked_up_at": Utc::now(), "delivered_at": null, "reason": null,
        });
        envelope("delivery", delivery_id.0, data)
    };
    assert_eq!(
        consumers.hear(&delivery(8, "delivered")).await,
        [Applied],
        "merchant-svc does not subscribe to delivered deliveries"
    );
    assert_eq!(consumers.hear(&delivery(6, "picked_up")).await, [Obsolete, Applied]);
    let mut conn = db.connect().await;
    let story =
        rows(&mut conn, "SELECT version || ' ' || (data ->> 'state') AS line FROM orders.events WHERE aggregate = 'order' ORDER BY version")
            .await;
    assert_eq!(story, ["5 delivering", "6 delivered"], "one event for each transition");
    let late = "SELECT count(*) AS n FROM merchant.late_events";
    assert_eq!(db.count(late).await, 1, "merchant-svc has no ticket of the order, so it counts the event as late");
    db.remove(&servers).await;
}

async fn rows(conn: &mut diesel_async::AsyncPgConnection, sql: &str) -> Vec<String> {
    use diesel_async::RunQueryDsl as _;
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        line: String,
    }
    let rows: Vec<Row> = diesel::sql_query(sql).load(conn).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
    rows.into_iter().map(|r| r.line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_events_of_a_delivered_order_lead_to_the_same_state_in_any_order() {
    let mut city = TestCity::start().await;
    let (shop, customer, rider) = (city.shop().await, city.customer(), city.rider().await);
    let (order, delivery) = city.assigned(&customer, &shop, &rider).await;
    let delivery = format!("/v1/rider/deliveries/{}", text(&delivery["id"]));
    rider.post(&format!("{delivery}/picked_up"), json!({})).await.ok();
    rider.post(&format!("{delivery}/delivered"), json!({"pin": order["pin"]})).await.ok();
    city.ends_as(&order, ["delivered", "handed_over", "delivered", "captured"]).await;
    poison_is_for_people(&city).await;
    let heard = "SELECT count(*) AS n FROM orders.progress WHERE (delivery ->> 'version')::bigint = (SELECT version FROM dispatch.deliveries)
                 AND (ticket ->> 'version')::bigint = (SELECT version FROM merchant.tickets)";
    eventually("all events are applied", || async { (city.db.count(heard).await == 1).then_some(()) }).await;
    city.stop_services().await;
    any_order_twice(&city.db).await;
    city.end().await;
}

/// A message that cannot be read passes all retry queues and becomes a dead letter, which operations replay or drop.
async fn poison_is_for_people(city: &TestCity) {
    let connection = city.broker.connect("test").await.unwrap();
    let channel = city.broker.publishing_channel(&connection).await.unwrap();
    let queue = city.broker.namespace.of("order.ticket");
    let put = async |queue: &str, attempts: i64, body: String| {
        let mut headers = FieldTable::default();
        headers.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(attempts));
        let properties = BasicProperties::default().with_headers(headers);
        broker::put(&channel, queue, body.as_bytes(), properties).await.unwrap();
    };
    let waiting = async |delay_s: &u32| {
        let (queue, options) =
            (retry_queue(&queue, *delay_s), QueueDeclareOptions { passive: true, ..Default::default() });
        channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await.unwrap().message_count()
    };
    let purge = async || {
        for delay_s in RETRY_LADDER_S {
            let queue = retry_queue(&queue, *delay_s);
            channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await.unwrap();
        }
    };
    // The longest delay first: the message with the shortest delay must not return while the queues are inspected.
    for attempts in [3, 2, 1, 0] {
        put(&queue, attempts, format!("nonsense {attempts}")).await;
    }
    for delay_s in RETRY_LADDER_S.iter().rev() {
        eventually("the message waits for its next try", || async { (waiting(delay_s).await == 1).then_some(()) })
            .await;
    }
    purge().await;

    let ops = city.ops(&city.order_url);
    let list = async |count: usize| {
        eventually("dead letters are listed", || async {
            let letters = ops.get("/v1/ops/dead-letters").await.ok();
            (letters["data"].as_array()?.len() == count).then(|| letters["data"].clone())
        })
        .await
    };
    let letter = list(1).await[0].clone();
    assert_eq!(
        (&letter["queue"], &letter["body"], &letter["obsolete"]),
        (&json!("order.ticket"), &json!("nonsense 3"), &json!(false))
    );
    assert!(text(&letter["reason"]).contains("expected"), "the reason is the error of the parser: {letter}");
    assert_eq!(ops.get("/v1/ops/stuck").await.ok()["data"][0]["kind"], "dead_letter");
    let replay = async |letter: &Value, query: &str| {
        let path = format!("/v1/ops/dead-letters/{}/replay{query}", text(&letter["id"]));
        text(&ops.post(&path, json!({})).await.ok()["outcome"]).to_owned()
    };
    assert_eq!(replay(&letter, "?dry_run=true").await, "would_replay");
    assert_eq!(replay(&letter, "").await, "replayed");
    list(0).await;
    eventually("the message is in the first retry queue", || async {
        (waiting(&RETRY_LADDER_S[0]).await == 1).then_some(())
    })
    .await;
    purge().await;

    // An event that died long ago. Newer versions of its aggregate have been applied since.
    let old = event_log(&city.db, "merchant").await.into_iter().find(|e| e["aggregate"] == "ticket").unwrap();
    put(&dead_queue(&queue), 3, old.to_string()).await;
    let letter = list(1).await[0].clone();
    assert_eq!(
        (&letter["obsolete"], &letter["type"], &letter["version"]),
        (&json!(true), &old["type"], &old["version"])
    );
    assert_eq!(replay(&letter, "?dry_run=true").await, "would_drop_obsolete");
    assert_eq!(replay(&letter, "").await, "obsolete");
    list(0).await;
    assert_eq!(ops.get("/v1/ops/stuck").await.ok()["data"], json!([]));
    connection.close(200, "done".into()).await.unwrap();
}

/// The events of a schema that some queue subscribes to, as they were published, oldest first.
async fn event_log(db: &TestDb, schema: &str) -> Vec<Value> {
    let sql = format!(
        "SELECT jsonb_build_object('event_id', 'evt_' || replace(event_id::text, '-', ''), 'type', type, 'aggregate', aggregate,
             'aggregate_id', aggregate_id, 'version', version, 'occurred_at', occurred_at, 'traceparent', traceparent,
             'actor', actor, 'data', data)::text AS line
         FROM {schema}.events ORDER BY seq"
    );
    let events = rows(&mut db.connect().await, &sql).await;
    events
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| is_subscribed(text(&event["type"])))
        .collect()
}

/// Hands all events twice and in random order to services that have applied none of them.
async fn any_order_twice(db: &TestDb) {
    let mut events = Vec::new();
    for schema in ["orders", "merchant", "dispatch"] {
        events.extend(event_log(db, schema).await);
    }
    let kinds: std::collections::BTreeSet<_> = events.iter().map(|e| text(&e["aggregate"])).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["delivery", "merchant", "order", "ticket", "zone"]);
    let before = state(db).await;
    let consumers = Consumers::of(db);
    for seed in 1..=5 {
        db.execute(
            "DELETE FROM orders.applied; DELETE FROM merchant.applied; DELETE FROM dispatch.applied;
             DELETE FROM orders.merchants; DELETE FROM orders.zones;
             DELETE FROM merchant.events WHERE aggregate = 'ticket'; DELETE FROM merchant.tickets;
             DELETE FROM orders.events WHERE aggregate IN ('order', 'progress'); DELETE FROM orders.progress;
             UPDATE orders.orders SET state = 'accepted', version = 4",
        )
        .await;
        for event in shuffled([events.clone(), events.clone()].concat(), seed) {
            consumers.hear(&event).await;
        }
        assert_eq!(state(db).await, before, "seed {seed}");
    }
}

/// All states, copies and applied versions, one per line.
async fn state(db: &TestDb) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', 'order', state, 'ticket', ticket ->> 'state', ticket ->> 'version',
                         'delivery', delivery ->> 'state', delivery ->> 'version') AS line
               FROM orders.orders o JOIN orders.progress p ON p.order_id = o.id
               UNION ALL SELECT concat_ws(' ', 'ticket', state, ready_at) FROM merchant.tickets
               UNION ALL SELECT concat_ws(' ', 'delivery', state, version, attempt) FROM dispatch.deliveries
               UNION ALL SELECT concat_ws(' ', 'copy', id, version, status) FROM orders.merchants
               UNION ALL SELECT concat_ws(' ', 'copy', id, version, policy) FROM orders.zones
               UNION ALL SELECT concat_ws(' ', 'applied', consumer, aggregate, aggregate_id, version) FROM
                   (SELECT * FROM orders.applied UNION ALL SELECT * FROM merchant.applied UNION ALL SELECT * FROM dispatch.applied) a
               ORDER BY line";
    rows(&mut db.connect().await, sql).await
}

/// Shuffles deterministically: the result depends only on the seed.
fn shuffled<T>(mut items: Vec<T>, seed: u64) -> Vec<T> {
    let mut random = seed;
    for n in (1..items.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(n, (random >> 33) as usize % (n + 1));
    }
    items
}
