//! What `bench orders` does to a platform works, and what it reads and writes fits the tables.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use pannier_platform::auth::Role;
use pannier_sim::Target;
use pannier_sim::load::city::{City, Tally};
use pannier_sim::load::crew::Crew;
use pannier_sim::load::people::{self, Habit};
use pannier_sim::load::{Stage, applied, growth};
use pannier_testkit::eventually;
use pannier_tests::{TestCity, city};
use tokio::time::Instant;

fn stage(platform: &TestCity) -> Stage {
    let mint = |role: Role, subject: &str| city::token(role, subject, Duration::from_secs(600));
    Stage {
        target: Target {
            order_url: platform.order_url.clone(),
            merchant_url: platform.merchant_url.clone(),
            dispatch_url: platform.dispatch_url.clone(),
            gateway_url: platform.gateway_url.clone(),
            admin_database_url: platform.db.admin_url.clone(),
            minter: Arc::new(mint),
        },
        redis_url: platform.servers.redis_url.clone(),
        processes: [("order-svc".to_owned(), std::process::id())].into(),
        delivered_messages: Arc::new(|| async { None }.boxed()),
        say: Arc::new(|_| {}),
        stop: Default::default(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_who_tap_at_once_bring_an_order_to_the_door() {
    let platform = TestCity::start().await;
    let stage = stage(&platform);
    let city = City::set_up(&stage).await.expect("a city");
    let mut crew = Crew::open_shops(&city);
    crew.resize(2).await.expect("riders");
    let began = SystemTime::now() - Duration::from_millis(1);
    // Ends when the order's stream has shown it delivered.
    people::order(city.clone(), Instant::now(), Habit { watches: true, waits: true }).await;
    eventually("the rider's last tap is acknowledged", || async {
        (city.tally.delivered.load(Ordering::Relaxed) == 1).then_some(())
    })
    .await;
    assert_eq!(Tally::take(&city.tally.troubles), Default::default());

    let mut database = platform.db.connect().await;
    assert_eq!(applied::open_orders(&mut database).await.expect("it is read"), 0);
    let applied = applied::between(&mut database, began, SystemTime::now()).await.expect("it is read");
    assert_eq!((applied.all.count, applied.missing), (3, 0), "{applied:?}");
    assert!(applied.paid_to_ticket.p50_ms > 0.0, "{applied:?}");

    growth::write_history(&stage, 30, 20).await.expect("history.sql fits the tables");
    for (table, count) in [("orders.orders", 31), ("merchant.tickets", 31), ("dispatch.deliveries", 31)] {
        assert_eq!(platform.db.count(&format!("SELECT count(*) AS n FROM {table}")).await, count, "{table}");
    }
    crew.resize(0).await.expect("riders go home");
    stage.stop.cancel();
    platform.end().await;
}
