//! What was acknowledged is on the disk: after a restart, after a torn line, after SIGKILL.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use pannier_gateway::journal::FILE;
use pannier_testkit::{eventually, http_client};
use serde_json::{Value, json};

use crate::process::Process;
use crate::server::{API_KEY, Gateway, answer, authorisation, folder};

#[tokio::test]
async fn what_was_acknowledged_survives_a_restart() {
    let gateway = Gateway::start().await;
    let held = answer(gateway.authorise("op-1", "pay_1", "tok_ok")).await;
    let refused = answer(gateway.authorise("op-2", "pay_2", "tok_declined")).await;
    assert_eq!((refused.0, &refused.1["code"]), (402, &json!("card_declined")));
    let before = gateway.get("/v1/ledger").await;
    // What a process writes that dies in the middle of a line: never acknowledged, so it must not count.
    let journal = gateway.settings.data_dir.join(FILE);
    let settings = gateway.settings.clone();
    gateway.stop().await;
    let mut text = std::fs::read(&journal).unwrap();
    text.extend_from_slice(b"{\"key\":\"op-3\",\"req");
    std::fs::write(&journal, text).unwrap();

    let gateway = Gateway::start_with(settings).await;
    assert_eq!(gateway.get("/v1/ledger").await, before, "with the same numbers");
    assert_eq!(answer(gateway.authorise("op-1", "pay_1", "tok_ok")).await, held);
    assert_eq!(answer(gateway.authorise("op-2", "pay_2", "tok_declined")).await, refused);
    assert_eq!(answer(gateway.change("void", "op-4", "pay_1")).await.0, 200);
    assert_eq!(gateway.get("/v1/authorizations/pay_1").await.1["state"], "voided");

    let gateway = gateway.restart().await;
    assert_eq!(gateway.kinds().await, ["authorise", "void"]);
    gateway.end().await;
}

#[tokio::test]
async fn a_line_that_is_no_operation_is_not_skipped() {
    let dir = folder();
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(FILE), "{}\n").unwrap();
    let settings = pannier_gateway::Settings::new(dir.clone(), "a", "c");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = pannier_gateway::run(listener, &settings, std::future::pending()).await.unwrap_err().to_string();
    assert!(error.contains("gateway.jsonl:1: not an operation"), "{error}");
    std::fs::remove_dir_all(dir).unwrap();
}

/// Three times: the process is killed while eight callers pay, and is started again on the same folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_has_lost_nothing_that_it_acknowledged() {
    let dir = folder();
    let acknowledged: Arc<Mutex<BTreeMap<String, (u16, Value)>>> = Arc::default();
    for round in 1..=3 {
        let mut process = Process::start(&dir).await;
        let callers = (0..8).map(|n| pay(process.url.clone(), format!("{round}-{n}"), Arc::clone(&acknowledged)));
        let callers: Vec<_> = callers.map(tokio::spawn).collect();
        eventually("thirty more operations are acknowledged", || async {
            (acknowledged.lock().unwrap().len() >= round * 30).then_some(())
        })
        .await;
        process.kill().await;
        for caller in callers {
            caller.await.unwrap();
        }
    }

    let mut process = Process::start(&dir).await;
    let http = http_client();
    let get = async |path: &str| answer(http.get(format!("{}{path}", process.url)).bearer_auth(API_KEY)).await.1;
    let acknowledged = acknowledged.lock().unwrap().clone();
    for (key, (status, body)) in &acknowledged {
        let kept = get(&format!("/v1/operations/{key}")).await;
        assert_eq!((&kept["status"], &kept["body"]), (&json!(status), body), "{key}");
    }
    let ledger = get("/v1/ledger").await["data"].as_array().unwrap().clone();
    let numbers: Vec<u64> = ledger.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=ledger.len() as u64).collect::<Vec<_>>());
    for key in acknowledged.keys() {
        assert_eq!(ledger.iter().filter(|entry| entry["operation_key"] == **key).count(), 1, "{key}");
    }
    process.kill().await;
    std::fs::remove_dir_all(dir).unwrap();
}

/// Authorises and captures until the gateway is gone, and keeps what was acknowledged.
async fn pay(url: String, name: String, acknowledged: Arc<Mutex<BTreeMap<String, (u16, Value)>>>) {
    let http = http_client();
    for n in 0.. {
        let reference = format!("pay_{name}-{n}");
        let capture = format!("/v1/authorizations/{reference}/capture");
        let authorise = ("/v1/authorizations", "authorise", authorisation(&reference, "tok_ok"));
        for (path, what, body) in [authorise, (&capture, "capture", json!({}))] {
            let key = format!("{what}-{reference}");
            let call =
                http.post(format!("{url}{path}")).bearer_auth(API_KEY).header("idempotency-key", &key).json(&body);
            let Ok(answer) = call.send().await else { return };
            let status = answer.status().as_u16();
            // The answer may break off in the middle of its body: then it is none.
            let Ok(body) = answer.json().await else { return };
            assert!(status < 300, "{status} {body}");
            acknowledged.lock().unwrap().insert(key, (status, body));
        }
    }
}

#[tokio::test]
async fn the_program_does_not_start_without_its_keys() {
    let dir = folder();
    for (set, named) in
        [(None, "GATEWAY_API_KEY is not set"), (Some("GATEWAY_API_KEY"), "GATEWAY_CONTROL_KEY is not set")]
    {
        let mut command = Process::command(&dir);
        command.env_remove("GATEWAY_API_KEY").env_remove("GATEWAY_CONTROL_KEY").stderr(Stdio::piped());
        let output = command.envs(set.map(|name| (name, "key"))).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(named), "{said}");
    }
}
