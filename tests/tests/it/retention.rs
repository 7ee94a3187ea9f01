//! What is old is forgotten, and what anybody can still ask for is not.

use std::time::Duration;

use pannier_platform::Stop;
use pannier_platform::retention::{self, RetentionPeriods, RetentionRules};
use pannier_testkit::eventually;
use pannier_tests::TestCity;
use pannier_tests::city::text;
use serde_json::json;

/// Everything that has happened was so many days ago.
async fn days_pass(city: &TestCity, days: u32) {
    for schema in ["orders", "merchant", "dispatch"] {
        city.db
            .execute(&format!(
                "UPDATE {schema}.events SET occurred_at = occurred_at - interval '{days} days';
                 UPDATE {schema}.applied SET at = at - interval '{days} days'"
            ))
            .await;
    }
    city.db.execute(&format!("UPDATE dispatch.rounds SET at = at - interval '{days} days'")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_is_forgotten_as_a_whole_and_what_is_open_is_not() {
    let city = TestCity::start().await;
    let (shop, customer) = (city.shop().await, city.customer());
    let (over, open) = (city.placed(&customer, &shop).await, city.placed(&customer, &shop).await);
    let (over, open) = (text(&over["id"]), text(&open["id"]));
    eventually("it is cancelled", || async {
        let seen = customer.get(&format!("/v1/orders/{over}")).await.ok();
        let answer = customer.post_if(&format!("/v1/orders/{over}/cancel"), &seen["version"], json!({})).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let settled = "SELECT count(*) AS n FROM orders.payments WHERE state = 'voided' AND next_attempt_at IS NULL";
    eventually("its money is free", || async { (city.db.count(settled).await == 1).then_some(()) }).await;
    let aged = "SELECT count(*) AS n FROM orders.events e JOIN orders.relay_cursor c ON NOT pg_visible_in_snapshot(e.tx, c.done)";
    eventually("everything is told", || async { (city.db.count(aged).await == 0).then_some(()) }).await;

    let events = |of: &str| {
        let id = of.rsplit('_').next().unwrap_or_default().to_owned();
        let sql = format!(
            "SELECT count(*) AS n FROM orders.events WHERE aggregate = 'order' AND replace(aggregate_id::text, '-', '') = replace('{id}', '-', '')"
        );
        let db = &city.db;
        async move { db.count(&sql).await }
    };
    let kept = events(open).await;
    assert!(kept > 0 && events(over).await > 1);
    city.db
        .execute(
            "INSERT INTO orders.alarms (kind, aggregate, aggregate_id, detail, raised_at, resolved_at)
             VALUES ('old', 'order', gen_random_uuid(), 'over', now() - interval '9 days', now() - interval '8 days'),
                    ('young', 'order', gen_random_uuid(), 'over', now() - interval '9 days', now() - interval '6 days'),
                    ('open', 'order', gen_random_uuid(), 'goes on', now() - interval '9 days', NULL)",
        )
        .await;
    days_pass(&city, 8).await;
    let pool = pannier_platform::Db::new(&city.db.urls.order, 2).unwrap();
    let stop = Stop::new();
    let rules = RetentionRules { tables: &[], is_open: Some(order_svc::store::IS_OPEN) };
    let forgetting = tokio::spawn(retention::run(pool, RetentionPeriods::new(7, 24).unwrap(), rules, stop.clone()));
    eventually("what is over is forgotten", || async { (events(over).await == 0).then_some(()) }).await;
    assert_eq!(events(open).await, kept, "what is open keeps its events");
    let alarms =
        "SELECT string_agg(kind, ' ' ORDER BY kind) AS ends FROM orders.alarms WHERE kind IN ('old', 'young', 'open')";
    assert_eq!(city.text(alarms).await, "open young", "an alarm is forgotten some time after it was resolved");
    let standing = "SELECT count(*) AS n FROM orders.applied WHERE aggregate = 'merchant'";
    assert!(city.db.count(standing).await > 0, "what never ends is remembered");
    // The order itself is there, and its story is short.
    assert_eq!(customer.get(&format!("/v1/orders/{over}")).await.ok()["state"], "cancelled");
    stop.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(5), forgetting).await;
    city.end().await;
}
