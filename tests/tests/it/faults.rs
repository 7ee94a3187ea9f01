//! A night on which nothing dies and much stands still: tables that nobody can read, a database and a broker that swallow
//! everything, a full disk. `pannier sim replay --fault …` does the same for as long as you like.

use crate::night::Night;

const NIGHT: [&str; 6] = [
    "lock:orders.progress@5+12",
    "lock:merchant.tickets@5+12",
    "lock:dispatch.deliveries@5+12",
    "freeze:postgres@25+12",
    "alarm:rabbitmq@45+12",
    "freeze:rabbitmq@65+12",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_survives_what_stands_still_for_a_while() {
    let options: Vec<_> = NIGHT.iter().flat_map(|fault| ["--fault", *fault]).collect();
    Night::start(&options).ends_clean().await;
}
