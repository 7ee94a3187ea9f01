//! TLS by settings: to PostgreSQL, RabbitMQ, Redis, the gateway, between the services, and to their callers.

mod front;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use dispatch_svc::fleet::Fleet;
use pannier_migrations::migrate_all;
use pannier_platform::auth::{Role, Verifier};
use pannier_platform::broker::Broker;
use pannier_platform::db::connect_once;
use pannier_platform::tls::{Files, Tls, TlsSettings};
use pannier_platform::{Namespace, Refusal};
use pannier_testkit::certificates::{Authority, CertificateFiles};
use pannier_testkit::service::{settings, token};
use pannier_testkit::{Servers, TestDb, eventually};
use pannier_tests::TestCity;
use pannier_tests::city::Wiring;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use self::front::Fronts;

/// How a process speaks TLS with these files.
fn tls(of: &CertificateFiles) -> Tls {
    Tls::new(&Files { ca: of.ca(), cert: of.cert(), key: of.key() }).unwrap()
}

/// A city whose services and servers speak nothing but TLS.
async fn city(files: &CertificateFiles, fronts: &Arc<Fronts>) -> TestCity {
    let fronts = Arc::clone(fronts);
    let wiring = Wiring {
        tls: TlsSettings {
            tls_ca: files.ca(),
            tls_cert: files.cert(),
            tls_key: files.key(),
            http_tls_cert: files.cert(),
            http_tls_key: files.key(),
        },
        callers: tls(files),
        through: Box::new(move |url| fronts.before(url)),
    };
    TestCity::start_wired(json!({}), &wiring).await
}

/// The whole chain of an error.
fn chain<T: Debug>(result: Result<T, impl Into<anyhow::Error>>) -> String {
    format!("{:#}", result.unwrap_err().into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_paid_accepted_and_offered_over_tls() {
    let ours = Authority::new("ours");
    let (files, fronts) = (CertificateFiles::new(&ours, &ours), Arc::new(Fronts::new(&ours, &ours)));
    let city = city(&files, &fronts).await;
    let (shop, customer, rider) = (city.shop().await, city.customer(), city.rider().await);
    let (order, ticket) = city.ticket(&customer, &shop).await;
    // merchant-svc asks order-svc.
    city.accept(&shop, &ticket).await.ok();
    city.offer(&rider, &order).await;
    for scheme in ["postgres", "amqp", "redis", "http"] {
        assert!(fronts.opened(scheme) > 0, "{scheme}");
    }

    // Whoever speaks plain HTTP, or does not trust our CA, gets no answer.
    let plain = city.order_url.replace("https://", "http://");
    assert!(pannier_testkit::http_client().get(format!("{plain}/livez")).send().await.is_err());
    let theirs = Authority::new("theirs");
    let their_files = CertificateFiles::new(&theirs, &theirs);
    let stranger = tls(&their_files).http().build().unwrap();
    let refused = chain(stranger.get(format!("{}/livez", city.order_url)).send().await);
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    city.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewed_certificates_are_used_without_a_restart() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (files, fronts) = (CertificateFiles::new(&old, &old), Arc::new(Fronts::new(&old, &old)));
    let city = city(&files, &fronts).await;
    let (shop, customer) = (city.shop().await, city.customer());
    city.ticket(&customer, &shop).await;

    // The servers close all connections, and neither show nor accept certificates of the old CA any more.
    files.renew(&new, &new);
    let before = ["postgres", "amqp", "redis"].map(|scheme| fronts.opened(scheme));
    fronts.renew(&new, &new);
    // Our own port shows the new certificate, too: this client trusts only the new CA.
    let newcomer = tls(&files).http().build().unwrap();
    for url in [&city.order_url, &city.merchant_url, &city.dispatch_url] {
        let ready = format!("{url}/readyz?verbose");
        eventually("the service is ready again", || async {
            let answer = newcomer.get(&ready).send().await.unwrap();
            let body: serde_json::Value = answer.json().await.unwrap();
            (body["checks"]["database"] == true && body["checks"]["broker"] == true).then_some(())
        })
        .await;
    }
    let (_, ticket) = city.ticket(&customer, &shop).await;
    city.accept(&shop, &ticket).await.ok();
    let rider = city.rider().await;
    eventually("every server is spoken to again", || async {
        // A position is written to Redis.
        let fix = json!({"seq": chrono::Utc::now().timestamp_millis(), "place": {"lat": 52.52, "lng": 13.4}});
        rider.post("/v1/rider/locations", json!({"locations": [fix]})).await.ok();
        let now = ["postgres", "amqp", "redis"].map(|scheme| fronts.opened(scheme));
        now.iter().zip(&before).all(|(now, before)| now > before).then_some(())
    })
    .await;
    city.end().await;
}

/// The errors of speaking to PostgreSQL, RabbitMQ and an HTTP server.
async fn refusals(fronts: &Fronts, servers: &Servers, tls: &Tls) -> [Option<String>; 3] {
    let database = connect_once(&fronts.before(&servers.database_url), tls).await;
    let broker = Broker {
        url: fronts.before(&servers.amqp_url),
        tls: tls.clone(),
        namespace: Namespace::try_from("tls".to_owned()).unwrap(),
    };
    let broker = match broker.connect("test").await {
        Ok(connection) => connection.close(200, "done".into()).await.map_err(anyhow::Error::from),
        Err(e) => Err(e),
    };
    let page = fronts.before(&format!("http://{}/", serve("here").await));
    let page = tls.http().build().unwrap().get(page).send().await.map(drop).map_err(anyhow::Error::from);
    [database.map(drop), broker, page].map(|done| done.err().map(|e| format!("{e:#}")))
}

async fn redis_answers(url: &str, tls: &Tls) -> bool {
    let namespace = Namespace::try_from("tls".to_owned()).unwrap();
    Fleet::new(url, tls, namespace).unwrap().is_available().await
}

/// An HTTP server that answers everything with this text.
async fn serve(text: &str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{text}", text.len());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = client.read(&mut request).await;
            let _ = client.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_refuse_a_certificate_of_another_ca() {
    let servers = Servers::from_env();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let fronts = Fronts::new(&ours, &ours);
    let redis = fronts.before(&servers.redis_url);

    let files = CertificateFiles::new(&ours, &ours);
    let member = tls(&files);
    assert_eq!(refusals(&fronts, &servers, &member).await, [None, None, None]);
    assert!(redis_answers(&redis, &member).await);

    let files = CertificateFiles::new(&theirs, &ours);
    let stranger = tls(&files);
    for refused in refusals(&fronts, &servers, &stranger).await {
        assert!(refused.as_ref().is_some_and(|why| why.contains("UnknownIssuer")), "we refuse the server: {refused:?}");
    }
    assert!(!redis_answers(&redis, &stranger).await);

    let files = CertificateFiles::new(&ours, &theirs);
    let nameless = Tls::new(&Files { ca: files.ca(), ..Files::default() }).unwrap();
    for uninvited in [tls(&files), nameless] {
        for refused in refusals(&fronts, &servers, &uninvited).await {
            assert!(refused.is_some(), "the server refuses us");
        }
        assert!(!redis_answers(&redis, &uninvited).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_never_left_out() {
    let servers = Servers::from_env();
    let ours = Authority::new("ours");
    let (files, fronts) = (CertificateFiles::new(&ours, &ours), Fronts::new(&ours, &ours));
    let tls = tls(&files);

    // A port with TLS refuses whoever speaks plainly.
    let plain = |url: &str| {
        let url = url.replace("amqps://", "amqp://").replace("rediss://", "redis://").replace("https://", "http://");
        url.replace("verify-full", "disable")
    };
    assert!(connect_once(&plain(&fronts.before(&servers.database_url)), &tls).await.is_err());
    let broker = Broker {
        url: plain(&fronts.before(&servers.amqp_url)),
        tls: tls.clone(),
        namespace: Namespace::try_from("tls".to_owned()).unwrap(),
    };
    assert!(broker.connect("test").await.is_err());
    assert!(!redis_answers(&plain(&fronts.before(&servers.redis_url)), &tls).await);
    let page = plain(&fronts.before(&format!("http://{}/", serve("here").await)));
    assert!(tls.http().build().unwrap().get(page).send().await.is_err());

    // A server that says it has no TLS is not spoken to plainly.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        client.read_exact(&mut [0; 8]).await.unwrap();
        client.write_all(b"N").await.unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        rest
    });
    let refused =
        chain(connect_once(&format!("postgres://app:s@127.0.0.1:{port}/food?sslmode=require"), &tls).await.map(drop));
    assert!(refused.contains("server does not support TLS"), "{refused}");
    assert!(server.await.unwrap().is_empty(), "no login follows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_keys_and_error_codes_come_over_tls() {
    use diesel_async::SimpleAsyncConnection as _;
    use futures::FutureExt as _;

    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    let ours = Authority::new("ours");
    let (files, fronts) = (CertificateFiles::new(&ours, &ours), Fronts::new(&ours, &ours));
    let tls = tls(&files);

    let urls = migrate_all(&fronts.before(&db.admin_url), &tls).await.unwrap();
    assert!(urls.order.ends_with("sslmode=verify-full"), "{}", urls.order);
    assert!(fronts.opened("postgres") >= 4, "the administrator and three roles");

    let namespace = Namespace::try_from(db.name.clone()).unwrap();
    let file = settings(&db.urls.order, &servers.amqp_url, &namespace).auth_jwks;
    let keys = std::fs::read_to_string(file).unwrap();
    let jwks = fronts.before(&format!("http://{}/jwks.json", serve(&keys).await));
    let verifier = Verifier::load(&jwks, &tls).await.unwrap();
    assert!(verifier.check(&token(Role::Ops, "me", Duration::from_secs(60))).is_some());

    // The code of an error is read from inside the session: it tells an outage from a bug.
    let pool = pannier_platform::Db::with_tls(&fronts.before(&db.urls.order), 2, &tls).unwrap();
    let full = "DO $$ BEGIN RAISE EXCEPTION 'Fehler' USING ERRCODE = '53100'; END $$";
    let refusal = pool.transaction(move |conn| async move { Ok(conn.batch_execute(full).await?) }.boxed()).await;
    assert!(matches!(refusal, Err(Refusal::Away { .. })), "{refusal:?}");
    db.remove(&servers).await;
}
