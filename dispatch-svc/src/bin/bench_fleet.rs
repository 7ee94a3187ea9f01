//! Measures how many searches for riders Redis serves: over cells, as the dispatcher asks, and in one GEO set of the whole
//! city. `pannier bench orders` runs it; by hand: `REDIS_URL=redis://… SECONDS_EACH=5 bench_fleet`.
//!
//! Prints one line of JSON per city: riders, ring searches a second, searches in one set a second.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use dispatch_svc::fleet::{Fix, Fleet};
use pannier_contracts::{Place, RiderId};
use pannier_platform::{Namespace, Tls};
use serde_json::json;
use tokio::task::JoinSet;

/// Riders in the cities that are measured.
const CITIES: [u64; 3] = [1_000, 20_000, 100_000];
/// A city is a square with this edge: a metropolis and its suburbs.
const EDGE_M: f64 = 30_000.0;
const METRES_PER_DEGREE: f64 = 111_195.0;
/// The riders that the dispatcher asks for per search, and the radius of the default policy.
const WANTED: usize = 20;
const RADIUS_M: f64 = 5_000.0;
/// Concurrent searches.
const AT_ONCE: usize = 8;
/// Riders that are written at once.
const BATCH: usize = 512;

/// The n-th place of a low-discrepancy sequence: places that fill the city evenly, in no visible order.
fn place(n: u64) -> Place {
    let part = |share: f64| (0.5 + n as f64 * share).fract() * EDGE_M / METRES_PER_DEGREE;
    // Powers of the inverse plastic number; near the equator a degree is as long in both directions.
    Place::new(-0.22 + part(0.754_877_666_246_693), -78.51 + part(0.569_840_290_998_053))
        .unwrap_or_else(|_| unreachable!("a city near the equator is on the earth"))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("REDIS_URL").context("REDIS_URL names the Redis that is measured")?;
    let seconds: f64 = std::env::var("SECONDS_EACH").map_or(Ok(5.0), |text| text.parse()).context("SECONDS_EACH")?;
    let lasting = Duration::from_secs_f64(seconds);
    let mut plain = redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?;
    for riders in CITIES {
        let namespace = format!("bench{riders}");
        let word = Namespace::try_from(namespace.clone()).map_err(anyhow::Error::msg)?;
        let fleet = Fleet::new(&url, &Tls::default(), word)?;
        let one_key = format!("{namespace}.one");
        let ids: Vec<RiderId> = (0..riders).map(|_| RiderId::generate()).collect();
        fill(&fleet, &mut plain, &one_key, &ids).await?;
        // Positions are fresh for a minute.
        let lasting = lasting.min(Duration::from_secs(15));
        let ring_per_s = {
            let fleet = &fleet;
            per_second(lasting, move |n| {
                let fleet = fleet.clone();
                async move { Ok(fleet.near(&place(n), RADIUS_M, WANTED, |_| true).await?.len()) }
            })
            .await?
        };
        let one_key_per_s = per_second(lasting, |n| {
            let (mut redis, key, centre) = (plain.clone(), one_key.clone(), place(n));
            async move {
                let mut search = redis::cmd("GEOSEARCH");
                search.arg(key).arg("FROMLONLAT").arg(centre.lng()).arg(centre.lat()).arg("BYRADIUS").arg(RADIUS_M);
                search.arg("m").arg("ASC").arg("COUNT").arg(WANTED).arg("WITHDIST").arg("WITHCOORD");
                let found: Vec<(String, f64, (f64, f64))> = search.query_async(&mut redis).await?;
                Ok(found.len())
            }
        })
        .await?;
        println!("{}", json!({ "riders": riders, "ring_per_s": ring_per_s, "one_key_per_s": one_key_per_s }));
        delete_keys(&mut plain, &namespace).await?;
    }
    Ok(())
}

async fn fill(
    fleet: &Fleet,
    plain: &mut redis::aio::MultiplexedConnection,
    one_key: &str,
    ids: &[RiderId],
) -> anyhow::Result<()> {
    let numbered: Vec<(u64, RiderId)> = (1_000_000..).zip(ids.iter().copied()).collect();
    for batch in numbered.chunks(BATCH) {
        let seen_ms = chrono::Utc::now().timestamp_millis();
        let fix = |(n, rider): &(u64, RiderId)| Fix { rider: *rider, seq: 1, place: place(*n), seen_ms, begins: true };
        let fixes: Vec<Fix> = batch.iter().map(fix).collect();
        fleet.write(&fixes).await?;
        let mut add = redis::cmd("GEOADD");
        add.arg(one_key);
        for fix in &fixes {
            add.arg(fix.place.lng()).arg(fix.place.lat()).arg(fix.rider.0.simple().to_string());
        }
        add.query_async::<()>(plain).await?;
    }
    Ok(())
}

/// The searches per second at different places, several at once, over `lasting`. Each of them has to find a rider.
async fn per_second<F, Fut>(lasting: Duration, search: F) -> anyhow::Result<f64>
where
    F: Fn(u64) -> Fut,
    Fut: Future<Output = anyhow::Result<usize>> + Send + 'static,
{
    let began = Instant::now();
    let (mut running, mut next, mut done) = (JoinSet::new(), 0, 0_u64);
    loop {
        while running.len() < AT_ONCE && began.elapsed() < lasting {
            running.spawn(search(next));
            next += 1;
        }
        let Some(found) = running.join_next().await else { break };
        anyhow::ensure!(found?? > 0, "a search in the middle of the city found nobody");
        done += 1;
    }
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

async fn delete_keys(plain: &mut redis::aio::MultiplexedConnection, namespace: &str) -> anyhow::Result<()> {
    let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{namespace}.*")).query_async(plain).await?;
    for some in keys.chunks(BATCH) {
        redis::cmd("DEL").arg(some).query_async::<()>(plain).await?;
    }
    Ok(())
}
