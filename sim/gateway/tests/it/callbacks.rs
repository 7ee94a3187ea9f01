//! Callbacks: signed, repeated until they are taken, and wrong on command.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use chrono::Utc;
use pannier_gateway::signature::{HEADER, Invalid, verify};
use pannier_gateway::{CallbackSettings, Settings};
use pannier_testkit::eventually;
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{API_KEY, CONTROL_KEY, Gateway, answer, folder, no_answer};

const SECRET: &str = "secret of the callbacks";

/// What a receiver got, in sequence.
#[derive(Default)]
struct Receiver {
    got: Mutex<Vec<(Value, Result<(), Invalid>)>>,
    /// Callbacks that it refuses first.
    refuses: Mutex<u32>,
}

impl Receiver {
    fn take(&self, request: &HttpRequest, body: &[u8]) -> HttpResponse {
        let mut refuses = self.refuses.lock().unwrap();
        if *refuses > 0 {
            *refuses -= 1;
            return HttpResponse::ServiceUnavailable().finish();
        }
        let header = request.headers().get(HEADER).unwrap().to_str().unwrap();
        let verified = verify(SECRET.as_bytes(), header, body, Utc::now().timestamp());
        self.got.lock().unwrap().push((serde_json::from_slice(body).unwrap(), verified));
        HttpResponse::NoContent().finish()
    }

    /// Waits for this many callbacks of an operation.
    async fn got(&self, key: &str, times: usize) -> Vec<(Value, Result<(), Invalid>)> {
        eventually(&format!("{times} callbacks of {key}"), || async {
            let got = self.got.lock().unwrap().clone();
            let of_key: Vec<_> = got.into_iter().filter(|(body, _)| body["key"] == key).collect();
            (of_key.len() >= times).then_some(of_key)
        })
        .await
    }
}

/// A receiver, and a gateway that calls it back.
async fn start() -> (Gateway, Arc<Receiver>) {
    let receiver = Arc::new(Receiver::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/callbacks", listener.local_addr().unwrap());
    let shared = web::Data::from(Arc::clone(&receiver));
    let take = |receiver: web::Data<Receiver>, request: HttpRequest, body: web::Bytes| async move {
        receiver.take(&request, &body)
    };
    let app = move || App::new().app_data(shared.clone()).route("/callbacks", web::post().to(take));
    tokio::spawn(HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run());
    let callback = CallbackSettings { url, secret: SECRET.into(), tls: pannier_tls::Tls::default() };
    let settings = Settings { callback: Some(callback), ..Settings::new(folder(), API_KEY, CONTROL_KEY) };
    (Gateway::start_with(settings).await, receiver)
}

#[tokio::test]
async fn each_operation_is_announced_with_a_signature() {
    let (gateway, receiver) = start().await;
    answer(gateway.authorise("op-1", "pay_1", "tok_ok")).await;
    let [(body, verified)] = receiver.got("op-1", 1).await.try_into().unwrap();
    assert_eq!(verified, Ok(()));
    assert!(body["id"].as_str().unwrap().starts_with("evt_") && body["at"].is_string(), "{body}");
    let told = (&body["kind"], &body["reference"], &body["status"]);
    assert_eq!(told, (&json!("authorise"), &json!("pay_1"), &json!(201)));
    answer(gateway.authorise("op-2", "pay_2", "tok_declined")).await;
    assert_eq!(receiver.got("op-2", 1).await[0].0["status"], 402, "a stored refusal is news, too");
    // What is not stored, or was before, is none.
    answer(gateway.change("capture", "op-3", "pay_9")).await;
    answer(gateway.authorise("op-1", "pay_1", "tok_ok")).await;
    answer(gateway.change("capture", "op-4", "pay_1")).await;
    receiver.got("op-4", 1).await;
    let keys: Vec<_> = receiver.got.lock().unwrap().iter().map(|(body, _)| body["key"].clone()).collect();
    assert_eq!(keys, ["op-1", "op-2", "op-4"]);
    gateway.end().await;
}

#[tokio::test]
async fn a_callback_that_is_not_taken_is_repeated() {
    let (gateway, receiver) = start().await;
    *receiver.refuses.lock().unwrap() = 2;
    assert_eq!(answer(gateway.authorise("op-1", "pay_1", "tok_ok")).await.0, 201, "the answer does not wait");
    assert_eq!(receiver.got("op-1", 1).await.len(), 1);
    gateway.end().await;
}

#[tokio::test]
async fn callbacks_misbehave_on_command() {
    let (gateway, receiver) = start().await;
    answer(gateway.authorise("op-1", "pay_1", "tok_ok-authorise-callback_twice")).await;
    let twice = receiver.got("op-1", 2).await;
    assert_eq!(twice[0], twice[1], "with the same id");

    answer(gateway.authorise("op-2", "pay_2", "tok_ok-authorise-callback_forged")).await;
    assert_eq!(receiver.got("op-2", 1).await[0].1, Err(Invalid::Mismatch));

    answer(gateway.authorise("op-3", "pay_3", "tok_ok-authorise-callback_early")).await;
    let is_there = receiver.got.lock().unwrap().iter().any(|(body, _)| body["key"] == "op-3");
    assert!(is_there, "it came before the answer");

    answer(gateway.authorise("op-4", "pay_4", "tok_ok-authorise-no_callback")).await;
    answer(gateway.authorise("op-5", "pay_5", "tok_ok")).await;
    receiver.got("op-5", 1).await;
    assert!(receiver.got.lock().unwrap().iter().all(|(body, _)| body["key"] != "op-4"));
    gateway.end().await;
}

#[tokio::test]
async fn what_has_no_answer_may_have_a_callback() {
    let (gateway, receiver) = start().await;
    assert!(gateway.authorise("op-1", "pay_1", "tok_ok-authorise-no_answer").send().await.is_err());
    assert_eq!(receiver.got("op-1", 1).await[0].0["status"], 201);
    gateway.misbehave(json!({ "on": "void", "do": "late", "delay_ms": 600 })).await;
    no_answer(gateway.change("void", "op-2", "pay_1")).await;
    assert_eq!(receiver.got("op-2", 1).await[0].0["kind"], "void", "after its effect");
    assert!(gateway.knows("op-2").await);
    assert_eq!(answer(gateway.request(Method::GET, "/v1/authorizations/pay_1")).await.1["state"], "voided");
    gateway.end().await;
}
