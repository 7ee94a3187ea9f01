//! Days on which something goes wrong.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::run::{Days, Worked, work};
use super::{City, draw};
use crate::bench::check::check;
use crate::bench::day::mishap::{GIVE_BACK_MIN, Mishaps, Troubles};
use crate::bench::day::{run, run_with};
use crate::bench::run::progress;
use crate::bench::solution::{Commit, Day, DayOptions, Kitchen, PolicyName, Site};
use pannier_instance::{Courier, Instance, Order, Parameters, Point, Restaurant};

/// Every way to work a day.
fn ways() -> Vec<DayOptions> {
    let mut ways = Vec::new();
    for policy in [PolicyName::Greedy, PolicyName::Horizon] {
        for commit in [Commit::Pickup, Commit::Departure] {
            for kitchen in [Kitchen::Known, Kitchen::Unknown] {
                for reposition in [true, false] {
                    ways.push(DayOptions { policy, commit, kitchen, reposition, seed: 3 });
                }
            }
        }
    }
    ways
}

fn small_city() -> City {
    let mut city = City::load(None).unwrap();
    city.orders.per_hour = vec![0.0; 24];
    city.orders.per_hour[12..14].copy_from_slice(&[30.0, 40.0]);
    city.riders.count = 16;
    (city.riders.declines, city.riders.silent, city.kitchen.slipping) = (0.2, 0.5, 0.5);
    city
}

/// One kitchen at 500 m, riders further and further away, 100 m a minute, no services.
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

fn quiet(policy: PolicyName, commit: Commit) -> DayOptions {
    DayOptions { policy, commit, reposition: false, ..DayOptions::default() }
}

fn carried(day: &Day, order: usize) -> (usize, i64, i64) {
    let of = |a: &&crate::bench::solution::Assignment| a.drops.iter().any(|d| d.order == order);
    let a = day.solution.assignments.iter().find(of).expect("it was delivered");
    (a.courier, a.pickup, a.drops.iter().find(|d| d.order == order).unwrap().at)
}

#[test]
fn without_mishaps_a_day_is_the_librarys() {
    let (instance, _) = draw(&small_city(), 5);
    // Said in advance and never happening: nobody is silent in the day, and kitchens take as long as they say.
    let mishaps = Mishaps {
        declined: [(instance.couriers.len(), 0)].into(),
        silent: (0..instance.couriers.len()).map(|c| (c, 9_000..9_001)).collect(),
        announced: instance.orders.iter().enumerate().map(|(n, o)| (n, o.ready)).collect(),
        stated_ms: Vec::new(),
    };
    for options in ways() {
        let (day, troubles) = run_with(&instance, &options, &Mishaps::default());
        assert_eq!(day.solution, run(&instance, &options).solution, "{options:?}");
        assert_eq!(troubles, Troubles::default());
        if options.kitchen == Kitchen::Known {
            let (hollow, troubles) = run_with(&instance, &options, &mishaps);
            assert_eq!(hollow.solution, day.solution, "{options:?}");
            assert_eq!(Troubles { slips: 0, ..troubles }, Troubles::default());
        }
    }
}

#[test]
fn days_with_mishaps_are_feasible_and_repaired() {
    let days = Days { city: small_city(), seed: 1, seeds: 2 };
    for options in ways() {
        let Worked { outcomes, troubles, .. } =
            work(&days, &options, None, &AtomicBool::new(false), &progress()).unwrap();
        for (outcome, troubles) in outcomes.iter().zip(&troubles) {
            assert_eq!(outcome.violations, [], "{options:?}");
            assert!(troubles.declines > 0 && troubles.silences > 0 && troubles.slips > 0, "{troubles:?}");
            assert!(troubles.repairs + troubles.unrepaired >= troubles.declines, "{options:?}: {troubles:?}");
            assert!(outcome.metrics.undelivered_pct < 30.0, "{options:?}: {:?}", outcome.metrics);
        }
    }
}

#[test]
fn the_same_seed_the_same_bytes() {
    let root = std::env::temp_dir().join(format!("pannier-dispatch-{}", uuid::Uuid::now_v7()));
    let written = |name: &str| {
        let (out, days) = (root.join(name), Days { city: small_city(), seed: 9, seeds: 2 });
        let worked = work(&days, &DayOptions::default(), Some(&out), &AtomicBool::new(false), &progress()).unwrap();
        (bytes(&out), worked.troubles)
    };
    let first = written("first");
    assert_eq!(first.0.len(), 2 * (4 + 3), "the instance's files and the solution's");
    assert_eq!(first, written("second"));
    // What was written is an instance like any other.
    assert_eq!(Instance::load(&root.join("first/city-9")).unwrap(), draw(&small_city(), 9).0);
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
fn a_declined_order_goes_to_somebody_else_the_next_minute() {
    let instance = street(&[400.0, 300.0], &[(10, 10)]);
    for policy in [PolicyName::Greedy, PolicyName::Horizon] {
        let mishaps = Mishaps { declined: [(0, 0)].into(), ..Mishaps::default() };
        let (day, troubles) = run_with(&instance, &quiet(policy, Commit::Pickup), &mishaps);
        let calm = run(&instance, &quiet(policy, Commit::Pickup));
        assert_eq!(carried(&calm, 0), (0, 11, 21), "{policy}");
        // Asked at 10; the other one leaves at 11 and needs two minutes.
        assert_eq!(carried(&day, 0), (1, 13, 23), "{policy}");
        assert!(day.solution.moves.iter().all(|m| m.courier == 1), "who declines stays");
        let expected =
            Troubles { declines: 1, repairs: 1, repair_plans: 1, repair_plans_worst: 1, ..Troubles::default() };
        assert_eq!(troubles, expected, "{policy}");
    }
}

#[test]
fn the_orders_of_a_silent_rider_are_planned_again_unless_they_are_in_the_bag() {
    // Both are a minute from the counter. Under way at 29 at the latest, ready at 30.
    let instance = street(&[400.0, 600.0], &[(10, 30)]);
    for (policy, commit) in [
        (PolicyName::Greedy, Commit::Pickup),
        (PolicyName::Horizon, Commit::Pickup),
        (PolicyName::Horizon, Commit::Departure),
    ] {
        let options = quiet(policy, commit);
        let (who, pickup, door) = carried(&run(&instance, &options), 0);
        assert_eq!((pickup, door), (30, 40));
        let at = |from: i64, to: i64| Mishaps { silent: [(who, from..to)].into(), ..Mishaps::default() };
        // Silent on the last metres, for good: after five minutes the other one leaves.
        let (day, troubles) = run_with(&instance, &options, &at(30, 100));
        assert_eq!(carried(&day, 0), (1 - who, 31 + GIVE_BACK_MIN, 41 + GIVE_BACK_MIN), "{options:?}");
        assert_eq!((troubles.given_back, troubles.repairs, troubles.repair_plans_worst), (1, 1, 1), "{options:?}");
        // Back before that: the food waits for them.
        let (day, troubles) = run_with(&instance, &options, &at(30, 33));
        assert_eq!((carried(&day, 0), troubles.given_back), ((who, 33, 43), 0), "{options:?}");
        // With the food in the bag: it is late by the silence.
        let (day, troubles) = run_with(&instance, &options, &at(32, 50));
        assert_eq!((carried(&day, 0), troubles.given_back), ((who, 30, 58), 0), "{options:?}");
        assert_eq!(check(&instance, &options, &day.solution), []);
    }
}

#[test]
fn nobody_knows_of_a_silence_before_it_begins() {
    // Both are ready at 10; the first rider is nearer to the door of the second when it is placed.
    let instance = street(&[400.0, 300.0], &[(5, 10), (11, 20)]);
    let options = quiet(PolicyName::Horizon, Commit::Pickup);
    let mishaps = Mishaps { silent: [(0, 15..60)].into(), ..Mishaps::default() };
    let (calm, late) = (run(&instance, &options), run_with(&instance, &options, &mishaps).0);
    let until = |day: &Day| day.solution.moves.iter().filter(|m| m.departure < 15).copied().collect::<Vec<_>>();
    assert_eq!(until(&calm), until(&late));
}

#[test]
fn a_kitchen_that_slips_is_believed_until_it_says_so() {
    let instance = street(&[-500.0], &[(0, 45)]);
    let mishaps = Mishaps { announced: [(0, 30)].into(), ..Mishaps::default() };
    for (policy, commit) in [(PolicyName::Horizon, Commit::Pickup), (PolicyName::Horizon, Commit::Departure)] {
        let options = quiet(policy, commit);
        let (day, troubles) = run_with(&instance, &options, &mishaps);
        assert_eq!((carried(&day, 0), troubles.slips), ((0, 45, 55), 1));
        let first = day.solution.moves.first().unwrap();
        assert_eq!((first.departure, first.to), (20, Site::Restaurant(0)), "just in time for what was said");
        assert_eq!(run(&instance, &options).solution.moves[0].departure, 35);
    }
}
