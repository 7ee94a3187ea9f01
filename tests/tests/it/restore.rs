//! A database that was restored elsewhere counts its transactions anew; what it had not published still goes out.

use pannier_testkit::eventually;

use crate::relay::Publishers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_publishes_what_it_had_not_and_goes_on() {
    let mut city = Publishers::start(1).await;
    city.start_merchant_svc().await;
    let tickets = "SELECT count(*) AS n FROM merchant.tickets";
    city.announce(5).await;
    eventually("five tickets", || async { (city.db.count(tickets).await == 5).then_some(()) }).await;
    eventually("all are told", || async { (city.unpublished().await == 0).then_some(()) }).await;
    city.stop_services().await;

    // Three more were committed when the backup was taken; where it is restored, transactions count from far below.
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
    eventually("and what is new", || async { (city.db.count(tickets).await == 10).then_some(()) }).await;
    eventually("nothing is left", || async { (city.unpublished().await == 0).then_some(()) }).await;
    let twice =
        "SELECT count(*) AS n FROM (SELECT order_id FROM merchant.tickets GROUP BY order_id HAVING count(*) > 1) t";
    assert_eq!(city.db.count(twice).await, 0);
    city.end().await;
}
