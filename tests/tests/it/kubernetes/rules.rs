//! Rules about single objects: pods are restricted, their variables are settings, their probes ask ports that exist.

use std::collections::BTreeSet;

use serde_json::Value;

use super::objects::project;

/// Variables that are no settings of ours.
const STANDARD: [&str; 3] = ["RUST_LOG", "OTEL_", "KUBERNETES_"];
/// What the admin port answers.
const PROBES: [&str; 3] = ["/startupz", "/livez", "/readyz"];

/// The pod of a workload.
fn pod(object: &Value) -> Option<&Value> {
    let is_workload = matches!(object["kind"].as_str()?, "Deployment" | "StatefulSet" | "Job" | "DaemonSet");
    is_workload.then(|| &object["spec"]["template"]["spec"])
}

pub fn containers_of(object: &Value) -> Vec<Value> {
    let Some(pod) = pod(object) else { return Vec::new() };
    let lists = ["initContainers", "containers"].into_iter().filter_map(|list| pod[list].as_array());
    lists.flatten().cloned().collect()
}

/// What breaks a rule.
pub fn breaks(objects: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for object in objects {
        let Some(pod) = pod(object) else { continue };
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        found.extend(not_restricted(pod).into_iter().map(|what| format!("{name}: {what}")));
        for container in containers_of(object) {
            found.extend(not_restricted_container(pod, &container).into_iter().map(|what| format!("{name}: {what}")));
            found.extend(wrong_probes(name, &container).into_iter().map(|what| format!("{name}: {what}")));
            found.extend(wrong_settings(name, &container, objects).into_iter().map(|what| format!("{name}: {what}")));
        }
    }
    for object in objects.iter().filter(|object| object["kind"] == "Namespace") {
        if object["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] != "restricted" {
            found.push("the namespace does not enforce restricted pods".to_owned());
        }
    }
    found
}

fn not_restricted(pod: &Value) -> Vec<&'static str> {
    let mut found = Vec::new();
    if pod["automountServiceAccountToken"] != false {
        found.push("the pod has a token of the cluster");
    }
    if ["hostNetwork", "hostPID", "hostIPC"].iter().any(|host| pod[host] == true) {
        found.push("the pod is in a namespace of its node");
    }
    let volumes = pod["volumes"].as_array().into_iter().flatten();
    if volumes.filter(|volume| volume.get("hostPath").is_some()).count() > 0 {
        found.push("the pod mounts a folder of its node");
    }
    found
}

/// The pod security standard "restricted", and a root filesystem that cannot be written.
fn not_restricted_container(pod: &Value, container: &Value) -> Vec<&'static str> {
    let (own, of_pod) = (&container["securityContext"], &pod["securityContext"]);
    let either = |key: &str| if own[key].is_null() { of_pod[key].clone() } else { own[key].clone() };
    let mut found = Vec::new();
    let mut rule = |holds: bool, what| found.extend((!holds).then_some(what));
    rule(either("runAsNonRoot") == true, "it may run as root");
    rule(either("seccompProfile")["type"] == "RuntimeDefault", "it has no seccomp profile");
    rule(own["allowPrivilegeEscalation"] == false, "it may gain privileges");
    rule(own["privileged"] != true, "it is privileged");
    rule(own["readOnlyRootFilesystem"] == true, "it can write its root filesystem");
    let dropped = own["capabilities"]["drop"].as_array();
    rule(dropped.is_some_and(|all| all.iter().any(|one| one == "ALL")), "it keeps capabilities");
    rule(own["capabilities"].get("add").is_none(), "it gets capabilities");
    rule(!container["resources"]["limits"]["memory"].is_null(), "its memory has no limit");
    found
}

/// The prefix of the settings of a service; `None` for other programs.
fn prefix(name: &str) -> Option<&'static str> {
    match name {
        "order-svc" => Some("ORDER"),
        "merchant-svc" => Some("MERCHANT"),
        "dispatch-svc" => Some("DISPATCH"),
        _ => None,
    }
}

fn wrong_probes(name: &str, container: &Value) -> Vec<String> {
    if prefix(name).is_none() {
        return Vec::new();
    }
    let ports: Vec<&str> =
        container["ports"].as_array().into_iter().flatten().filter_map(|p| p["name"].as_str()).collect();
    let mut found = Vec::new();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let asked = &container[probe]["httpGet"];
        let (path, port) = (asked["path"].as_str().unwrap_or_default(), asked["port"].as_str().unwrap_or_default());
        if port != "admin" || !ports.contains(&port) {
            found.push(format!("{probe} asks a port {port:?}"));
        }
        if !PROBES.contains(&path) {
            found.push(format!("{probe} asks for {path:?}"));
        }
    }
    found
}

/// The settings of a service by `config/default.toml`: all that it knows, and those that are required.
fn settings(service: &str, prefix: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let defaults = std::fs::read_to_string(project().join(service).join("config/default.toml")).expect("the defaults");
    let start = format!("{prefix}_");
    let keys = defaults.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    let mut known: BTreeSet<String> = keys.map(|(key, _)| start.clone() + &key.to_uppercase()).collect();
    let comment: String = defaults.lines().take_while(|line| line.starts_with('#')).collect();
    let (_, listed) = comment.split_once("Required").expect("a comment lists what is required");
    let words = listed.split(|c: char| !c.is_ascii_uppercase() && c != '_').filter(|word| word.starts_with(&start));
    let required: BTreeSet<String> = words.map(str::to_owned).collect();
    known.extend(required.iter().cloned());
    (known, required)
}

fn wrong_settings(name: &str, container: &Value, objects: &[Value]) -> Vec<String> {
    let Some(prefix) = prefix(name) else { return Vec::new() };
    let (known, required) = settings(name, prefix);
    let own = container["env"].as_array().into_iter().flatten().filter_map(|variable| variable["name"].as_str());
    let mut set: BTreeSet<String> = own.map(str::to_owned).collect();
    for source in container["envFrom"].as_array().into_iter().flatten() {
        let wanted = &source["configMapRef"]["name"];
        let map = objects.iter().find(|object| object["kind"] == "ConfigMap" && object["metadata"]["name"] == *wanted);
        set.extend(map.and_then(|map| map["data"].as_object()).into_iter().flat_map(|data| data.keys().cloned()));
    }
    let unknown = set.iter().filter(|name| {
        let setting = name.strip_suffix("_FILE").unwrap_or(name);
        !known.contains(setting) && !STANDARD.iter().any(|standard| name.starts_with(standard))
    });
    let mut found: Vec<String> = unknown.map(|name| format!("{name} is no setting")).collect();
    let missing = required.iter().filter(|name| !set.contains(*name) && !set.contains(&format!("{name}_FILE")));
    found.extend(missing.map(|name| format!("{name} is required and missing")));
    found
}
