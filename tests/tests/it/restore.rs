//! A database that is restored into a new cluster has lower transaction ids than before. Events that were not published
//! before the backup are still published.

use pannier_testkit::eventually;

use crate::relay::Publishers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_publishes_its_unpublished_events_and_new_ones() {
    let mut city = Publishers::start(1).await;
    city.start_merchant_svc().await;
    let tickets = "SELECT count(*) AS n FROM merchant.tickets";
    city.announce(5).await;
    eventually("five tickets", || async { (city.db.count(tickets).await == 5).then_some(()) }).await;
    eventually("all events are published", || async { (city.unpublished().await == 0).then_some(()) }).await;
    city.stop_services().await;

    // Three events are committed and not published when the backup is taken. Where it is restored, transaction ids are
    // much lower.
    city.announce(3).await;
    city.db
        .execute(
            "UPDATE orders.events SET tx = (tx::text::bigint + 4000000000)::text::xid8;
             UPDATE orders.relay_cursor SET epoch = 'elsewhere-1', done = (
                 SELECT format('%s:%s:', newest, newest)::pg_snapshot
                 FROM (SELECT max(tx::text::bigint) AS newest FROM orders.events) AS e)",
        )
        .await;
    city.start_again().await;
    eventually("eight tickets", || async { (city.db.count(tickets).await == 8).then_some(()) }).await;
    city.announce(2).await;
    eventually("ten tickets", || async { (city.db.count(tickets).await == 10).then_some(()) }).await;
    eventually("everything is published", || async { (city.unpublished().await == 0).then_some(()) }).await;
    let twice =
        "SELECT count(*) AS n FROM (SELECT order_id FROM merchant.tickets GROUP BY order_id HAVING count(*) > 1) t";
    assert_eq!(city.db.count(twice).await, 0);
    city.end().await;
}
