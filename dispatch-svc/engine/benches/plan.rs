//! The time of one plan: a city at noon in three sizes, both algorithms, cold and warm.
//!
//! ```text
//! cargo bench -p pannier-engine
//! ```
//!
//! *Cold* starts from nothing. *Warm* starts from the routes of a plan ten seconds before, as the dispatcher does. *Listed*
//! also prices the fifty candidates per delivery that the service stores. After criterion's groups a table shows medians
//! and how they grow with the size of the city, measured in the same run.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use pannier_contracts::zone::DispatchAlgorithm::{self, Greedy, Horizon};
use pannier_engine::{Delivery, Forecast, PlannedRoute, Point, Policy, Ready, Rider, ShopForecast, Snapshot, plan};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng as _;

/// Open orders and riders. The area grows with the riders, so that distances to the next one stay the same.
const SIZES: [(u32, u32); 3] = [(100, 200), (500, 1_000), (2_000, 4_000)];
const RIDERS_PER_KM2: f64 = 10.0;
const NOW_MS: i64 = 1_700_000_000_000;
const MINUTE_MS: i64 = 60_000;
/// The time between a warm plan and the one that it starts from.
const TICK_MS: i64 = 10_000;
/// Measurements per row of the table.
const SAMPLES: usize = 11;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for case in Case::ALL {
        let mut group = criterion.benchmark_group(case.name);
        for (orders, riders) in SIZES.into_iter().filter(|s| case.fits(*s)) {
            let (snapshot, policy) = case.input(orders, riders);
            group.bench_function(BenchmarkId::from_parameter(format!("{orders}x{riders}")), |b| {
                b.iter(|| plan(black_box(&snapshot), &policy));
            });
        }
        group.finish();
    }
    criterion.final_summary();
    // Not in a test run, and not with a filter or a profiler.
    if std::env::args().skip(1).eq(["--bench".to_owned()]) {
        print!("{}", growth());
    }
}

/// What is measured: an algorithm and its start.
struct Case {
    name: &'static str,
    algorithm: DispatchAlgorithm,
    is_warm: bool,
    candidates_listed: u32,
    is_service_only: bool,
}

impl Case {
    const ALL: [Self; 5] = [
        Self::new("greedy", Greedy, false),
        Self::new("horizon cold", Horizon, false),
        Self::new("horizon warm", Horizon, true),
        Self { candidates_listed: 50, is_service_only: true, ..Self::new("greedy listed", Greedy, false) },
        Self { candidates_listed: 50, is_service_only: true, ..Self::new("horizon warm listed", Horizon, true) },
    ];

    const fn new(name: &'static str, algorithm: DispatchAlgorithm, is_warm: bool) -> Self {
        Self { name, algorithm, is_warm, candidates_listed: 0, is_service_only: false }
    }

    /// Cases with listed candidates are measured at one size only.
    fn fits(&self, size: (u32, u32)) -> bool {
        !self.is_service_only || size == SIZES[1]
    }

    fn input(&self, orders: u32, riders: u32) -> (Snapshot, Policy) {
        let usual = Policy::default();
        let reposition = pannier_engine::Reposition { on: true, ..usual.reposition.clone() };
        let policy =
            Policy { algorithm: self.algorithm, candidates_listed: self.candidates_listed, reposition, ..usual };
        let mut snapshot = city(orders, riders, 7);
        if self.is_warm {
            snapshot.previous = plan(&snapshot, &policy).routes.iter().map(PlannedRoute::route).collect();
            snapshot.now_ms += TICK_MS;
        }
        (snapshot, policy)
    }
}

/// The table of median times, and of the ratio to the next smaller city.
fn growth() -> String {
    let mut table =
        format!("\n{:<22}{:>8}{:>8}{:>12}{:>12}{:>10}\n", "", "orders", "riders", "median, ms", "least, ms", "growth");
    for case in Case::ALL {
        let mut before: Option<f64> = None;
        for (orders, riders) in SIZES.into_iter().filter(|s| case.fits(*s)) {
            let (snapshot, policy) = case.input(orders, riders);
            let (ms, least_ms) = times_ms(&snapshot, &policy);
            let grown = before.map_or(String::new(), |b| format!("{:.1}x", ms / b));
            let _ = writeln!(table, "{:<22}{orders:>8}{riders:>8}{ms:>12.2}{least_ms:>12.2}{grown:>10}", case.name);
            before = Some(ms);
        }
    }
    table
}

/// The median and the least time, milliseconds.
fn times_ms(snapshot: &Snapshot, policy: &Policy) -> (f64, f64) {
    let mut took: Vec<Duration> = (0..SAMPLES)
        .map(|_| {
            let started = Instant::now();
            black_box(plan(black_box(snapshot), policy));
            started.elapsed()
        })
        .collect();
    took.sort_unstable();
    (took[SAMPLES / 2].as_secs_f64() * 1_000.0, took[0].as_secs_f64() * 1_000.0)
}

/// A city at noon: one shop per five open orders, doors within 3 km of their shop, food that is ready between five
/// minutes ago and in half an hour, and a third of the riders busy for up to twenty minutes.
fn city(orders: u32, riders: u32, seed: u64) -> Snapshot {
    let mut random = Random(Pcg32::new(seed, u64::from(orders)));
    let side_m = (f64::from(riders) / RIDERS_PER_KM2).sqrt() * 1_000.0;
    let shops: Vec<ShopForecast> = (0..orders / 5)
        .map(|n| ShopForecast {
            shop: id("mer", n),
            place: random.point(side_m),
            orders_per_minute: 0.05 + 0.2 * random.share(),
        })
        .collect();
    let deliveries = (0..orders).map(|n| {
        let shop = &shops[random.below(shops.len() as u32) as usize];
        let ready_ms = NOW_MS - 5 * MINUTE_MS + i64::from(random.below(35 * 60)) * 1_000;
        Delivery {
            id: id("dlv", n),
            shop: shop.shop,
            pickup: shop.place,
            dropoff: random.near(shop.place, 3_000.0, side_m),
            ready: Ready::at(ready_ms),
            promise_at_ms: ready_ms + 25 * MINUTE_MS,
            opened_at_ms: ready_ms - 20 * MINUTE_MS,
            excluded: vec![],
            offers_wanted: 1,
            offered_to: vec![],
        }
    });
    let deliveries = deliveries.collect();
    let people = (0..riders).map(|n| {
        let place = random.point(side_m);
        let is_busy = random.below(3) == 0;
        let (free_in_ms, free_place) = if is_busy {
            (i64::from(random.below(20 * 60)) * 1_000, random.near(place, 3_000.0, side_m))
        } else {
            (0, place)
        };
        Rider {
            id: id("rdr", n),
            place,
            fix_age_ms: 5_000,
            speed_mps: 5.0,
            available: true,
            stale: false,
            load: u32::from(is_busy),
            capacity: 2,
            free_at_ms: NOW_MS + free_in_ms,
            free_place,
            at_counter: None,
            committed: vec![],
            shift_end_ms: NOW_MS + i64::from(30 + random.below(240)) * MINUTE_MS,
            idle_since_ms: NOW_MS - i64::from(random.below(15)) * MINUTE_MS,
            acceptance_permille: 850 + random.below(150),
            rating_permille: 800 + random.below(200),
        }
    });
    let riders: Vec<Rider> = people.collect();
    let forecast = Forecast {
        orders_per_minute: shops.iter().map(|s| s.orders_per_minute).sum(),
        prep_times_ms: [8, 12, 15, 20, 28].map(|m| m * MINUTE_MS).to_vec(),
        riders_on_shift: riders.len() as u32,
        shops,
    };
    Snapshot { now_ms: NOW_MS, deliveries, riders, forecast, ..Snapshot::default() }
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(kind: &str, n: u32) -> T {
    format!("{kind}_{n:032x}").parse().expect("an id")
}

struct Random(Pcg32);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(n)) >> 32) as u32
    }

    fn share(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / f64::from(u32::MAX)
    }

    fn point(&mut self, side_m: f64) -> Point {
        Point { x_m: self.share() * side_m, y_m: self.share() * side_m }
    }

    /// A point within so many metres in each direction, inside the city.
    fn near(&mut self, around: Point, most_m: f64, side_m: f64) -> Point {
        let mut off = |at: f64| (at + (2.0 * self.share() - 1.0) * most_m).clamp(0.0, side_m);
        Point { x_m: off(around.x_m), y_m: off(around.y_m) }
    }
}
