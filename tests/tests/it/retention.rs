//! Events of ended aggregates are deleted some days after the end. Events of open aggregates stay.

use std::time::Duration;

use pannier_platform::Stop;
use pannier_platform::retention::{self, RetentionPeriods, RetentionRules};
use pannier_testkit::eventually;
use pannier_tests::TestCity;
use pannier_tests::city::text;
use serde_json::json;

/// Makes everything stored so many days older.
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
async fn all_events_of_an_ended_order_are_deleted_and_those_of_an_open_one_stay() {
    let city = TestCity::start().await;
    let (shop, customer) = (city.shop().await, city.customer());
    let (over, open) = (city.placed(&customer, &shop).await, city.placed(&customer, &shop).await);
    let (over, open) = (text(&over["id"]), text(&open["id"]));
    eventually("the order is cancelled", || async {
        let seen = customer.get(&format!("/v1/orders/{over}")).await.ok();
        let answer = customer.post_if(&format!("/v1/orders/{over}/cancel"), &seen["version"], json!({})).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let settled = "SELECT count(*) AS n FROM orders.payments WHERE state = 'voided' AND next_attempt_at IS NULL";
    eventually("its payment is voided", || async { (city.db.count(settled).await == 1).then_some(()) }).await;
    let aged = "SELECT count(*) AS n FROM orders.events e JOIN orders.relay_cursor c ON NOT pg_visible_in_snapshot(e.tx, c.done)";
    eventually("everything is published", || async { (city.db.count(aged).await == 0).then_some(()) }).await;

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
    eventually("the events of the ended order are deleted", || async { (events(over).await == 0).then_some(()) }).await;
    assert_eq!(events(open).await, kept, "the open order keeps its events");
    let alarms =
        "SELECT string_agg(kind, ' ' ORDER BY kind) AS ends FROM orders.alarms WHERE kind IN ('old', 'young', 'open')";
    assert_eq!(city.text(alarms).await, "open young", "an alarm is deleted seven days after it was resolved");
    let standing = "SELECT count(*) AS n FROM orders.applied WHERE aggregate = 'merchant'";
    assert!(city.db.count(standing).await > 0, "the applied versions of shops stay");
    // The order itself stays.
    assert_eq!(customer.get(&format!("/v1/orders/{over}")).await.ok()["state"], "cancelled");
    stop.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(5), forgetting).await;
    city.end().await;
}
