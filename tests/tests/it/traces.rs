//! The traces of one order, over three services: what caused what, and that nothing is missing between tap and door.

use std::collections::{HashMap, HashSet};

use pannier_testkit::eventually;
use pannier_tests::TestCity;
use pannier_tests::city::text;
use serde_json::json;

use crate::collector::{Collector, Span};

/// A span that an order's life has, and the span in whose trace and below which it is; `None` where a trace begins.
const SHAPE: [(&str, &str, Option<&str>); 17] = [
    // The customer's tap, in order-svc, and what it leads to.
    ("order-svc", "POST /v1/orders", None),
    ("order-svc", "transaction", Some("POST /v1/orders")),
    ("order-svc", "authorise gateway", Some("POST /v1/orders")),
    ("order-svc", "tail order.paid.v1", Some("POST /v1/orders")),
    ("order-svc", "publish order.paid.v1", Some("POST /v1/orders")),
    ("merchant-svc", "process order.paid.v1", Some("POST /v1/orders")),
    // The shop's tap, in merchant-svc, which asks order-svc.
    ("merchant-svc", "POST /v1/merchant/tickets/{id}/accept", None),
    ("merchant-svc", "accept order-svc", Some("POST /v1/merchant/tickets/{id}/accept")),
    ("order-svc", "POST /v1/orders/{id}/accept", Some("POST /v1/merchant/tickets/{id}/accept")),
    ("order-svc", "capture gateway", Some("POST /v1/merchant/tickets/{id}/accept")),
    ("order-svc", "publish order.accepted.v1", Some("POST /v1/merchant/tickets/{id}/accept")),
    ("dispatch-svc", "process order.accepted.v1", Some("POST /v1/merchant/tickets/{id}/accept")),
    ("dispatch-svc", "offer", Some("POST /v1/merchant/tickets/{id}/accept")),
    // The plan that chose the rider, and the rider's tap.
    ("dispatch-svc", "round", None),
    ("dispatch-svc", "POST /v1/rider/offers/{id}/accept", None),
    // The door.
    ("dispatch-svc", "POST /v1/rider/deliveries/{id}/delivered", None),
    ("order-svc", "process delivery.delivered.v1", Some("POST /v1/rider/deliveries/{id}/delivered")),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orders_traces_lead_from_tap_to_door_over_three_services() {
    let collector = Collector::start();
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        // Milliseconds between two batches of spans.
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ];
    let city = TestCity::start_processes(&env.map(|(name, value)| (name.to_owned(), value.to_owned()))).await;
    let (shop, customer, rider) = (city.shop().await, city.customer(), city.rider().await);
    let (order, delivery) = city.assigned(&customer, &shop, &rider).await;
    let delivery = format!("/v1/rider/deliveries/{}", text(&delivery["id"]));
    for tap in ["at_pickup", "picked_up", "at_dropoff"] {
        rider.post(&format!("{delivery}/{tap}"), json!({})).await.ok();
    }
    city.order_is(&customer, &order, "delivering").await;
    rider.post(&format!("{delivery}/delivered"), json!({"pin": order["pin"]})).await.ok();
    city.order_is(&customer, &order, "delivered").await;

    let spans = eventually("every span of the shape has arrived", || async {
        let spans = collector.spans();
        missing(&spans).is_none().then_some(spans)
    });
    let Ok(spans) = tokio::time::timeout(std::time::Duration::from_secs(15), spans).await else {
        panic!("{}", missing(&collector.spans()).unwrap_or_default());
    };
    // Every request about the order that begins a trace is linked to the change before it, so all are connected.
    let tap = spans.iter().find(|span| span.name == "POST /v1/orders").expect("the tap");
    let door = spans.iter().find(|span| span.name.ends_with("/delivered")).expect("the door");
    assert!(reaches(&spans, &door.trace_id, &tap.trace_id), "links lead from the door back to the tap");
    assert!(spans.iter().all(|span| span.began <= span.ended), "no span ends before it begins");
    // The order's timeline has the same ids.
    let timeline = city.ops(&city.order_url).get(&format!("/v1/ops/orders/{}", text(&order["id"]))).await.ok();
    let placed = timeline["events"].as_array().expect("events").iter().find(|event| event["type"] == "order.placed.v1");
    let traceparent = text(&placed.expect("it was placed")["traceparent"]).to_owned();
    assert_eq!(traceparent[3..35], tap.trace_id, "log, timeline and collector show one id");
    city.end().await;
}

/// What of [`SHAPE`] the spans do not have.
fn missing(spans: &[Span]) -> Option<String> {
    let by_id: HashMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    let is_below = |span: &Span, ancestor: &str| {
        let mut at = Some(span);
        while let Some(span) = at {
            at = by_id.get(span.parent.as_str()).copied();
            if at.is_some_and(|parent| parent.name == ancestor && parent.trace_id == span.trace_id) {
                return true;
            }
        }
        false
    };
    let has = |(service, name, ancestor): &&(&str, &str, Option<&str>)| {
        spans.iter().any(|span| {
            span.service == *service
                && span.name == *name
                && ancestor.map_or(span.parent.is_empty(), |ancestor| is_below(span, ancestor))
        })
    };
    let missing: Vec<_> = SHAPE.iter().filter(|row| !has(row)).collect();
    let names: HashSet<_> = spans.iter().map(|span| (&span.service, &span.name)).collect();
    (!missing.is_empty()).then(|| format!("missing: {missing:#?}\nthere are: {names:#?}"))
}

/// Whether links lead from one trace to another.
fn reaches(spans: &[Span], from: &str, to: &str) -> bool {
    let (mut seen, mut next) = (HashSet::new(), vec![from.to_owned()]);
    while let Some(trace) = next.pop() {
        if trace == to {
            return true;
        }
        if seen.insert(trace.clone()) {
            next.extend(spans.iter().filter(|span| span.trace_id == trace).flat_map(|span| span.links.clone()));
        }
    }
    false
}
