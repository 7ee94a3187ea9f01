//! What is under `k8s/` fits the programs: every overlay renders and is valid, every container is restricted, only documented
//! flows are allowed, every variable is a setting, every probe is answered. Each rule finds a mistake that is planted here.

mod flows;
pub mod objects;
mod rules;

use std::process::Command;

use pannier_testkit::http_client;
use pannier_tests::TestCity;
use serde_json::{Value, json};

use self::objects::{is_skipped, overlays, project, render};
use self::rules::{breaks, containers_of};

#[test]
fn every_overlay_is_valid_for_the_newest_versions_of_kubernetes() {
    if is_skipped("kubectl") || is_skipped("python3") {
        return;
    }
    // Beside the build, so that the next run finds it.
    let venv = project().join("target/kubernetes-validate");
    let python = venv.join("bin/python");
    let run = |command: &mut Command| {
        let output = command.output().expect("it starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {text}");
        text
    };
    let has_it =
        || Command::new(&python).args(["-c", "import kubernetes_validate"]).output().is_ok_and(|o| o.status.success());
    if !has_it() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "kubernetes-validate==1.37.0"]));
    }
    let valid = run(Command::new(&python).arg(project().join("k8s/validate.py")));
    assert!(valid.lines().count() >= overlays().len(), "{valid}");
    // A field with a letter too many is found.
    let planted = std::env::temp_dir().join(format!("pannier-planted-{}", std::process::id()));
    std::fs::create_dir_all(&planted).expect("a folder");
    let kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [planted.yaml]\n";
    let deployment =
        "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: planted\nautomountServiceAccountTokens: false\n";
    std::fs::write(planted.join("kustomization.yaml"), kustomization).expect("it is written");
    std::fs::write(planted.join("planted.yaml"), deployment).expect("it is written");
    let found = Command::new(&python).arg(project().join("k8s/validate.py")).arg(&planted).output().expect("it starts");
    assert!(!found.status.success(), "a misspelled field is found");
    std::fs::remove_dir_all(&planted).expect("it is removed");
}

#[test]
fn every_object_follows_the_rules() {
    if is_skipped("kubectl") {
        return;
    }
    for overlay in overlays() {
        let found = breaks(&render(&overlay));
        assert!(found.is_empty(), "{}: {found:#?}", overlay.display());
    }
}

#[test]
fn a_planted_mistake_breaks_a_rule() {
    if is_skipped("kubectl") {
        return;
    }
    let objects = render(&project().join("k8s/overlays/production"));
    type Mistake = fn(&mut Value);
    let mistakes: [(&str, Mistake); 9] = [
        ("privilege escalation", |pod| {
            pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true)
        }),
        ("root", |pod| pod["securityContext"]["runAsNonRoot"] = json!(false)),
        ("a writable root filesystem", |pod| {
            drop(pod["containers"][0]["securityContext"].as_object_mut().map(|c| c.remove("readOnlyRootFilesystem")))
        }),
        ("capabilities", |pod| pod["containers"][0]["securityContext"]["capabilities"]["drop"] = json!([])),
        ("no seccomp profile", |pod| drop(pod["securityContext"].as_object_mut().map(|c| c.remove("seccompProfile")))),
        ("a token of the cluster", |pod| pod["automountServiceAccountToken"] = json!(true)),
        ("a setting that nobody knows", |pod| pod["containers"][0]["env"][0]["name"] = json!("ORDER_DATABSE_URL")),
        ("a probe of another port", |pod| pod["containers"][0]["readinessProbe"]["httpGet"]["port"] = json!("admim")),
        ("a probe of another path", |pod| pod["containers"][0]["livenessProbe"]["httpGet"]["path"] = json!("/healthz")),
    ];
    for (what, plant) in mistakes {
        let mut objects = objects.clone();
        let order = objects.iter_mut().find(|o| o["kind"] == "Deployment" && o["metadata"]["name"] == "order-svc");
        plant(&mut order.expect("order-svc's Deployment")["spec"]["template"]["spec"]);
        assert!(!breaks(&objects).is_empty(), "{what} is found");
    }
    let without_gateway: Vec<Value> = objects
        .iter()
        .cloned()
        .map(|mut object| {
            if let Some(data) = object["data"].as_object_mut() {
                data.remove("ORDER_GATEWAY_URL");
            }
            object
        })
        .collect();
    assert!(!breaks(&without_gateway).is_empty(), "a required setting that is missing is found");
}

#[test]
fn the_network_policies_are_the_flows_of_the_architecture() {
    if is_skipped("kubectl") {
        return;
    }
    let objects = render(&project().join("k8s/overlays/production"));
    let rows = flows::documented();
    assert!(rows.len() > 10, "the table is read");
    assert_eq!(flows::differences(&rows, &objects), Vec::<String>::new());

    // A policy too many, one too few, another port and another peer are found.
    let is_policy = |object: &&Value| object["kind"] == "NetworkPolicy";
    let mut more = objects.clone();
    let mut copy = objects.iter().find(is_policy).expect("a policy").clone();
    copy["metadata"]["name"] = json!("everybody-to-everything");
    more.push(copy);
    let mut fewer = objects.clone();
    fewer.retain(|object| object["metadata"]["name"] != "default-deny");
    let changed = |change: fn(&mut Value)| {
        let mut objects = objects.clone();
        let policy = objects.iter_mut().find(|object| object["metadata"]["name"] == "dispatch-svc-to-redis-ingress");
        change(&mut policy.expect("the policy")["spec"]["ingress"][0]);
        objects
    };
    let other_port = changed(|rule| rule["ports"][0]["port"] = json!(6380));
    let other_peer =
        changed(|rule| rule["from"][0]["podSelector"]["matchLabels"] = json!({"app.kubernetes.io/name": "order-svc"}));
    for (what, planted) in
        [("more", more), ("fewer", fewer), ("another port", other_port), ("another peer", other_peer)]
    {
        assert!(!flows::differences(&rows, &planted).is_empty(), "{what} is found");
    }
}

#[test]
fn the_image_has_every_program_that_a_pod_runs() {
    if is_skipped("kubectl") {
        return;
    }
    let containerfile = std::fs::read_to_string(project().join("Containerfile")).expect("the file");
    for overlay in overlays() {
        for object in render(&overlay) {
            for container in containers_of(&object) {
                if !container["image"].as_str().is_some_and(|image| image.contains("pannier")) {
                    continue;
                }
                let program = container["command"][0].as_str().or(container["args"][0].as_str()).expect("a program");
                assert!(containerfile.contains(&format!("target/release/{program}")), "the image has no {program}");
            }
        }
    }
    // Everything that it copies from here exists.
    for line in
        containerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from"))
    {
        let mut words: Vec<&str> = line.split_whitespace().filter(|word| !word.starts_with("--")).collect();
        words.pop();
        for path in words {
            assert!(project().join(path).exists(), "{path} exists");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_services_answer_every_probe() {
    if is_skipped("kubectl") {
        return;
    }
    let city = TestCity::start().await;
    let objects = render(&project().join("k8s/overlays/production"));
    let mut probed = 0;
    for (service, admin) in ["order-svc", "merchant-svc", "dispatch-svc"].iter().zip(&city.admin_urls) {
        let deployment = objects.iter().find(|o| o["kind"] == "Deployment" && o["metadata"]["name"] == *service);
        for container in containers_of(deployment.expect("a Deployment")) {
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                let path = container[probe]["httpGet"]["path"].as_str().expect("a path");
                let answer = http_client().get(format!("{admin}{path}")).send().await.expect("an answer");
                assert_eq!(answer.status(), 200, "{service} {path}");
                probed += 1;
            }
        }
    }
    assert_eq!(probed, 9);
    city.end().await;
}
