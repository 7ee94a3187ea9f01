//! Money is right when the gateway is late, silent, contradictory or refuses: in the end our ledger is the gateway's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use order_svc::domain::settlement::Operation;
use order_svc::payments::gateway::{Answer, Gateway, Holding, NoAnswer, Request};
use order_svc::payments::reconciler::Reconciler;
use pannier_contracts::PaymentId;
use pannier_platform::cause::Trace;
use pannier_platform::{Db, Stop};
use pannier_testkit::{Servers, TestDb, eventually};
use serde_json::json;

use crate::payments::ORDER;
use crate::service::{Order, OrderService};
use crate::test_gateway::TestGateway;

/// The customer cancels while the gateway is asked. An order that is cancelled before has nothing to be released.
async fn cancel_once_asked(service: &OrderService, order: &Order) {
    eventually("the gateway is asked", || async {
        service.payment(order).await["operations"][0]["asked_at"].is_string().then_some(())
    })
    .await;
    service.customer.post(&format!("{}/cancel", order.path), json!({})).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_that_lands_after_the_order_ended_is_released() {
    let gateway = TestGateway::start("late");
    let service = OrderService::start_at(&gateway).await;
    // It is done a second after our deadline; until then the gateway does not know it.
    let order = service.placed("tok_ok-authorise-late").await;
    cancel_once_asked(&service, &order).await;
    let looks = "SELECT count(*) AS n FROM orders.payment_operations WHERE kind = 'void' AND answer = 'not_found'";
    eventually("there is nothing to release yet", || async {
        service.retry_now().await;
        (service.db.count(looks).await == 1).then_some(())
    })
    .await;
    assert_eq!(service.payment(&order).await["state"], "unknown", "it is not known as released");
    eventually("it lands", || async { (gateway.ledger().await.len() == 1).then_some(()) }).await;

    service.let_time_pass(Duration::from_secs(600)).await;
    service.order_is(&order, "cancelled", "voided").await;
    let kinds: Vec<_> = service.operations_in_ledger().await.into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, ["authorise", "void"]);
    assert_eq!(service.operations_in_ledger().await, gateway.ledger().await);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_that_never_lands_is_looked_for_twice() {
    let gateway = TestGateway::start("hang");
    let service = OrderService::start_at(&gateway).await;
    let order = service.placed("tok_ok-authorise-hang").await;
    cancel_once_asked(&service, &order).await;
    eventually("it is voided after the second look", || async {
        service.let_time_pass(Duration::from_secs(120)).await;
        (service.payment(&order).await["state"] == "voided").then_some(())
    })
    .await;
    let operations = service.payment(&order).await["operations"].clone();
    let ends: Vec<_> = operations.as_array().unwrap().iter().map(|o| (&o["kind"], &o["answer"])).collect();
    let nothing = json!("not_found");
    let (authorise, void) = (json!("authorise"), json!("void"));
    assert_eq!(ends, [(&authorise, &nothing), (&void, &nothing), (&void, &nothing)]);
    assert_eq!(service.operations_in_ledger().await, []);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_refund_is_tried_again_with_another_key() {
    let gateway = TestGateway::start("refund");
    let service = OrderService::start_at(&gateway).await;
    let order = service.accepted_with("tok_ok-refund-refuse-2").await;
    let version = service.seen(&order).await["version"].clone();
    let cancel = format!("/v1/ops/orders/{}/cancel", order.id);
    service.ops.post_if(&cancel, &version, json!({"reason": "the kitchen burns"})).await.ok();
    eventually("a person is told", || async { (service.alarms().await == ["release_refused"]).then_some(()) }).await;
    eventually("the third attempt succeeds", || async {
        service.retry_now().await;
        (service.payment(&order).await["state"] == "refunded").then_some(())
    })
    .await;
    service.order_is(&order, "cancelled", "refunded").await;
    let payment = service.payment(&order).await;
    let refunds = payment["operations"].as_array().unwrap().iter().filter(|o| o["kind"] == "refund");
    let answers: Vec<_> = refunds.map(|o| o["answer"].as_str().unwrap()).collect();
    assert_eq!(answers, ["refused", "refused", "done"]);
    assert_eq!(service.alarms().await, [""; 0]);
    assert_eq!(service.operations_in_ledger().await, gateway.ledger().await);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_after_success_is_done_once() {
    let gateway = TestGateway::start("after");
    let service = OrderService::start_at(&gateway).await;
    let order = service.placed("tok_ok-authorise-error_after.capture-no_answer.refund-error_after").await;
    let settled = async |state: &str, payment: &str| {
        eventually(&format!("{state}, {payment}"), || async {
            service.retry_now().await;
            let seen = service.seen(&order).await;
            (seen["state"] == state && seen["payment"]["state"] == payment).then_some(seen)
        })
        .await
    };
    settled("paid", "authorised").await;
    service.accept(&order).await.ok();
    let seen = settled("accepted", "captured").await;
    let cancel = format!("/v1/ops/orders/{}/cancel", order.id);
    service.ops.post_if(&cancel, &seen["version"], json!({"reason": "the kitchen burns"})).await.ok();
    settled("cancelled", "refunded").await;
    let kinds: Vec<_> = gateway.ledger().await.into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert_eq!(service.operations_in_ledger().await, gateway.ledger().await);
    service.end().await;
}

/// A gateway that takes the money long after it was asked to, in the moment in which it is to be released.
struct CapturesInBetween {
    is_captured: AtomicBool,
}

#[async_trait]
impl Gateway for CapturesInBetween {
    async fn perform(&self, request: &Request, _trace: &Trace) -> Result<Answer, NoAnswer> {
        match request.operation {
            Operation::Authorise => Ok(Answer::Done),
            Operation::Capture => Err(NoAnswer("too slow".to_owned())),
            Operation::Void => {
                self.is_captured.store(true, Ordering::SeqCst);
                Ok(Answer::Refused("illegal_transition".to_owned()))
            }
            Operation::Refund => Ok(Answer::Done),
        }
    }

    async fn query(&self, _key: &str, _trace: &Trace) -> Result<Answer, NoAnswer> {
        Ok(Answer::NotFound)
    }

    async fn look_up(&self, _payment: PaymentId, _trace: &Trace) -> Result<Option<Holding>, NoAnswer> {
        let captured = if self.is_captured.load(Ordering::SeqCst) { 1_500 } else { 0 };
        Ok(Some(Holding { is_voided: false, captured, refunded: 0 }))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_void_that_is_refused_because_a_capture_landed_becomes_a_refund() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    db.execute(ORDER).await;
    let (stop, pool) = (Stop::new(), Db::new(&db.urls.order, 4).unwrap());
    let gateway = Arc::new(CapturesInBetween { is_captured: AtomicBool::new(false) });
    let running = tokio::spawn(Reconciler::new(pool, gateway).run(stop.clone()));
    let is = async |state: &str| {
        let sql = format!("SELECT count(*) AS n FROM orders.payments WHERE state = '{state}' AND locked_until IS NULL");
        eventually(&format!("the payment is {state}"), || async { (db.count(&sql).await == 1).then_some(()) }).await;
    };
    is("authorised").await;
    db.execute("UPDATE orders.orders SET state = 'accepted'; UPDATE orders.payments SET next_attempt_at = now()").await;
    is("unknown").await;
    db.execute("UPDATE orders.orders SET state = 'cancelled'; UPDATE orders.payments SET next_attempt_at = now()")
        .await;
    is("refunded").await;
    let answers = "SELECT count(*) AS n FROM orders.payment_operations WHERE (kind, answer) IN
        (('authorise', 'done'), ('capture', 'done'), ('void', 'refused'), ('refund', 'done'))";
    assert_eq!(db.count(answers).await, 4);
    let booked = "SELECT sum(CASE kind WHEN 'capture' THEN amount WHEN 'refund' THEN -amount ELSE 0 END)::bigint AS n
        FROM orders.ledger";
    assert_eq!(db.count(booked).await, 0, "what was taken was given back");
    assert_eq!(db.count("SELECT count(*) AS n FROM orders.alarms WHERE resolved_at IS NULL").await, 0);
    stop.cancel();
    running.await.unwrap();
    db.remove(&servers).await;
}
