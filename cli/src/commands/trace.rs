//! `pannier trace`: the life of an order as a tree, from the event logs of the three services.
//!
//! A trace is what one request, timer or plan led to. It needs no collector and no sample: every event has the trace of its
//! change. A collector has the same ids, with the spans in between.

use std::collections::HashMap;

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::orders::check_id;
use crate::client::Client;
use crate::failure::Failure;
use crate::table::{Output, cell};
use pannier_client::Service;

/// One event of an order.
#[derive(Debug, Clone)]
struct Event {
    at: DateTime<Utc>,
    service: String,
    /// `order.paid`.
    what: String,
    actor: String,
    /// The trace of the change; empty if it has none.
    trace: String,
}

impl Event {
    fn of(record: &Value) -> Option<Self> {
        let kind = record["type"].as_str()?;
        Some(Self {
            at: record["occurred_at"].as_str()?.parse().ok()?,
            service: cell(&record["service"]),
            what: kind.rsplit_once(".v").map_or(kind, |(what, _)| what).to_owned(),
            actor: cell(&record["actor"]),
            trace: record["traceparent"].as_str().and_then(|t| t.get(3..35)).unwrap_or_default().to_owned(),
        })
    }
}

/// Prints the life of an order.
///
/// # Errors
/// There is no such order, or a service is not reachable; what the others know is printed.
pub async fn run(client: &Client, id: &str, output: Output) -> Result<()> {
    check_id(id)?;
    let all = client.get_all(&format!("/v1/ops/orders/{id}/events")).await;
    // Other services may have nothing of the order yet.
    if all.missing.contains(&Service::Order) {
        return Err(Failure::NotFound(format!("there is no order {id}")).into());
    }
    let mut records = all.records();
    // As times: as texts, a whole second would come after its fractions.
    records.sort_by_key(|record| Event::of(record).map(|event| event.at));
    all.print(output, &records, |records| {
        let events: Vec<Event> = records.iter().filter_map(Event::of).collect();
        tree(id, &events)
    })
}

/// The traces of an order, each with its events; a trace begins where its first event is.
fn tree(id: &str, events: &[Event]) -> String {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return format!("{id} has no events") };
    let mut traces: Vec<&str> = Vec::new();
    let mut of_trace: HashMap<&str, Vec<&Event>> = HashMap::new();
    for event in events {
        let in_trace = of_trace.entry(&event.trace).or_default();
        if in_trace.is_empty() {
            traces.push(&event.trace);
        }
        in_trace.push(event);
    }
    let took = seconds(first.at, last.at);
    let mut lines = vec![format!("{id}   {} events in {} traces, {took}", events.len(), traces.len())];
    for trace in traces {
        let events = &of_trace[trace];
        lines.push(String::new());
        lines.push(format!("+{} {}  {trace}", seconds(first.at, events[0].at), events[0].actor));
        let mut before = events[0].at;
        for (n, event) in events.iter().enumerate() {
            let branch = if n + 1 == events.len() { "└──" } else { "├──" };
            let actor = if event.actor == events[0].actor { String::new() } else { format!("   by {}", event.actor) };
            let after = seconds(before, event.at);
            lines.push(
                format!("{branch} {after:>9}  {:<24} {:<13}{actor}", event.what, event.service).trim_end().to_owned(),
            );
            before = event.at;
        }
    }
    lines.join("\n")
}

fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let ms = (to - from).num_milliseconds();
    if ms < 1_000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1_000, ms % 1_000 / 100) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_order_is_a_chain_of_traces() {
        let event = |ms: i64, service: &str, kind: &str, actor: &str, trace: char| {
            let at = DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap();
            let traceparent = format!("00-{}-00f067aa0ba902b7-01", trace.to_string().repeat(32));
            Event::of(&json!({"occurred_at": at, "service": service, "type": kind, "actor": actor, "traceparent": traceparent}))
                .unwrap()
        };
        let events = [
            event(0, "order-svc", "order.placed.v1", "customer:cus_1", 'a'),
            event(80, "order-svc", "order.paid.v1", "reconciler", 'a'),
            event(140, "merchant-svc", "ticket.opened.v1", "consumer:merchant.order", 'a'),
            event(12_340, "order-svc", "order.accepted.v1", "merchant:mer_1", 'b'),
            event(12_400, "dispatch-svc", "delivery.opened.v1", "consumer:dispatch.order", 'b'),
        ];
        assert_eq!(
            tree("ord_1", &events),
            "ord_1   5 events in 2 traces, 12.4 s

+0 ms customer:cus_1  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
├──      0 ms  order.placed             order-svc
├──     80 ms  order.paid               order-svc       by reconciler
└──     60 ms  ticket.opened            merchant-svc    by consumer:merchant.order

+12.3 s merchant:mer_1  bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
├──      0 ms  order.accepted           order-svc
└──     60 ms  delivery.opened          dispatch-svc    by consumer:dispatch.order"
        );
    }
}
