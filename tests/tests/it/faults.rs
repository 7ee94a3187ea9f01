//! A recorded day is replayed with faults that block and do not kill: tables are locked, PostgreSQL and RabbitMQ are
//! frozen, and the disk alarm of RabbitMQ is raised. `pannier sim replay --fault …` does the same for any duration.

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
async fn a_replay_survives_locked_tables_frozen_servers_and_a_disk_alarm() {
    let options: Vec<_> = NIGHT.iter().flat_map(|fault| ["--fault", *fault]).collect();
    Night::start(&options).ends_clean().await;
}
