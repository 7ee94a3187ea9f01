//! The metrics are those that `docs/telemetry.md` names, and every query of a dashboard, alert or autoscaler asks for one that
//! the services export.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pannier_testkit::{eventually, http_client};
use pannier_tests::TestCity;
use pannier_tests::city::text;
use serde_json::json;

/// Metrics by name, with the names of their labels.
type Metrics = BTreeMap<String, BTreeSet<String>>;

/// What the servers export themselves; only our own names can be checked here.
const OTHERS: [&str; 4] = ["rabbitmq_", "cnpg_", "redis_", "ALERTS"];
/// Labels that Prometheus adds to what it scrapes, and that of a histogram's bounds.
const ADDED: [&str; 7] = ["job", "instance", "le", "service", "namespace", "pod", "alertname"];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_metric_is_exported_and_every_query_finds_one() {
    let city = TestCity::start().await;
    let (shop, customer, rider) = (city.shop().await, city.customer(), city.rider().await);
    let (order, delivery) = city.assigned(&customer, &shop, &rider).await;
    let delivery = format!("/v1/rider/deliveries/{}", text(&delivery["id"]));
    for tap in ["at_pickup", "picked_up", "at_dropoff"] {
        rider.post(&format!("{delivery}/{tap}"), json!({})).await.ok();
    }
    rider.post(&format!("{delivery}/delivered"), json!({"pin": order["pin"]})).await.ok();
    city.order_is(&customer, &order, "delivered").await;
    // One more that stays open, so that gauges have something to count, and an alarm as a table would have it.
    let open = city.accepted(&customer, &shop).await;
    city.db
        .execute(
            "INSERT INTO dispatch.alarms (kind, aggregate, aggregate_id, detail)
             VALUES ('at_risk', 'delivery', gen_random_uuid(), 'planted')",
        )
        .await;

    let stream = customer.stream(&format!("/v1/orders/{}/stream", text(&open["id"])), None).await;

    let [order_svc, _, dispatch_svc] = &city.admin_urls;
    let expect = |url: &str, line: &'static str| {
        let url = format!("{url}/metrics");
        async move {
            eventually(&format!("{line} is exported"), || async {
                let metrics = http_client().get(&url).send().await.ok()?.text().await.ok()?;
                metrics.lines().any(|exported| exported == line).then_some(())
            })
            .await;
        }
    };
    // Counted once, although every instance reads the log.
    expect(order_svc, "pannier_orders_total{state=\"delivered\"} 1").await;
    expect(order_svc, "pannier_order_stage_seconds_count{stage=\"door\"} 1").await;
    expect(dispatch_svc, "pannier_offers_total{outcome=\"accepted\"} 1").await;
    expect(dispatch_svc, "pannier_assign_seconds_count 1").await;
    expect(dispatch_svc, "pannier_stuck{rule=\"at_risk\",service=\"dispatch-svc\"} 1").await;
    expect(order_svc, "pannier_streams{route=\"order\"} 1").await;
    expect(order_svc, "pannier_consumer_connected{queue=\"order.delivery\"} 1").await;

    let mut exported = Metrics::new();
    for admin in &city.admin_urls {
        let text =
            http_client().get(format!("{admin}/metrics")).send().await.expect("an answer").text().await.expect("text");
        for id in [&order["id"], &open["id"], &order["merchant_id"]] {
            assert!(!text.contains(self::text(id)), "no label has an id");
        }
        read(&text, &mut exported);
    }
    let documented = documented();
    let not_documented: Vec<_> = exported.keys().filter(|name| !documented.contains_key(*name)).collect();
    assert!(not_documented.is_empty(), "docs/telemetry.md does not name {not_documented:?}");
    let not_exported: Vec<_> = documented.keys().filter(|name| !exported.contains_key(*name)).collect();
    assert!(not_exported.is_empty(), "nobody exports {not_exported:?}");
    for (name, labels) in &exported {
        assert_eq!(labels, &documented[name], "the labels of {name}: exported, documented");
    }
    let mistakes = unknown(&queries(), &exported);
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    drop(stream);
    city.end().await;
}

#[test]
fn a_query_for_a_metric_or_label_that_nobody_exports_is_found() {
    let exported = documented();
    for (planted, wrong) in [
        ("sum(rate(pannier_orders_totl{state=\"delivered\"}[5m]))", "pannier_orders_totl"),
        ("max(pannier_orders{stat=\"paid\"})", "stat"),
        ("histogram_quantile(0.99, rate(pannier_orders_bucket[5m]))", "pannier_orders_bucket"),
        ("nobody_knows_it[5m]", "nobody_knows_it"),
    ] {
        let found = unknown(&[("planted".to_owned(), planted.to_owned())], &exported);
        assert!(found.iter().any(|mistake| mistake.contains(wrong)), "{planted}: {found:?}");
    }
}

/// Adds what an exposition has. The series of a histogram count as one metric.
fn read(exposition: &str, metrics: &mut Metrics) {
    let mut histograms = BTreeSet::new();
    for line in exposition.lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').expect("a name and a type");
            if kind == "histogram" {
                histograms.insert(name.to_owned());
            }
            continue;
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let series = line.rsplit_once(' ').expect("a series and a value").0;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let name = base_name(name, &|base| histograms.contains(base));
        let labels =
            labels.trim_end_matches('}').split("\",").filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()));
        metrics.entry(name).or_default().extend(labels.filter(|label| label != "le"));
    }
}

/// The histogram of a series such as `…_bucket`, or the name itself.
fn base_name(name: &str, is_histogram: &dyn Fn(&str) -> bool) -> String {
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    base.filter(|base| is_histogram(base)).unwrap_or(name).to_owned()
}

/// The rows of the tables in `docs/telemetry.md`.
fn documented() -> Metrics {
    let page = std::fs::read_to_string(project().join("docs/telemetry.md")).expect("the page");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, labels, ..] = cells[..] else { return None };
        let is_metric = ["counter", "gauge", "histogram"].iter().any(|known| kind.starts_with(known));
        let name = name.trim_matches('`').to_owned();
        let labels = labels.split(',').map(|label| label.trim().trim_matches('`').to_owned());
        is_metric.then(|| (name, labels.filter(|label| !label.is_empty()).collect()))
    });
    rows.collect()
}

/// Every query under `k8s/`, with the file that has it.
fn queries() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![project().join("k8s")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("k8s/").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let name = path.strip_prefix(project()).expect("inside").display().to_string();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") if name.contains("dashboards") => {
                    let dashboard = serde_json::from_str(&text).expect("a dashboard is JSON");
                    collect(&dashboard, &mut |query| found.push((name.clone(), query)));
                }
                Some("yaml" | "yml") if !name.contains(".test.") => {
                    for document in serde_yaml_ng::Deserializer::from_str(&text) {
                        let document = serde::Deserialize::deserialize(document).unwrap_or(serde_json::Value::Null);
                        collect(&document, &mut |query| found.push((name.clone(), query)));
                    }
                }
                _ => {}
            }
        }
    }
    assert!(found.len() > 60, "dashboards, rules and autoscalers have queries: {}", found.len());
    found
}

/// The texts under `expr` (dashboards, rules) and `query` (autoscalers).
fn collect(value: &serde_json::Value, take: &mut dyn FnMut(String)) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(query) if key == "expr" || key == "query" => take(query.to_owned()),
                    _ => collect(value, take),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, take)),
        _ => {}
    }
}

/// What the queries ask for and nobody exports.
fn unknown(queries: &[(String, String)], exported: &Metrics) -> Vec<String> {
    let is_histogram = |base: &str| exported.contains_key(base) && HISTOGRAMS.iter().any(|end| base.ends_with(end));
    let mut mistakes = Vec::new();
    for (file, query) in queries {
        for (name, labels) in selectors(query) {
            // Recording rules have a colon in their name; they are queries of their own.
            let ours = !name.contains(':') && name != "up" && !OTHERS.iter().any(|other| name.starts_with(other));
            if !ours {
                continue;
            }
            match exported.get(&base_name(&name, &is_histogram)) {
                None => mistakes.push(format!("{file}: nobody exports {name}: {query}")),
                Some(known) => {
                    let wrong = labels.iter().filter(|l| !known.contains(*l) && !ADDED.contains(&l.as_str()));
                    mistakes.extend(wrong.map(|label| format!("{file}: {name} has no label {label}: {query}")));
                }
            }
        }
    }
    mistakes
}

/// Our histograms measure seconds.
const HISTOGRAMS: [&str; 1] = ["_seconds"];

/// The metrics in a query, with the labels that it matches: words before `{` or `[`, and words with an underscore that are no
/// function, keyword or label.
fn selectors(query: &str) -> Vec<(String, Vec<String>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '"' || c == '$') {
        rest = &rest[start..];
        if let Some(text) = rest.strip_prefix('"') {
            rest = text.split_once('"').map_or("", |(_, rest)| rest);
            continue;
        }
        let end = rest.char_indices().skip(1).find(|(_, c)| !is_word(*c)).map_or(rest.len(), |(at, _)| at);
        let (word, after) = rest.split_at(end);
        rest = after;
        let next = after.trim_start();
        if ["by", "without", "on", "ignoring", "group_left", "group_right"].contains(&word) {
            // The labels of a grouping.
            rest = next.strip_prefix('(').and_then(|labels| labels.split_once(')')).map_or(after, |(_, rest)| rest);
            continue;
        }
        let is_selector = next.starts_with('{') || next.starts_with('[');
        if word.starts_with('$') || next.starts_with('(') || (!is_selector && !word.contains('_')) {
            continue;
        }
        let labels = next.strip_prefix('{').and_then(|labels| labels.split_once('}'));
        let matched = labels.map(|(labels, rest_after)| {
            rest = rest_after;
            let pairs = labels.split(',').filter_map(|pair| pair.split_once(['=', '!']));
            pairs.map(|(label, _)| label.trim().to_owned()).filter(|label| !label.is_empty()).collect()
        });
        found.push((word.to_owned(), matched.unwrap_or_default()));
    }
    found
}
