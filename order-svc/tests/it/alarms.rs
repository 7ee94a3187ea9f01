//! Alarms are worked on by people, and what people do leaves a trail.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use pannier_testkit::eventually;
use serde_json::{Value, json};

use crate::service::{Order, OrderService};

impl OrderService {
    /// An order whose capture was refused, and the alarm about it.
    async fn with_alarm(&self) -> (Order, String) {
        self.gateway.refuse("capture");
        let order = self.paid().await;
        self.accept(&order).await.ok();
        self.order_is(&order, "accepted", "failed").await;
        let alarms = self.ops.get("/v1/ops/alarms").await.ok();
        let id = alarms["data"][0]["id"].as_str().unwrap().to_owned();
        (order, id)
    }

    async fn work_on(&self, id: &str, action: &str, body: Value) -> pannier_testkit::Answer {
        self.ops.post(&format!("/v1/ops/alarms/{id}/{action}"), body).await
    }

    async fn trail(&self, query: &str) -> Vec<Value> {
        let rows = self.ops.get(&format!("/v1/ops/audit{query}")).await.ok();
        rows["data"].as_array().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_is_seen_put_off_and_resolved_by_a_person() {
    let service = OrderService::start().await;
    let (_, id) = service.with_alarm().await;
    let seen = service.work_on(&id, "acknowledge", json!({"note": "I call the bank"})).await.ok();
    assert_eq!((&seen["kind"], &seen["severity"]), (&json!("capture_refused"), &json!("ticket")));
    assert_eq!((&seen["acknowledged_by"], &seen["note"]), (&json!("ops_test"), &json!("I call the bank")));

    let until = Utc::now() + TimeDelta::hours(1);
    service.work_on(&id, "snooze", json!({"until": until})).await.ok();
    assert_eq!(service.alarms().await, [""; 0], "it is not shown as stuck");
    assert_eq!(service.ops.get("/v1/ops/alarms").await.ok()["data"][0]["id"], json!(id), "and open all the same");
    service.db.execute("UPDATE orders.alarms SET snoozed_until = now() - interval '1 s'").await;
    assert_eq!(service.alarms().await, ["capture_refused"], "it comes back");
    let past = json!({"until": Utc::now() - TimeDelta::hours(1)});
    assert_eq!(service.work_on(&id, "snooze", past).await.code(), "time_invalid");

    let resolved = service.work_on(&id, "resolve", json!({"note": "paid in cash"})).await.ok();
    assert_eq!((&resolved["resolved_by"], &resolved["note"]), (&json!("ops_test"), &json!("paid in cash")));
    assert_eq!(resolved["allowed_actions"], json!([]));
    let again = service.work_on(&id, "resolve", json!({"note": "again"})).await.ok();
    assert_eq!(again["note"], "paid in cash", "the first one counts");
    assert_eq!(service.work_on(&id, "acknowledge", json!({})).await.code(), "alarm_resolved");
    assert_eq!(service.ops.get("/v1/ops/alarms").await.ok()["data"], json!([]));
    assert_eq!(service.ops.get("/v1/ops/alarms?all=true").await.ok()["data"][0]["id"], json!(id));
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_resolve_an_alarm_one_counts() {
    let service = OrderService::start().await;
    let (_, id) = service.with_alarm().await;
    let (one, other) = tokio::join!(
        service.work_on(&id, "resolve", json!({"note": "one"})),
        service.work_on(&id, "resolve", json!({"note": "other"})),
    );
    assert_eq!(one.ok()["note"], other.ok()["note"]);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_is_raised_again_is_counted_and_one_whose_cause_ends_is_gone() {
    let service = OrderService::start().await;
    service.gateway.refuse("void");
    let order = service.paid().await;
    service.customer.post(&format!("{}/cancel", order.path), json!({})).await.ok();
    let raised = async |times: i64| {
        eventually(&format!("it was raised {times} times"), || async {
            service.retry_now().await;
            let alarms = service.ops.get("/v1/ops/alarms").await.ok();
            (alarms["data"][0]["raised"].as_i64()? >= times).then(|| alarms["data"][0].clone())
        })
        .await
    };
    let first = raised(1).await;
    assert_eq!((&first["kind"], &first["severity"]), (&json!("release_refused"), &json!("page")));
    let later = raised(3).await;
    assert_eq!((&later["id"], &later["raised_at"]), (&first["id"], &first["raised_at"]), "it is the same alarm");
    service.gateway.allow("void");
    eventually("it is gone", || async {
        service.let_time_pass(Duration::from_secs(3_600)).await;
        service.alarms().await.is_empty().then_some(())
    })
    .await;
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_alarms_come_first_and_pages_hide_nothing() {
    let service = OrderService::start().await;
    service
        .db
        .execute(
            "INSERT INTO orders.alarms (kind, aggregate, aggregate_id, detail, last_raised_at)
             SELECT CASE WHEN n % 3 = 0 THEN 'release_refused' ELSE 'kitchen_late' END, 'order', gen_random_uuid(), n::text,
                    now() + (n / 2) * interval '1 s' FROM generate_series(1, 120) n",
        )
        .await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = service.ops.get(&format!("/v1/ops/alarms?limit=50{cursor}")).await.ok();
        seen.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let mut ids: Vec<_> = seen.iter().map(|alarm| alarm["id"].as_str().unwrap()).collect();
    let key = |alarm: &Value| (alarm["severity"] != "page", std::cmp::Reverse(alarm["last_raised_at"].to_string()));
    assert!(seen.is_sorted_by_key(key), "worst first, then newest");
    assert_eq!(seen.iter().filter(|alarm| alarm["severity"] == "page").count(), 40);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 120);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operations_do_leaves_one_row_and_what_is_refused_none() {
    let service = OrderService::start().await;
    let order = service.paid().await;
    let version = service.seen(&order).await["version"].clone();
    let path = format!("/v1/ops/orders/{}/cancel", order.id);
    let body = json!({"reason": "the kitchen burns"});
    let dry = service.ops.post_if(&format!("{path}?dry_run=true"), &version, body.clone()).await;
    dry.ok();
    assert_eq!(service.ops.post_if(&path, &json!(99), body.clone()).await.code(), "stale_version");
    assert_eq!(service.trail("").await, [] as [Value; 0], "nothing was done");
    service.ops.post_if(&path, &version, body.clone()).await.ok();
    let rows = service.trail(&format!("?id={}", order.id)).await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((&row["actor"], &row["reason"]), (&json!("ops:ops_test"), &body["reason"]));
    assert_eq!(row["action"], format!("POST {path}"));
    assert_eq!(row["address"], "127.0.0.1");
    assert_eq!(row["before"], json!({"state": "paid", "version": version}));
    assert_eq!(row["after"]["state"], "cancelled");
    assert_eq!(service.trail("?actor=ops:somebody_else").await.len(), 0);
    // Customers leave none.
    service.placed("tok_ok").await;
    assert_eq!(service.trail("").await.len(), 1);
    service.end().await;
}
