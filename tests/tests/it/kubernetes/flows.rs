//! The flows of ARCHITECTURE.md, "Who talks to whom", and the NetworkPolicies that allow them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::objects::project;

/// One row of the table.
#[derive(Debug)]
pub struct Flow {
    pub name: String,
    from: String,
    to: String,
    ports: BTreeSet<String>,
}

/// The labels of those who are in the cell; whoever is not listed is outside.
fn labels(who: &str) -> Option<Value> {
    let labels = match who {
        "services" => json!({"app.kubernetes.io/component": "service"}),
        "order-svc" | "merchant-svc" | "dispatch-svc" => json!({"app.kubernetes.io/name": who}),
        "the migration job" => json!({"app.kubernetes.io/name": "migrate"}),
        "RabbitMQ" => json!({"pannier-server": "rabbitmq"}),
        "Valkey (or any Redis)" => json!({"pannier-server": "redis"}),
        "PostgreSQL, or its pooler" => json!({"pannier-server": "postgresql"}),
        "the pooler" => json!({"cnpg.io/poolerName": "postgresql-pooler"}),
        "every pod" => json!({}),
        _ => return None,
    };
    Some(labels)
}

/// PostgreSQL is meant with its pooler where others ask it, and without where its instances talk.
fn is_among(who: &str, found: &Value) -> bool {
    let of_instances = json!({"cnpg.io/cluster": "postgresql"});
    let of_server = json!({"pannier-server": "postgresql"});
    match who {
        "PostgreSQL" => *found == of_instances || *found == of_server,
        _ => labels(who).is_none_or(|labels| labels == *found),
    }
}

fn is_inside(who: &str) -> bool {
    who == "PostgreSQL" || labels(who).is_some()
}

/// The table.
pub fn documented() -> Vec<Flow> {
    let page = std::fs::read_to_string(project().join("ARCHITECTURE.md")).expect("the page");
    let (_, section) = page.split_once("## Who talks to whom").expect("the section");
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let rows = section.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, from, to, ports, ..] = cells[..] else { return None };
        let name = name.strip_prefix('`')?.strip_suffix('`')?;
        let ports = ports.split(',').map(|port| port.trim().replace('–', "-")).collect();
        Some(Flow { name: name.to_owned(), from: from.to_owned(), to: to.to_owned(), ports })
    });
    rows.collect()
}

/// Where the policies differ from the table.
pub fn differences(flows: &[Flow], objects: &[Value]) -> Vec<String> {
    let policies: BTreeMap<&str, &Value> = objects
        .iter()
        .filter(|object| object["kind"] == "NetworkPolicy")
        .filter_map(|object| Some((object["metadata"]["name"].as_str()?, &object["spec"])))
        .collect();
    let mut found = Vec::new();
    let mut expected = BTreeSet::from(["default-deny".to_owned()]);
    match policies.get("default-deny") {
        Some(spec)
            if spec["podSelector"] == json!({}) && spec.get("ingress").is_none() && spec.get("egress").is_none() => {}
        _ => found.push("nothing is denied by default".to_owned()),
    }
    for flow in flows {
        let both = is_inside(&flow.from) && is_inside(&flow.to);
        let sides: &[&str] = if both {
            &["egress", "ingress"]
        } else if is_inside(&flow.from) {
            &["egress"]
        } else {
            &["ingress"]
        };
        for side in sides {
            let name = if both { format!("{}-{side}", flow.name) } else { flow.name.clone() };
            match policies.get(name.as_str()) {
                None => found.push(format!("there is no policy {name}")),
                Some(spec) => found.extend(wrong(flow, side, spec).map(|what| format!("{name}: {what}"))),
            }
            expected.insert(name);
        }
    }
    found.extend(
        policies.keys().filter(|name| !expected.contains(**name)).map(|name| format!("no row has the policy {name}")),
    );
    found
}

/// What is wrong with one side of a flow.
fn wrong(flow: &Flow, side: &str, spec: &Value) -> Option<String> {
    let (own, peer, peers) = match side {
        "egress" => (&flow.from, &flow.to, "to"),
        _ => (&flow.to, &flow.from, "from"),
    };
    let selected = spec["podSelector"].get("matchLabels").cloned().unwrap_or(json!({}));
    if !is_among(own, &selected) {
        return Some(format!("it selects {selected}, not {own}"));
    }
    let rules = spec[side].as_array()?;
    let ports: BTreeSet<String> = rules
        .iter()
        .flat_map(|rule| rule["ports"].as_array().into_iter().flatten())
        .map(|port| match port.get("endPort") {
            Some(end) => format!("{}-{end}", port["port"]),
            None => port["port"].to_string(),
        })
        .collect();
    if ports != flow.ports {
        return Some(format!("it allows the ports {ports:?}, the row has {:?}", flow.ports));
    }
    for found in rules.iter().flat_map(|rule| rule[peers].as_array().into_iter().flatten()) {
        let is_in_cell = found.get("namespaceSelector").is_none() && found.get("ipBlock").is_none();
        if is_in_cell != is_inside(peer) {
            return Some(format!("{found} is not {peer}"));
        }
        if is_in_cell && !is_among(peer, &found["podSelector"]["matchLabels"]) {
            return Some(format!("{found} is not {peer}"));
        }
    }
    None
}
