//! Positions: how many the platform accepts over HTTP, compared with Redis alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::city::{Account, City, nth_place};
use super::http::Request;
use super::redis::{Redis, command};
use super::system::SystemUnderTest;
use pannier_client::Rider;

/// Riders on shift who send positions. Many, because the platform stores only the newest position of each.
const RIDERS: usize = 2_000;
/// Set-up calls in flight at a time.
const CONCURRENCY: usize = 8;
/// Requests in flight at a time.
const CLIENTS: usize = 32;
/// GEOADD commands per write.
const PIPELINE: usize = 512;

/// Throughput of positions.
#[derive(Debug, Clone, Serialize)]
pub struct Positions {
    /// Accepted positions a second, ten in each request.
    pub fixes_per_s: f64,
    /// Requests a second with one position each.
    pub single_requests_per_s: f64,
    /// GEOADD a second of Redis alone, pipelined on one connection.
    pub raw_geoadd_per_s: f64,
    /// Share of the positions sent in tens that were not accepted.
    pub ignored_share: f64,
}

/// Measures each of the three for `lasting`.
///
/// # Errors
/// The platform is unavailable.
pub async fn measure(system: &SystemUnderTest, lasting: Duration) -> Result<Positions> {
    let city = City::set_up(system).await?;
    system.log(&format!("{RIDERS} riders come on shift"));
    let coming = (0..RIDERS).map(|n| {
        let city = &city;
        async move {
            let rider = city.create_rider(n).await?;
            Rider::new(&city.api, &rider.id).online(rider.place).await?;
            anyhow::Ok(rider)
        }
    });
    let riders: Vec<Account> = futures::stream::iter(coming).buffer_unordered(CONCURRENCY).try_collect().await?;
    let tens = send(&city, &riders, 10, lasting).await?;
    system.log(&format!("{:.0} positions/s in tens", tens.accepted_per_s));
    let single_requests_per_s = send(&city, &riders, 1, lasting).await?.requests_per_s;
    system.log(&format!("{single_requests_per_s:.0} requests/s with one position each"));
    let raw_geoadd_per_s = geoadd(system, lasting).await?;
    system.log(&format!("{raw_geoadd_per_s:.0} GEOADD/s, Redis alone"));
    let sent_per_s = tens.requests_per_s * 10.0;
    let ignored_share = if sent_per_s > 0.0 { 1.0 - tens.accepted_per_s / sent_per_s } else { 0.0 };
    Ok(Positions { fixes_per_s: tens.accepted_per_s, single_requests_per_s, raw_geoadd_per_s, ignored_share })
}

struct Throughput {
    accepted_per_s: f64,
    requests_per_s: f64,
}

/// Sends requests with `batch` positions each.
async fn send(city: &Arc<City>, riders: &[Account], batch: usize, lasting: Duration) -> Result<Throughput> {
    #[derive(Deserialize)]
    struct Taken {
        accepted: u64,
    }
    let (accepted, requests) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        // A rider's positions come from one client, because their sequence numbers must ascend.
        let own: Vec<Account> = riders.iter().skip(client).step_by(CLIENTS).cloned().collect();
        let (city, accepted, requests) = (city.clone(), accepted.clone(), requests.clone());
        clients.spawn(async move {
            while began.elapsed() < lasting {
                for rider in &own {
                    let body = body(&city, batch);
                    let (path, token) = ("/v1/rider/locations", rider.token.as_str());
                    let request = Request { method: "POST", path, token, body: Some(&body), ..Request::default() };
                    let answer = city.dispatch.send(&request).await?;
                    anyhow::ensure!(answer.is_success(), "positions were refused: {}", answer.problem());
                    accepted.fetch_add(answer.read::<Taken>()?.accepted, Ordering::Relaxed);
                    requests.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        });
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    let seconds = began.elapsed().as_secs_f64();
    let per_second = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / seconds;
    Ok(Throughput { accepted_per_s: per_second(&accepted), requests_per_s: per_second(&requests) })
}

fn body(city: &City, batch: usize) -> String {
    let positions = (0..batch).map(|_| {
        // Above the sequence numbers of the riders' own positions.
        let seq = city.next_number() + 1_000_000;
        let place = nth_place(seq as usize);
        format!(r#"{{"seq":{seq},"place":{{"lat":{:.6},"lng":{:.6}}},"accuracy_m":5}}"#, place.lat(), place.lng())
    });
    format!(r#"{{"locations":[{}]}}"#, positions.collect::<Vec<_>>().join(","))
}

/// Pipelines the same riders' positions into one GEO set of Redis. Returns GEOADD a second.
async fn geoadd(system: &SystemUnderTest, lasting: Duration) -> Result<f64> {
    const KEY: &str = "bench:raw";
    let mut redis = Redis::connect(&system.redis_url).await?;
    let mut wire = Vec::new();
    for n in 0..PIPELINE {
        let place = nth_place(n);
        let (lng, lat) = (format!("{:.6}", place.lng()), format!("{:.6}", place.lat()));
        wire.extend(command(&["GEOADD", KEY, &lng, &lat, &format!("{:032x}", n % RIDERS)]));
    }
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < lasting {
        redis.pipeline(&wire, PIPELINE).await?;
        sent += PIPELINE;
    }
    let rate = sent as f64 / began.elapsed().as_secs_f64();
    redis.delete(KEY).await?;
    Ok(rate)
}
