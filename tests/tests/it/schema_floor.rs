//! A service waits for its migrations, runs on newer ones, and refuses a schema that needs newer programs.

use std::net::TcpListener;
use std::path::Path;

use order_svc::app::{App, Settings};
use pannier_platform::{Namespace, Stop, Tls, schema_version, service};
use pannier_testkit::service::settings;
use pannier_testkit::{Servers, TestDb, eventually, http_client};
use pannier_tests::TestCity;
use pannier_tests::city::text;
use serde_json::{Value, json};

#[test]
fn programs_know_the_newest_migrations() {
    for (folder, known) in [
        ("platform", schema_version::PLATFORM),
        ("order", order_svc::store::MIGRATION),
        ("merchant", merchant_svc::store::MIGRATION),
        ("dispatch", dispatch_svc::store::MIGRATION),
    ] {
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(folder);
        let names = std::fs::read_dir(migrations).expect("migrations").flatten().map(|entry| entry.file_name());
        let newest = names.map(|name| name.to_string_lossy().into_owned()).max().expect("one");
        let version: String = newest.split('_').next().expect("a date").chars().filter(char::is_ascii_digit).collect();
        assert_eq!(known, version, "the newest migration in migrations/{folder}");
    }
}

fn of_order_svc(servers: &Servers, db: &TestDb) -> Settings {
    let namespace = Namespace::try_from(db.name.clone()).expect("a database name is a namespace");
    // Its address has to be known before it is built.
    let admin = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let service = settings(&db.urls.order, &servers.amqp_url, &namespace);
    Settings {
        service: service::Settings { admin_bind: admin.to_string(), ..service },
        gateway_url: "http://127.0.0.1:9".to_owned(),
        gateway_key: "key".into(),
        gateway_callback_secret: "secret".into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_waits_for_its_migrations_and_says_so() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    db.execute("DROP SCHEMA orders CASCADE; DROP SCHEMA merchant CASCADE; DROP SCHEMA dispatch CASCADE").await;
    db.execute("CREATE SCHEMA orders AUTHORIZATION orders").await;

    let (settings, stop) = (of_order_svc(&servers, &db), Stop::new());
    let admin = format!("http://{}", settings.service.admin_bind);
    let starting = tokio::spawn(App::build(settings, stop.clone()));
    says_what_it_waits_for(&admin).await;
    // Stopped while it waits, it ends.
    stop.cancel();
    assert!(starting.await.expect("no panic").is_err());

    pannier_migrations::migrate_until(&db.admin_url, &Tls::default(), Some("20261120999999"))
        .await
        .expect("migrations of the past");

    let (settings, stop) = (of_order_svc(&servers, &db), Stop::new());
    let admin = format!("http://{}", settings.service.admin_bind);
    let starting = tokio::spawn(App::build(settings, stop.clone()));
    let asked = |path: &str| {
        let url = format!("{admin}{path}");
        async move {
            let answer = http_client().get(url).send().await.ok()?;
            Some((answer.status().as_u16(), answer.json::<Value>().await.ok()?))
        }
    };
    says_what_it_waits_for(&admin).await;
    assert_eq!(asked("/readyz").await.expect("an answer").0, 503, "it is not ready");

    pannier_migrations::migrate_all(&db.admin_url, &Tls::default()).await.expect("the rest");
    let app = starting.await.expect("no panic").expect("it has come up");
    assert_eq!(asked("/startupz").await.expect("an answer").0, 200);
    drop(app);
    stop.cancel();
    db.remove(&servers).await;
}

async fn says_what_it_waits_for(admin: &str) {
    let url = format!("{admin}/startupz");
    eventually("it says what it waits for", || async {
        let answer = http_client().get(&url).send().await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.json::<Value>().await.ok()?;
        let reason = body["waits_for"].as_str()?;
        (status == 503 && reason.contains("schema orders lacks migration") && reason.contains("pannier migrate"))
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_refuses_a_schema_that_needs_newer_programs() {
    let servers = Servers::from_env();
    let db = TestDb::create(&servers).await;
    db.execute("UPDATE orders.schema_floor SET version = '20991231235959'").await;
    let refused = App::build(of_order_svc(&servers, &db), Stop::new()).await.expect_err("it refuses").to_string();
    assert!(refused.contains("20991231235959") && refused.contains("deploy a newer version"), "{refused}");
    db.remove(&servers).await;
}

/// What a next version may add while this one runs.
const EXPANSION: &str = "
    ALTER TABLE orders.orders ADD COLUMN gift_note text, ADD COLUMN priority integer NOT NULL DEFAULT 0;
    ALTER TABLE orders.payments ADD COLUMN tip bigint NOT NULL DEFAULT 0;
    ALTER TABLE orders.events ADD COLUMN region text;
    ALTER TABLE merchant.tickets ADD COLUMN gift_note text;
    ALTER TABLE dispatch.deliveries ADD COLUMN priority integer NOT NULL DEFAULT 0;
    ALTER TABLE dispatch.riders ADD COLUMN plate text;
    ALTER TABLE dispatch.offers ADD COLUMN seen_at timestamptz;
    CREATE TABLE orders.vouchers (id uuid PRIMARY KEY, order_id uuid REFERENCES orders.orders (id));
    CREATE INDEX orders_gifts ON orders.orders (id) WHERE gift_note IS NOT NULL;
    INSERT INTO orders.__diesel_schema_migrations (version) VALUES ('20991231235959');
    INSERT INTO merchant.__diesel_schema_migrations (version) VALUES ('20991231235959');
    INSERT INTO dispatch.__diesel_schema_migrations (version) VALUES ('20991231235959');";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_run_on_the_next_versions_schema() {
    let city = TestCity::start().await;
    let servers = Servers::from_env();
    let (shop, customer, rider) = (city.shop().await, city.customer(), city.rider().await);
    // One order is under way when the schema grows, and one comes after it.
    let early = city.accepted(&customer, &shop).await;
    city.db.execute(EXPANSION).await;
    // A program of this version also starts on it.
    let (again, stop) = (of_order_svc(&servers, &city.db), Stop::new());
    drop(App::build(again, stop.clone()).await.expect("it starts on a newer schema"));
    stop.cancel();
    let offer = city.offer(&rider, &early).await;
    let taken = rider.post(&format!("/v1/rider/offers/{}/accept", text(&offer["id"])), json!({})).await.ok();
    let mut open = vec![(early, taken)];
    open.push(city.assigned(&customer, &shop, &rider).await);
    for (order, delivery) in open {
        let delivery = format!("/v1/rider/deliveries/{}", text(&delivery["id"]));
        for tap in ["at_pickup", "picked_up", "at_dropoff"] {
            rider.post(&format!("{delivery}/{tap}"), json!({})).await.ok();
        }
        rider.post(&format!("{delivery}/delivered"), json!({"pin": order["pin"]})).await.ok();
        city.ends_as(&order, ["delivered", "handed_over", "delivered", "captured"]).await;
    }
    city.end().await;
}
