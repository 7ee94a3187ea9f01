//! News in batches, while people tap on the same orders: each takes its locks, none is harmed.

use futures::future::{join, join_all};
use pannier_tests::TestCity;
use pannier_tests::city::text;
use serde_json::json;

use crate::outages::set_back;

/// As many as fill a batch.
const ORDERS: usize = 16;
const ROUNDS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_news_and_the_taps_on_its_orders_wait_for_each_other_and_fail_nobody() {
    let city = TestCity::start().await;
    let shop = city.shop().await;
    for round in 0..ROUNDS {
        let customers: Vec<_> = (0..ORDERS).map(|_| city.customer()).collect();
        let placed = join_all(customers.iter().map(|customer| city.ticket(customer, &shop))).await;
        // All tickets are accepted and all orders cancelled at once; what comes of it is told in batches.
        let accepted = join_all(placed.iter().map(|(_, ticket)| city.accept(&shop, ticket)));
        let cancelled = join_all(customers.iter().zip(&placed).map(|(customer, (order, _))| async {
            customer.post(&format!("/v1/orders/{}/cancel", text(&order["id"])), json!({})).await
        }));
        let (accepted, cancelled) = if round % 2 == 0 {
            join(accepted, cancelled).await
        } else {
            let (cancelled, accepted) = join(cancelled, accepted).await;
            (accepted, cancelled)
        };
        for ((order, _), (accepted, cancelled)) in placed.iter().zip(accepted.iter().zip(&cancelled)) {
            assert!(accepted.status < 500 && cancelled.status < 500, "{} {}", accepted.code(), cancelled.code());
            let ends = match cancelled.status {
                200 => ["cancelled", "cancelled", "-", "voided"],
                _ => ["accepted", "accepted", "searching", "captured"],
            };
            city.ends_as(order, ends).await;
        }
    }
    assert_eq!(set_back(&city).await, 0, "no message was set back");
    for schema in ["orders", "merchant", "dispatch"] {
        assert_eq!(city.db.count(&format!("SELECT count(*) AS n FROM {schema}.dead_letters")).await, 0, "{schema}");
    }
    city.end().await;
}
