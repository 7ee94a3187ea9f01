use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures::StreamExt;
use serde_json::json;

use super::*;

/// A server that fails the first three calls, and records keys and cursors.
#[derive(Default)]
struct Fake {
    calls: AtomicU32,
    keys: Mutex<Vec<String>>,
    cursors: Mutex<Vec<String>>,
}

fn header(http: &HttpRequest, name: &str) -> String {
    http.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
}

async fn flaky(fake: web::Data<Fake>, http: HttpRequest) -> HttpResponse {
    fake.keys.lock().unwrap().push(header(&http, "idempotency-key"));
    match fake.calls.fetch_add(1, Ordering::SeqCst) {
        0 => HttpResponse::InternalServerError().json(json!({ "code": "internal" })),
        1 => HttpResponse::Conflict().json(json!({ "code": "in_flight" })),
        2 => HttpResponse::Unauthorized().json(json!({ "code": "expired" })),
        _ => HttpResponse::Created().insert_header(("idempotency-replayed", "true")).json(json!({ "id": "ord_1" })),
    }
}

/// Sends the two events after the caller's cursor, then closes the stream.
async fn stream(fake: web::Data<Fake>, http: HttpRequest) -> HttpResponse {
    let cursor = header(&http, "last-event-id");
    fake.cursors.lock().unwrap().push(cursor.clone());
    let from: u32 = cursor.parse().unwrap_or(0);
    let events = (from + 1..from + 3).map(|n| Ok::<_, actix_web::Error>(format!("id: {n}\ndata: {n}\n\n").into()));
    HttpResponse::Ok().content_type("text/event-stream").streaming(futures::stream::iter(events))
}

async fn platform() -> (web::Data<Fake>, Arc<Api>, std::path::PathBuf) {
    let fake = web::Data::new(Fake::default());
    let shared = fake.clone();
    let server = HttpServer::new(move || {
        let app = App::new().app_data(shared.clone()).route("/v1/orders", web::post().to(flaky));
        app.route("/v1/stream", web::get().to(stream)).default_service(web::to(|| async {
            HttpResponse::Conflict().json(json!({ "code": "illegal_transition", "state": "paid", "version": 3 }))
        }))
    });
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    tokio::spawn(server.run());
    let target = Target {
        order_url: url.clone(),
        merchant_url: url.clone(),
        dispatch_url: url.clone(),
        minter: Arc::new(|role, subject| format!("{}-{subject}", role.as_str())),
        tls: pannier_tls::Tls::default(),
    };
    let journal = std::env::temp_dir().join(format!("pannier-api-{}", uuid::Uuid::now_v7()));
    let api = Api::new(target, Some(Journal::create(&journal).unwrap()), CancellationToken::new()).unwrap();
    (fake, api, journal)
}

#[tokio::test]
async fn a_call_is_retried_with_the_same_key_until_it_succeeds() {
    let (fake, api, journal) = platform().await;
    let caller = api.caller(Role::Customer, "cus_1");
    let answer: Value = caller.send(Call::post(Service::Order, "/v1/orders").key("tap-0001")).await.unwrap();
    assert_eq!(answer["id"], "ord_1");
    assert_eq!(*fake.keys.lock().unwrap(), ["tap-0001"; 4]);
    let lines = Journal::read(&journal).unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].key.as_deref(), lines[0].id.as_deref()), (Some("tap-0001"), Some("ord_1")));
    assert_eq!((lines[0].caller.as_str(), lines[0].call.as_str()), ("customer:cus_1", "POST /v1/orders"));
    assert!(lines[0].replayed);
    std::fs::remove_file(journal).unwrap();
}

#[tokio::test]
async fn a_refusal_is_returned_and_retries_end_with_the_patience() {
    let (_, api, journal) = platform().await;
    let caller = api.caller(Role::Rider, "rdr_1");
    let refused = caller.send::<Value>(Call::post(Service::Dispatch, "/v1/elsewhere")).await.unwrap_err();
    let CallError::Refused(problem) = refused else { panic!("{refused}") };
    assert_eq!((problem.status, problem.code.as_str(), problem.version), (409, "illegal_transition", Some(3)));
    assert!(Journal::read(&journal).unwrap().is_empty());

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = Target { order_url: format!("http://{free}"), ..api.target().clone() };
    let alone = Api::new(target, None, CancellationToken::new()).unwrap();
    let call = Call::get(Service::Order, "/v1/orders").patience(Duration::from_millis(300));
    let unavailable = alone.caller(Role::Customer, "cus_1").send::<Value>(call.clone()).await.unwrap_err();
    assert!(matches!(unavailable, CallError::Unavailable(_)), "{unavailable}");
    alone.stop().cancel();
    let stopped = alone.caller(Role::Customer, "cus_1").send::<Value>(call).await.unwrap_err();
    assert!(stopped.is_stop());
    std::fs::remove_file(journal).unwrap();
}

#[tokio::test]
async fn a_broken_stream_resumes_at_its_cursor() {
    let (fake, api, journal) = platform().await;
    let events = crate::sse::follow(api.caller(Role::Ops, "ops"), Service::Order, "/v1/stream".into());
    let events = futures::stream::unfold(events, |mut e| async { e.recv().await.map(|x| (x, e)) });
    let seen: Vec<String> = events.map(|e| e.data).take(5).collect().await;
    assert_eq!(seen, ["1", "2", "3", "4", "5"]);
    assert_eq!(fake.cursors.lock().unwrap()[..3], ["", "2", "4"]);
    std::fs::remove_file(journal).unwrap();
}
