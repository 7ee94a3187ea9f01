//! Every payment operation takes effect once and is in the ledger, whatever the gateway answers and however late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use order_svc::payments::gateway::{Answer, Gateway, Holding, NoAnswer, Request};
use order_svc::payments::reconciler::Reconciler;
use pannier_contracts::PaymentId;
use pannier_platform::cause::Trace;
use pannier_platform::{Db, Stop};
use pannier_testkit::{Servers, TestDb, eventually};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::service::OrderService;

/// A gateway that answers only when the test allows it. Queries never find an operation.
struct Slow {
    /// The number of operations that were requested.
    requests: AtomicUsize,
    /// One permit for each request that it may answer.
    answers: Semaphore,
}

impl Slow {
    fn new() -> Arc<Self> {
        Arc::new(Self { requests: AtomicUsize::new(0), answers: Semaphore::new(0) })
    }

    async fn is_asked(&self) {
        eventually("the gateway is asked", || async { (self.requests.load(Ordering::SeqCst) > 0).then_some(()) }).await;
    }
}

#[async_trait]
impl Gateway for Slow {
    async fn perform(&self, _request: &Request, _trace: &Trace) -> Result<Answer, NoAnswer> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.answers.acquire().await.expect("open").forget();
        Ok(Answer::Done)
    }

    async fn query(&self, _key: &str, _trace: &Trace) -> Result<Answer, NoAnswer> {
        Ok(Answer::NotFound)
    }

    async fn look_up(&self, _payment: PaymentId, _trace: &Trace) -> Result<Option<Holding>, NoAnswer> {
        Ok(None)
    }
}

/// An order whose payment is due, 15.00 €.
pub const ORDER: &str = "INSERT INTO orders.orders (id, version, state, quote_id, customer_id, merchant_id, merchant_name, zone_id, lines, fees,
         currency, total, pickup_lat, pickup_lng, dropoff_lat, dropoff_lng, promise_at, pin, pin_hash, placed_at)
     VALUES ('00000000-0000-7000-8000-000000000001', 1, 'pending_payment', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
         'Shop', 'test', '[]', '[]', 'EUR', 1500, 52.5, 13.4, 52.5, 13.5, now(), '1234', 'hash', now());
     INSERT INTO orders.payments (id, version, state, order_id, method, currency, amount, next_attempt_at)
     VALUES ('00000000-0000-7000-8000-000000000002', 1, 'initiated', '00000000-0000-7000-8000-000000000001', 'tok_ok', 'EUR', 1500, now());
     INSERT INTO orders.payment_operations (key, payment_id, attempt, kind, amount)
     VALUES ('pay_1.authorise.1', '00000000-0000-7000-8000-000000000002', 1, 'authorise', 1500)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_after_its_claim_ran_out_is_booked_once() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    db.execute(ORDER).await;
    let (stop, pool) = (Stop::new(), || Db::new(&db.urls.order, 4).unwrap());
    let (first, second) = (Slow::new(), Slow::new());
    let worker = |gateway: &Arc<Slow>| tokio::spawn(Reconciler::new(pool(), Arc::clone(gateway)).run(stop.clone()));
    let one = worker(&first);
    first.is_asked().await;
    // Its claim runs out before the gateway answers. Another worker queries the operation, learns that the gateway does
    // not know it, and asks for it again.
    db.execute("UPDATE orders.payments SET locked_until = now() - interval '1 s', next_attempt_at = now()").await;
    let other = worker(&second);
    second.is_asked().await;

    // The first answer comes late.
    first.answers.add_permits(1);
    let booked = "SELECT count(*) AS n FROM orders.ledger WHERE kind = 'authorise' AND amount = 1500";
    eventually("the authorisation is in the ledger", || async { (db.count(booked).await == 1).then_some(()) }).await;
    // The second answer is the same.
    second.answers.add_permits(1);
    let rests = "SELECT count(*) AS n FROM orders.payments WHERE state = 'authorised' AND next_attempt_at IS NULL AND locked_until IS NULL";
    eventually("no attempt is due", || async { (db.count(rests).await == 1).then_some(()) }).await;
    stop.cancel();
    one.await.unwrap();
    other.await.unwrap();
    assert_eq!(db.count(booked).await, 1);
    let steps = "SELECT count(*) AS n FROM orders.events WHERE aggregate = 'payment'";
    assert_eq!(db.count(steps).await, 1, "one transition, one event");
    assert_eq!(db.count("SELECT count(*) AS n FROM orders.orders WHERE state = 'paid' AND version = 2").await, 1);
    let alarms = "SELECT count(*) AS n FROM orders.alarms WHERE resolved_at IS NULL";
    assert_eq!(db.count(alarms).await, 0, "no alarm");
    db.remove(&servers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_lost_answer_the_gateway_is_queried_and_the_operation_is_not_repeated() {
    let service = OrderService::start().await;
    service.gateway.lose_answers(true);
    let order = service.placed("tok_ok").await;
    eventually("the payment is unknown", || async {
        let payment = service.payment(&order).await;
        (payment["state"] == "unknown" && payment["last_error"].is_string()).then_some(())
    })
    .await;
    service.gateway.lose_answers(false);
    service.let_time_pass(Duration::from_secs(5)).await;
    service.order_is(&order, "paid", "authorised").await;
    assert_eq!(service.gateway.done(), ["authorise"]);
    assert_eq!(service.ledger(&order).await, ["authorise"]);
    let events = ["payment.opened.v1", "payment.changed.v1", "payment.changed.v1"];
    assert_eq!(service.events("payment", &order).await, events);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_capture_becomes_a_receivable_and_the_order_goes_on() {
    let service = OrderService::start().await;
    service.gateway.refuse("capture");
    let order = service.paid().await;
    service.accept(&order).await.ok();
    service.order_is(&order, "accepted", "failed").await;
    assert_eq!(service.ledger(&order).await, ["authorise", "receivable"]);
    assert_eq!(service.alarms().await, ["capture_refused"]);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_release_is_an_alarm_and_is_tried_again() {
    let service = OrderService::start().await;
    service.gateway.refuse("void");
    let order = service.paid().await;
    service.customer.post(&format!("{}/cancel", order.path), json!({})).await.ok();
    eventually("the alarm is raised", || async { (service.alarms().await == ["release_refused"]).then_some(()) }).await;
    service.gateway.allow("void");
    service.let_time_pass(Duration::from_secs(5)).await;
    service.order_is(&order, "cancelled", "voided").await;
    assert_eq!(service.ledger(&order).await, ["authorise", "void"]);
    assert_eq!(service.alarms().await, [""; 0]);
    service.end().await;
}
