//! Positions: how many the platform takes over HTTP, beside what Redis takes when nothing stands before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Stage;
use super::city::{City, Person, around};
use super::client::Request;
use super::redis::{Redis, command};
use pannier_client::Rider;

/// Riders on shift whose apps send. Many: of one rider only the newest position counts, and the platform saves itself the
/// others.
const RIDERS: usize = 2_000;
/// Calls under way at once while they come on shift.
const AT_ONCE: usize = 8;
/// Requests under way at once.
const CLIENTS: usize = 32;
/// GEOADD in one piece.
const PIPELINE: usize = 512;

/// What the platform takes.
#[derive(Debug, Clone, Serialize)]
pub struct Positions {
    /// Positions taken a second, ten in each request.
    pub fixes_per_s: f64,
    /// Requests a second with one position each.
    pub single_requests_per_s: f64,
    /// GEOADD a second that Redis takes from one connection, many at once.
    pub raw_geoadd_per_s: f64,
    /// Positions that were refused because no room was left, of all that were sent in tens.
    pub ignored_share: f64,
}

/// Measures.
///
/// # Errors
/// The platform is gone.
pub async fn measure(stage: &Stage, lasting: Duration) -> Result<Positions> {
    let city = City::set_up(stage).await?;
    stage.say(&format!("{RIDERS} riders come on shift"));
    let coming = (0..RIDERS).map(|n| {
        let city = &city;
        async move {
            let rider = city.hire(n).await?;
            Rider::new(&city.api, &rider.id).online(rider.place).await?;
            anyhow::Ok(rider)
        }
    });
    let riders: Vec<Person> = futures::stream::iter(coming).buffer_unordered(AT_ONCE).try_collect().await?;
    let (tens, sent, _) = send(&city, &riders, 10, lasting).await?;
    stage.say(&format!("{tens:.0} positions/s in tens"));
    let (_, _, single_requests_per_s) = send(&city, &riders, 1, lasting).await?;
    stage.say(&format!("{single_requests_per_s:.0} requests/s with one position each"));
    let raw_geoadd_per_s = raw(stage, lasting).await?;
    stage.say(&format!("{raw_geoadd_per_s:.0} GEOADD/s, Redis alone"));
    let ignored_share = if sent > 0.0 { 1.0 - tens / sent } else { 0.0 };
    Ok(Positions { fixes_per_s: tens, single_requests_per_s, raw_geoadd_per_s, ignored_share })
}

/// Sends batches for so long; positions taken, positions sent and requests answered, a second.
async fn send(city: &Arc<City>, riders: &[Person], batch: usize, lasting: Duration) -> Result<(f64, f64, f64)> {
    #[derive(Deserialize)]
    struct Taken {
        accepted: u64,
    }
    let counts = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        // Each rider's positions come from one client: they are counted upwards.
        let mine: Vec<Person> = riders.iter().skip(client).step_by(CLIENTS).cloned().collect();
        let (city, counts) = (city.clone(), counts.clone());
        clients.spawn(async move {
            while began.elapsed() < lasting {
                for rider in &mine {
                    let body = body(&city, batch);
                    let (path, token) = ("/v1/rider/locations", rider.token.as_str());
                    let request = Request { method: "POST", path, token, body: Some(&body), ..Request::default() };
                    let answer = city.dispatch.send(&request).await?;
                    anyhow::ensure!(answer.is_success(), "positions were refused: {}", answer.problem());
                    counts.0.fetch_add(answer.read::<Taken>()?.accepted, Ordering::Relaxed);
                    counts.1.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        });
    }
    while let Some(done) = clients.join_next().await {
        done??;
    }
    let seconds = began.elapsed().as_secs_f64();
    let requests = counts.1.load(Ordering::Relaxed) as f64 / seconds;
    Ok((counts.0.load(Ordering::Relaxed) as f64 / seconds, requests * batch as f64, requests))
}

fn body(city: &City, batch: usize) -> String {
    let positions = (0..batch).map(|_| {
        // Far above what the riders of the crew have counted.
        let seq = city.number() + 1_000_000;
        let place = around(seq as usize);
        format!(r#"{{"seq":{seq},"place":{{"lat":{:.6},"lng":{:.6}}},"accuracy_m":5}}"#, place.lat(), place.lng())
    });
    format!(r#"{{"locations":[{}]}}"#, positions.collect::<Vec<_>>().join(","))
}

/// The same riders' positions into one GEO set, without anything in between.
async fn raw(stage: &Stage, lasting: Duration) -> Result<f64> {
    const KEY: &str = "bench:raw";
    let mut redis = Redis::connect(&stage.redis_url).await?;
    let mut wire = Vec::new();
    for n in 0..PIPELINE {
        let place = around(n);
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
