//! Consumers apply events in batches while HTTP requests change the same orders. Both wait for row locks, and neither
//! fails.

use futures::future::{join, join_all};
use pannier_tests::TestCity;
use pannier_tests::city::text;
use serde_json::json;

use crate::outages::retrying_or_dead;

/// Enough orders for one full batch of messages.
const ORDERS: usize = 16;
const ROUNDS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_events_and_requests_for_the_same_orders_both_succeed() {
    let city = TestCity::start().await;
    let shop = city.shop().await;
    for round in 0..ROUNDS {
        let customers: Vec<_> = (0..ORDERS).map(|_| city.customer()).collect();
        let placed = join_all(customers.iter().map(|customer| city.ticket(customer, &shop))).await;
        // All tickets are accepted and all orders are cancelled at once. The resulting events arrive in batches.
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
    assert_eq!(retrying_or_dead(&city).await, 0, "no message waits for a retry, and none is dead");
    for schema in ["orders", "merchant", "dispatch"] {
        assert_eq!(city.db.count(&format!("SELECT count(*) AS n FROM {schema}.dead_letters")).await, 0, "{schema}");
    }
    city.end().await;
}
