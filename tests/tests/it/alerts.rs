//! Alerts fire and clear as their tests say, and each has a runbook; each runbook belongs to an alert.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use pannier_devenv::servers::server::Server;
use serde_json::Value;

use crate::kubernetes::objects::{is_skipped, overlays, render};
use crate::tools::tool;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project").to_owned()
}

fn yaml(path: &str) -> Value {
    let text = std::fs::read_to_string(project().join(path)).expect("the file");
    serde_yaml_ng::from_str(&text).expect("YAML")
}

/// The alerts of the rules, with their annotations.
fn alerts() -> Vec<(String, Value)> {
    let rules = yaml("k8s/monitoring/rules/pannier.rules.yaml");
    let groups = rules["groups"].as_array().expect("groups").iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().expect("rules").clone());
    rules.filter_map(|rule| Some((rule["alert"].as_str()?.to_owned(), rule["annotations"].clone()))).collect()
}

#[tokio::test]
async fn every_alert_fires_and_clears() {
    let Some(prometheus) = tool(Server::Prometheus).await else { return };
    let promtool = |args: &[&str]| {
        let rules = project().join("k8s/monitoring/rules");
        let run =
            Command::new(prometheus.bin.join("promtool")).args(args).current_dir(rules).envs(prometheus.env()).output();
        let run = run.expect("promtool starts");
        let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        (run.status.success(), said)
    };
    for args in [["check", "rules", "pannier.rules.yaml"], ["test", "rules", "pannier.rules.test.yaml"]] {
        let (is_right, said) = promtool(&args);
        assert!(is_right, "promtool {}: {said}", args.join(" "));
    }
    // Every alert has a case in which it fires and one in which it does not.
    let tests = yaml("k8s/monitoring/rules/pannier.rules.test.yaml");
    let cases: Vec<&Value> = tests["tests"]
        .as_array()
        .expect("tests")
        .iter()
        .flat_map(|test| test["alert_rule_test"].as_array().expect("cases"))
        .collect();
    for (alert, _) in alerts() {
        let of_alert: Vec<bool> = cases
            .iter()
            .filter(|case| case["alertname"] == alert.as_str())
            .map(|case| !case["exp_alerts"].as_array().expect("alerts").is_empty())
            .collect();
        assert!(of_alert.contains(&true) && of_alert.contains(&false), "{alert} is tested both ways: {of_alert:?}");
    }
    let planted = std::env::temp_dir().join(format!("pannier-planted-rules-{}.yaml", std::process::id()));
    std::fs::write(&planted, "groups: [{name: x, rules: [{alert: X, expr: 'rate(up'}]}]").expect("it is written");
    let (is_right, said) = promtool(&["check", "rules", planted.to_str().expect("UTF-8")]);
    assert!(!is_right, "a broken query is found: {said}");
    std::fs::remove_file(planted).expect("it is removed");
}

#[test]
fn every_alert_has_a_runbook_that_ends_in_commands() {
    let mut pages = BTreeSet::new();
    for (alert, annotations) in alerts() {
        let url = annotations["runbook_url"].as_str().expect("a runbook");
        let page = std::fs::read_to_string(project().join(url)).unwrap_or_else(|e| panic!("{alert}: {url}: {e}"));
        let names = page.lines().find_map(|line| line.strip_prefix("Alerts: ")).expect("its alerts");
        assert!(names.split(", ").any(|name| name == alert), "{url} names {alert}");
        assert!(page.trim_end().ends_with("```"), "{url} ends in commands");
        pages.insert(url.to_owned());
    }
    let entries = std::fs::read_dir(project().join("docs/runbooks")).expect("runbooks").flatten();
    for entry in entries.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        let path = format!("docs/runbooks/{entry}");
        assert!(entry == "README.md" || pages.contains(&path), "{path} belongs to an alert");
    }
}

#[test]
fn the_rules_in_the_cluster_are_those_that_are_tested() {
    let tested = yaml("k8s/monitoring/rules/pannier.rules.yaml");
    assert_eq!(yaml("k8s/monitoring/prometheus-rule.yaml")["spec"], tested);
    if is_skipped("kubectl") {
        return;
    }
    // Overlays change names and namespaces, and must not change queries.
    let mut found = 0;
    for overlay in overlays() {
        let rules =
            render(&overlay).into_iter().find(|o| o["kind"] == "PrometheusRule" && o["metadata"]["name"] == "pannier");
        if let Some(rules) = rules {
            assert_eq!(rules["spec"], tested, "{}", overlay.display());
            found += 1;
        }
    }
    assert!(found >= 2, "production and the second cell have the rules");
}
