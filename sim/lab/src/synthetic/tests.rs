//! Days with disruptions.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::run::{Days, DaysResult, run_days};
use super::{City, generate};
use crate::bench::check::check;
use crate::bench::run::progress;
use crate::bench::simulation::disruptions::{DisruptionStats, Disruptions, Offer, SILENCE_TIMEOUT_MIN};
use crate::bench::simulation::{simulate, simulate_with};
use crate::bench::solution::{Commit, DayOptions, DayResult, Kitchen, PolicyName, Site};
use pannier_instance::{Courier, Instance, Order, Parameters, Point, Restaurant};

/// All combinations of options.
fn all_options() -> Vec<DayOptions> {
    let mut all = Vec::new();
    for policy in [PolicyName::Greedy, PolicyName::Horizon] {
        for commit in [Commit::Pickup, Commit::Departure] {
            for kitchen in [Kitchen::Known, Kitchen::Unknown] {
                for reposition in [true, false] {
                    all.push(DayOptions { policy, commit, kitchen, reposition, seed: 3 });
                }
            }
        }
    }
    all
}

fn small_city() -> City {
    let mut city = City::load(None).unwrap();
    city.orders.per_hour = vec![0.0; 24];
    city.orders.per_hour[12..14].copy_from_slice(&[30.0, 40.0]);
    city.riders.count = 16;
    (city.riders.declines, city.riders.silent, city.kitchen.slipping) = (0.2, 0.5, 0.5);
    city
}

/// A restaurant at 500 m, customers at 1,500 m, riders at the given metres, 100 m per minute, no service times. Orders
/// are given by placement and ready time.
fn street(riders: &[f64], orders: &[(i64, i64)]) -> Instance {
    let at = |x| Point { x, y: 0.0 };
    let order = |(n, (placement, ready)): (usize, &(i64, i64))| Order {
        id: format!("o{n}"),
        at: at(1_500.0),
        placement: *placement,
        restaurant: 0,
        ready: *ready,
    };
    Instance {
        name: "street".into(),
        orders: orders.iter().enumerate().map(order).collect(),
        couriers: riders
            .iter()
            .enumerate()
            .map(|(n, x)| Courier { id: format!("c{n}"), at: at(*x), on: 0, off: 120 })
            .collect(),
        restaurants: vec![Restaurant { id: "r".into(), at: at(500.0) }],
        parameters: Parameters {
            metres_per_minute: 100.0,
            pickup_service: 0.0,
            dropoff_service: 0.0,
            target_click_to_door: 40.0,
            maximum_click_to_door: 90.0,
            pay_per_order: 10.0,
            guaranteed_pay_per_hour: 15.0,
        },
    }
}

fn without_reposition(policy: PolicyName, commit: Commit) -> DayOptions {
    DayOptions { policy, commit, reposition: false, ..DayOptions::default() }
}

/// Courier, pickup and drop-off of a delivered order.
fn delivery(day: &DayResult, order: usize) -> (usize, i64, i64) {
    let mut assignments = day.solution.assignments.iter();
    let found = assignments.find_map(|a| Some((a, a.dropoffs.iter().find(|d| d.order == order)?)));
    let (assignment, dropoff) = found.expect("the order was delivered");
    (assignment.courier, assignment.pickup, dropoff.at)
}

#[test]
fn disruptions_that_never_happen_change_nothing() {
    let (instance, _) = generate(&small_city(), 5);
    // A courier that does not exist declines, silences begin after the day, announced ready times are true.
    let disruptions = Disruptions {
        declined: [Offer { courier: instance.couriers.len(), order: 0 }].into(),
        silent: (0..instance.couriers.len()).map(|c| (c, 9_000..9_001)).collect(),
        announced_ready: instance.orders.iter().enumerate().map(|(n, o)| (n, o.ready)).collect(),
        stated_ms: Vec::new(),
    };
    for options in all_options() {
        let (day, stats) = simulate_with(&instance, &options, &Disruptions::default());
        assert_eq!(day.solution, simulate(&instance, &options).solution, "{options:?}");
        assert_eq!(stats, DisruptionStats::default());
        if options.kitchen == Kitchen::Known {
            let (undisrupted, stats) = simulate_with(&instance, &options, &disruptions);
            assert_eq!(undisrupted.solution, day.solution, "{options:?}");
            assert_eq!(DisruptionStats { slips: 0, ..stats }, DisruptionStats::default());
        }
    }
}

#[test]
fn disrupted_days_are_feasible_and_repaired() {
    let days = Days { city: small_city(), seed: 1, seeds: 2 };
    for options in all_options() {
        let DaysResult { outcomes, disruptions, .. } =
            run_days(&days, &options, None, &AtomicBool::new(false), &progress()).unwrap();
        for (outcome, stats) in outcomes.iter().zip(&disruptions) {
            assert_eq!(outcome.violations, [], "{options:?}");
            assert!(stats.declines > 0 && stats.silences > 0 && stats.slips > 0, "{stats:?}");
            assert!(stats.repairs + stats.unrepaired >= stats.declines, "{options:?}: {stats:?}");
            assert!(outcome.metrics.undelivered_pct < 30.0, "{options:?}: {:?}", outcome.metrics);
        }
    }
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let root = std::env::temp_dir().join(format!("pannier-dispatch-{}", uuid::Uuid::now_v7()));
    let written = |name: &str| {
        let (out, days) = (root.join(name), Days { city: small_city(), seed: 9, seeds: 2 });
        let result = run_days(&days, &DayOptions::default(), Some(&out), &AtomicBool::new(false), &progress()).unwrap();
        (bytes(&out), result.disruptions)
    };
    let first = written("first");
    assert_eq!(first.0.len(), 2 * (4 + 3), "the instance's files and the solution's");
    assert_eq!(first, written("second"));
    // The written instance can be loaded.
    assert_eq!(Instance::load(&root.join("first/city-9")).unwrap(), generate(&small_city(), 9).0);
    fs::remove_dir_all(&root).unwrap();
}

fn bytes(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for day in fs::read_dir(dir).unwrap() {
        for file in fs::read_dir(day.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            all.push((path.strip_prefix(dir).unwrap().display().to_string(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_declined_order_goes_to_another_rider_the_next_minute() {
    let instance = street(&[400.0, 300.0], &[(10, 10)]);
    for policy in [PolicyName::Greedy, PolicyName::Horizon] {
        let declined = [Offer { courier: 0, order: 0 }].into();
        let disruptions = Disruptions { declined, ..Disruptions::default() };
        let options = without_reposition(policy, Commit::Pickup);
        let (day, stats) = simulate_with(&instance, &options, &disruptions);
        let undisrupted = simulate(&instance, &options);
        assert_eq!(delivery(&undisrupted, 0), (0, 11, 21), "{policy}");
        // Declined at 10. The other rider leaves at 11 and travels two minutes.
        assert_eq!(delivery(&day, 0), (1, 13, 23), "{policy}");
        assert!(day.solution.moves.iter().all(|m| m.courier == 1), "the first rider stays in place");
        let expected =
            DisruptionStats { declines: 1, repairs: 1, repair_plans: 1, repair_plans_worst: 1, ..Default::default() };
        assert_eq!(stats, expected, "{policy}");
    }
}

#[test]
fn orders_of_a_silent_rider_are_planned_again_unless_picked_up() {
    // Both riders are a minute from the restaurant. One departs at 29 at the latest; the food is ready at 30.
    let instance = street(&[400.0, 600.0], &[(10, 30)]);
    for (policy, commit) in [
        (PolicyName::Greedy, Commit::Pickup),
        (PolicyName::Horizon, Commit::Pickup),
        (PolicyName::Horizon, Commit::Departure),
    ] {
        let options = without_reposition(policy, commit);
        let (courier, pickup, dropoff) = delivery(&simulate(&instance, &options), 0);
        assert_eq!((pickup, dropoff), (30, 40));
        let silent =
            |from: i64, to: i64| Disruptions { silent: [(courier, from..to)].into(), ..Disruptions::default() };
        // Silent before the pickup, past the time-out: the other rider takes over.
        let (day, stats) = simulate_with(&instance, &options, &silent(30, 100));
        assert_eq!(delivery(&day, 0), (1 - courier, 31 + SILENCE_TIMEOUT_MIN, 41 + SILENCE_TIMEOUT_MIN), "{options:?}");
        assert_eq!((stats.given_back, stats.repairs, stats.repair_plans_worst), (1, 1, 1), "{options:?}");
        // Responsive again before the time-out: the food waits.
        let (day, stats) = simulate_with(&instance, &options, &silent(30, 33));
        assert_eq!((delivery(&day, 0), stats.given_back), ((courier, 33, 43), 0), "{options:?}");
        // Silent after the pickup: late by the whole silence.
        let (day, stats) = simulate_with(&instance, &options, &silent(32, 50));
        assert_eq!((delivery(&day, 0), stats.given_back), ((courier, 30, 58), 0), "{options:?}");
        assert_eq!(check(&instance, &options, &day.solution), []);
    }
}

#[test]
fn a_silence_is_unknown_before_it_begins() {
    // The first rider delivers the first order; the silence from 15 must not change what happens until then.
    let instance = street(&[400.0, 300.0], &[(5, 10), (11, 20)]);
    let options = without_reposition(PolicyName::Horizon, Commit::Pickup);
    let disruptions = Disruptions { silent: [(0, 15..60)].into(), ..Disruptions::default() };
    let undisrupted = simulate(&instance, &options);
    let disrupted = simulate_with(&instance, &options, &disruptions).0;
    let until_15 =
        |day: &DayResult| day.solution.moves.iter().filter(|m| m.departure < 15).copied().collect::<Vec<_>>();
    assert_eq!(until_15(&undisrupted), until_15(&disrupted));
}

#[test]
fn an_announced_ready_time_is_used_until_the_kitchen_corrects_it() {
    let instance = street(&[-500.0], &[(0, 45)]);
    let disruptions = Disruptions { announced_ready: [(0, 30)].into(), ..Disruptions::default() };
    for (policy, commit) in [(PolicyName::Horizon, Commit::Pickup), (PolicyName::Horizon, Commit::Departure)] {
        let options = without_reposition(policy, commit);
        let (day, stats) = simulate_with(&instance, &options, &disruptions);
        assert_eq!((delivery(&day, 0), stats.slips), ((0, 45, 55), 1));
        let first = day.solution.moves.first().unwrap();
        assert_eq!((first.departure, first.to), (20, Site::Restaurant(0)), "in time for the announced ready time");
        assert_eq!(simulate(&instance, &options).solution.moves[0].departure, 35);
    }
}
