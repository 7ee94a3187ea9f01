//! The services, by their public ports: ready or not and why, their clock, the event log, what is stuck.

use chrono::{DateTime, Utc};
use pannier_client::Service;
use serde_json::Value;

use super::{Finding, PATIENCE};
use crate::client::Client;

/// Clocks that differ by more than this make tokens invalid and times confusing.
const MAX_SKEW_S: i64 = 5;
/// As the alert `EventLogLag`.
const MAX_LAG_S: i64 = 30;

pub(super) async fn look(http: &reqwest::Client, client: &Client, service: Service) -> Vec<Finding> {
    let name = service.name();
    let asked = http.get(format!("{}/readyz?verbose=true", client.url(service))).send().await;
    let Ok(answer) = asked else {
        let seen = format!("no answer at {}", client.url(service));
        return vec![Finding::bad(name, seen, "is its process running? its log says why it ended or waits")];
    };
    let mut findings = vec![clock(name, &answer)];
    let health: Value = answer.json().await.unwrap_or_default();
    findings.push(readiness(name, &health));
    findings.extend(log(client, service).await);
    findings.extend(stuck(client, service).await);
    findings
}

fn clock(name: &str, answer: &reqwest::Response) -> Finding {
    let what = format!("{name} clock");
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    let Some(theirs) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) else {
        return Finding::unknown(what, "its answers have no date");
    };
    let skew = Utc::now().signed_duration_since(theirs).num_seconds().abs();
    if skew <= MAX_SKEW_S {
        Finding::ok(what, format!("differs by {skew} s at most"))
    } else {
        Finding::bad(what, format!("differs from this machine's by {skew} s"), "synchronise the clocks (NTP)")
    }
}

fn readiness(name: &str, health: &Value) -> Finding {
    let checks = &health["checks"];
    if let Some(what) = checks["waits_for"].as_str() {
        return Finding::bad(name, format!("waits: {what}"), "runbook service-down");
    }
    if checks["stopping"] == true {
        return Finding::warning(name, "is stopping", "nothing, if that is meant");
    }
    if checks["database"] != true {
        return Finding::bad(name, "does not reach its database", "is PostgreSQL up? see the service's log");
    }
    if checks["broker"] != true {
        return Finding::bad(name, "does not reach the broker", "is RabbitMQ up? events wait, nothing is lost");
    }
    Finding::ok(name, "ready; database and broker answer")
}

async fn log(client: &Client, service: Service) -> Vec<Finding> {
    let what = format!("{} event log", service.name());
    let asked = tokio::time::timeout(PATIENCE, client.get(service, "/v1/ops/outbox")).await;
    let Ok(Ok(outbox)) = asked else { return vec![Finding::unknown(what, "it cannot be asked")] };
    let oldest = outbox["oldest_unpublished_at"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
    let lag = oldest.map_or(0, |oldest| (Utc::now() - oldest).num_seconds());
    let waiting = outbox["unpublished"].as_i64().unwrap_or(0);
    let aside = outbox["set_aside"].as_array().map_or(0, Vec::len);
    if outbox["blocked"] == true {
        let seen = format!("the broker accepts nothing; {waiting} events wait");
        return vec![Finding::bad(what, seen, "the broker has an alarm: free its disk or memory")];
    }
    if aside > 0 {
        return vec![Finding::bad(what, format!("{aside} events are refused"), "runbook event-log-lag")];
    }
    if lag > MAX_LAG_S {
        return vec![Finding::bad(what, format!("{waiting} events wait, for {lag} s"), "runbook event-log-lag")];
    }
    vec![Finding::ok(what, format!("{waiting} events wait, for {lag} s at most"))]
}

async fn stuck(client: &Client, service: Service) -> Vec<Finding> {
    let what = format!("{} stuck", service.name());
    let asked = tokio::time::timeout(PATIENCE, client.get(service, "/v1/ops/stuck")).await;
    let Ok(Ok(stuck)) = asked else { return vec![Finding::unknown(what, "it cannot be asked")] };
    let kinds = stuck["data"].as_array().into_iter().flatten().filter_map(|row| row["kind"].as_str());
    let mut counted = std::collections::BTreeMap::<&str, usize>::new();
    kinds.for_each(|kind| *counted.entry(kind).or_default() += 1);
    if counted.is_empty() {
        return vec![Finding::ok(what, "nothing")];
    }
    let seen = counted.iter().map(|(kind, rows)| format!("{rows} {kind}")).collect::<Vec<_>>().join(", ");
    vec![Finding::warning(what, seen, "pannier orders stuck, runbook stuck")]
}
