//! Two workers and one payment: whatever each of them hears from the gateway, and whenever, money moves once and is booked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use order_svc::domain::settlement::Operation;
use order_svc::payments::gateway::{Answer, Gateway, NoAnswer};
use order_svc::payments::reconciler::Reconciler;
use order_svc::store::Payment;
use pannier_platform::{Db, Stop};
use pannier_testkit::{Servers, TestDb, eventually};
use tokio::sync::Semaphore;

/// A gateway that takes its time.
struct Slow {
    asked_to: AtomicUsize,
    /// Operations that may be answered.
    answers: Semaphore,
}

impl Slow {
    fn new() -> Arc<Self> {
        Arc::new(Self { asked_to: AtomicUsize::new(0), answers: Semaphore::new(0) })
    }

    async fn is_asked(&self) {
        eventually("the gateway is asked", || async { (self.asked_to.load(Ordering::SeqCst) > 0).then_some(()) }).await;
    }
}

#[async_trait]
impl Gateway for Slow {
    async fn perform(&self, _operation: Operation, _key: &str, _payment: &Payment) -> Result<Answer, NoAnswer> {
        self.asked_to.fetch_add(1, Ordering::SeqCst);
        self.answers.acquire().await.expect("open").forget();
        Ok(Answer::Done)
    }

    /// What is still being done is not known yet.
    async fn query(&self, _key: &str) -> Result<Answer, NoAnswer> {
        Ok(Answer::NotFound)
    }
}

const ORDER: &str = "INSERT INTO orders.orders (id, version, state, quote_id, customer_id, merchant_id, merchant_name, zone_id, lines, fees,
         currency, total, pickup_lat, pickup_lng, dropoff_lat, dropoff_lng, promise_at, pin, pin_hash, placed_at)
     VALUES ('00000000-0000-7000-8000-000000000001', 1, 'pending_payment', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
         'Shop', 'test', '[]', '[]', 'EUR', 1500, 52.5, 13.4, 52.5, 13.5, now(), '1234', 'hash', now());
     INSERT INTO orders.payments (id, version, state, order_id, method, currency, amount, next_attempt_at)
     VALUES ('00000000-0000-7000-8000-000000000002', 1, 'initiated', '00000000-0000-7000-8000-000000000001', 'tok_ok', 'EUR', 1500, now())";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_after_its_lock_ran_out_is_booked_once() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    db.execute(ORDER).await;
    let (stop, pool) = (Stop::new(), || Db::new(&db.urls.order, 4).unwrap());
    let (first, second) = (Slow::new(), Slow::new());
    let worker = |gateway: &Arc<Slow>| tokio::spawn(Reconciler::new(pool(), Arc::clone(gateway)).run(stop.clone()));
    let one = worker(&first);
    first.is_asked().await;
    // Its lock runs out while the gateway is at it. Another worker asks what became of it, hears that nobody knows, and
    // asks for it again.
    db.execute("UPDATE orders.payments SET locked_until = now() - interval '1 s', next_attempt_at = now()").await;
    let other = worker(&second);
    second.is_asked().await;

    // The first answer comes after all.
    first.answers.add_permits(1);
    let booked = "SELECT count(*) AS n FROM orders.ledger WHERE kind = 'authorise' AND amount = 1500";
    eventually("it is booked", || async { (db.count(booked).await == 1).then_some(()) }).await;
    // Then the second, which says the same.
    second.answers.add_permits(1);
    let rests = "SELECT count(*) AS n FROM orders.payments WHERE state = 'authorised' AND operation IS NULL AND next_attempt_at IS NULL";
    eventually("it rests", || async { (db.count(rests).await == 1).then_some(()) }).await;
    stop.cancel();
    one.await.unwrap();
    other.await.unwrap();
    assert_eq!(db.count(booked).await, 1);
    let steps = "SELECT count(*) AS n FROM orders.events WHERE aggregate = 'payment'";
    assert_eq!(db.count(steps).await, 1, "one step, told once");
    assert_eq!(db.count("SELECT count(*) AS n FROM orders.orders WHERE state = 'paid' AND version = 2").await, 1);
    let alarms = "SELECT count(*) AS n FROM orders.alarms WHERE resolved_at IS NULL";
    assert_eq!(db.count(alarms).await, 0, "nobody needs to look");
    db.remove(&servers).await;
}
