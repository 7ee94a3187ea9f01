//! The status line under a running `up`, read from the operations APIs.

use std::collections::HashSet;
use std::time::Instant;

use futures::future::join_all;

use pannier_client::Service;

use crate::client::Client;

/// Open orders that are read at most; a demo city has far fewer.
const LOOK_AT: usize = 400;

/// Reads the figures of the line, and keeps what the next reading is compared with.
pub struct LiveLine {
    client: Client,
    open: HashSet<String>,
    delivered: usize,
    events: Option<(Instant, i64)>,
    rate: f64,
}

impl LiveLine {
    /// With no reading yet.
    pub fn new(client: Client) -> Self {
        Self { client, open: HashSet::new(), delivered: 0, events: None, rate: 0.0 }
    }

    /// Orders that were seen open and are delivered now.
    pub fn delivered(&self) -> usize {
        self.delivered
    }

    /// Reads all services and formats the line.
    pub async fn read(&mut self) -> String {
        let (orders, riders, outboxes, stuck) = tokio::join!(
            self.client.list(Service::Order, "/v1/ops/orders?open=true", LOOK_AT),
            self.client.list(Service::Dispatch, "/v1/ops/riders", 1_000),
            self.client.get_all("/v1/ops/outbox"),
            self.client.get_all("/v1/ops/stuck"),
        );
        let mut parts = Vec::new();
        match orders {
            Ok(orders) => {
                let open = orders.iter().filter_map(|order| order["id"].as_str().map(str::to_owned)).collect();
                self.count_gone(open).await;
                parts.push(format!("orders {} open, {} delivered", self.open.len(), self.delivered));
            }
            Err(error) => parts.push(format!("{error:#}")),
        }
        match riders {
            Ok(riders) => {
                let available = riders.iter().filter(|rider| rider["status"] == "available").count();
                parts.push(format!("riders {available} available of {}", riders.len()));
            }
            Err(error) => parts.push(format!("{error:#}")),
        }
        // Without every service's position the sum, and so the rate, would be wrong.
        if outboxes.failures.is_empty() {
            let sum = outboxes.answers.iter().filter_map(|(_, outbox)| outbox["last_position"].as_i64()).sum();
            self.measure(sum);
            parts.push(format!("{:.0} events/s", self.rate));
        }
        let stuck = stuck.records().len();
        if stuck > 0 {
            parts.push(format!("{stuck} stuck"));
        }
        parts.dedup();
        parts.join(" · ")
    }

    async fn count_gone(&mut self, open: HashSet<String>) {
        let gone: Vec<&String> = self.open.difference(&open).collect();
        let client = &self.client;
        let ended = join_all(gone.into_iter().map(|id| async move {
            let order = client.get(Service::Order, &format!("/v1/ops/orders/{id}")).await;
            order.is_ok_and(|order| order["state"] == "delivered")
        }));
        self.delivered += ended.await.into_iter().filter(|delivered| *delivered).count();
        self.open = open;
    }

    fn measure(&mut self, sum: i64) {
        let now = Instant::now();
        if let Some((then, before)) = self.events {
            let seconds = now.duration_since(then).as_secs_f64().max(0.001);
            self.rate = (sum - before).max(0) as f64 / seconds;
        }
        self.events = Some((now, sum));
    }
}
