//! A payment gateway whose answers a test decides.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

/// A gateway with the HTTP API that order-svc calls. It runs until the process of the test ends.
pub struct ScriptedGateway {
    pub url: String,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    /// Operations that are refused.
    refused: BTreeSet<&'static str>,
    /// Operations are performed, and the connection fails before the answer.
    loses_answers: bool,
    /// The names of the operations that were performed, oldest first.
    done: Vec<String>,
    /// The idempotency keys of these operations.
    keys: BTreeSet<String>,
}

impl ScriptedGateway {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script::default()));
        let data = web::Data::from(Arc::clone(&script));
        let routes = move || {
            App::new()
                .app_data(data.clone())
                .route("/v1/operations/{key}", web::get().to(query))
                .default_service(web::post().to(perform))
        };
        tokio::spawn(HttpServer::new(routes).workers(1).disable_signals().listen(listener).unwrap().run());
        Self { url, script }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Refuses this operation from now on.
    pub fn refuse(&self, operation: &'static str) {
        self.script().refused.insert(operation);
    }

    /// Performs this operation again from now on.
    pub fn allow(&self, operation: &str) {
        self.script().refused.remove(operation);
    }

    /// Whether answers are lost from now on.
    pub fn lose_answers(&self, loses_answers: bool) {
        self.script().loses_answers = loses_answers;
    }

    /// The names of the operations that were performed, oldest first.
    pub fn done(&self) -> Vec<String> {
        self.script().done.clone()
    }
}

async fn perform(request: HttpRequest, script: web::Data<Mutex<Script>>, body: web::Json<Value>) -> HttpResponse {
    let key = request.headers().get("idempotency-key").unwrap().to_str().unwrap().to_owned();
    let operation = match request.path().rsplit('/').next().unwrap() {
        "authorizations" => "authorise",
        operation => operation,
    };
    let mut script = script.lock().unwrap();
    if body["method"] == "tok_declined" || script.refused.contains(operation) {
        return HttpResponse::PaymentRequired().json(json!({"code": "declined"}));
    }
    let operation = operation.to_owned();
    if script.keys.insert(key) {
        script.done.push(operation);
    }
    if script.loses_answers { HttpResponse::BadGateway().finish() } else { HttpResponse::Ok().json(json!({})) }
}

async fn query(key: web::Path<String>, script: web::Data<Mutex<Script>>) -> HttpResponse {
    let script = script.lock().unwrap();
    match script.keys.contains(&*key) {
        _ if script.loses_answers => HttpResponse::BadGateway().finish(),
        true => HttpResponse::Ok().json(json!({"status": 200, "body": {}})),
        false => HttpResponse::NotFound().finish(),
    }
}
