//! Positions in Redis.

use dispatch_svc::fleet::{Fix, Fleet};
use pannier_contracts::{Place, RiderId};
use pannier_platform::{Namespace, Tls};
use pannier_testkit::{Servers, eventually};
use uuid::Uuid;

use crate::dispatch::north;

fn a_fleet() -> Fleet {
    let word = format!("f{}", &Uuid::now_v7().simple().to_string()[16..]);
    Fleet::new(&Servers::from_env().redis_url, &Tls::default(), Namespace::try_from(word).expect("a namespace"))
        .expect("a fleet")
}

fn fix(rider: RiderId, seq: i64, place: Place) -> Fix {
    Fix { rider, seq, place, seen_ms: chrono::Utc::now().timestamp_millis(), begins: false }
}

async fn near(fleet: &Fleet, radius_m: f64) -> Vec<RiderId> {
    let found = fleet.near(&north(0.0), radius_m, 1_000, |_| true).await.expect("Redis answers");
    found.into_iter().map(|f| f.rider).collect()
}

#[tokio::test]
async fn riders_are_found_across_cells_the_nearest_first() {
    let fleet = a_fleet();
    let riders: Vec<RiderId> = (0..8).map(|_| RiderId::generate()).collect();
    let fixes: Vec<Fix> = riders.iter().zip(0..).map(|(r, n)| fix(*r, 1, north(f64::from(n) * 700.0))).collect();
    fleet.write(&fixes).await.expect("Redis takes it");
    assert_eq!(near(&fleet, 6_000.0).await, riders);
    assert_eq!(near(&fleet, 1_500.0).await, riders[..3]);
    // The search stops when enough of those that count are found.
    let counted = riders[0];
    let found = fleet.near(&north(0.0), 6_000.0, 1, |r| r == counted).await.expect("Redis answers");
    assert!(found.len() < riders.len(), "{found:?}");
}

#[tokio::test]
async fn riders_that_do_not_count_hide_no_others() {
    let fleet = a_fleet();
    let crowd: Vec<RiderId> = (0..300).map(|_| RiderId::generate()).collect();
    let behind = RiderId::generate();
    let mut fixes: Vec<Fix> = crowd.iter().zip(0..).map(|(r, n)| fix(*r, 1, north(f64::from(n)))).collect();
    fixes.push(fix(behind, 1, north(400.0)));
    fleet.write(&fixes).await.expect("Redis takes it");
    let found = fleet.near(&north(0.0), 3_000.0, 1, |r| r == behind).await.expect("Redis answers");
    assert!(found.iter().any(|f| f.rider == behind), "{} found", found.len());
    let all: Vec<RiderId> = crowd.into_iter().chain([behind]).collect();
    assert_eq!(near(&fleet, 3_000.0).await, all, "nearest first, nobody left out");
}

#[tokio::test]
async fn an_older_position_is_ignored_unless_it_begins_a_session() {
    let fleet = a_fleet();
    let rider = RiderId::generate();
    fleet.write(&[fix(rider, 7, north(100.0))]).await.expect("Redis takes it");
    fleet.write(&[fix(rider, 6, north(5_000.0))]).await.expect("Redis takes it");
    fleet.write(&[fix(rider, 7, north(5_000.0))]).await.expect("Redis takes it");
    assert_eq!(near(&fleet, 200.0).await, [rider]);
    fleet.write(&[Fix { begins: true, ..fix(rider, -1, north(5_000.0)) }]).await.expect("Redis takes it");
    assert_eq!(near(&fleet, 200.0).await, []);
    assert_eq!(near(&fleet, 6_000.0).await, [rider], "in the new cell and no longer in the old one");
    fleet.write(&[fix(rider, 0, north(100.0))]).await.expect("Redis takes it");
    assert_eq!(near(&fleet, 200.0).await, [rider]);
}

#[tokio::test]
async fn removed_and_silent_riders_are_not_found() {
    let fleet = a_fleet();
    let (gone, silent) = (RiderId::generate(), RiderId::generate());
    let long_ago = chrono::Utc::now().timestamp_millis() - 61_000;
    fleet
        .write(&[fix(gone, 1, north(10.0)), Fix { seen_ms: long_ago, ..fix(silent, 1, north(20.0)) }])
        .await
        .expect("ok");
    assert_eq!(near(&fleet, 500.0).await, [gone]);
    fleet.remove(gone).await.expect("Redis takes it");
    assert_eq!(near(&fleet, 500.0).await, []);
}

#[tokio::test]
async fn an_unreachable_redis_fails_fast() {
    let fleet = Fleet::new(
        "redis://127.0.0.1:1/",
        &Tls::default(),
        Namespace::try_from("away".to_owned()).expect("a namespace"),
    )
    .expect("a fleet");
    let started = std::time::Instant::now();
    for _ in 0..20 {
        assert!(fleet.near(&north(0.0), 5_000.0, 5, |_| true).await.is_err());
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
}

/// Forwards a port to the real Redis. Dropping it closes the port and all its connections.
struct Proxy(tokio::task::JoinHandle<()>);

impl Proxy {
    async fn start(port: u16, to: String) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        Self(tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let to = to.clone();
                open.spawn(async move {
                    let mut far = tokio::net::TcpStream::connect(to).await.expect("Redis answers");
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        }))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test]
async fn the_connection_recovers_by_itself() {
    let url = Servers::from_env().redis_url;
    let (start, address) = url.trim_end_matches('/').rsplit_once('@').unwrap_or(("redis:/", &url[8..]));
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("an address").port()
    };
    let joint = if start.ends_with('/') { "/" } else { "@" };
    let through = format!("{start}{joint}127.0.0.1:{port}/");
    let fleet = Fleet::new(&through, &Tls::default(), Namespace::try_from("proxy".to_owned()).expect("a namespace"))
        .expect("a fleet");
    assert!(!fleet.is_available().await, "nothing listens yet");
    for _ in 0..2 {
        let proxy = Proxy::start(port, address.trim_end_matches('/').to_owned()).await;
        eventually("Redis answers", || async { fleet.is_available().await.then_some(()) }).await;
        drop(proxy);
        eventually("Redis is unreachable", || async { (!fleet.is_available().await).then_some(()) }).await;
    }
}
