//! Decisions of `greedy`, by example: one row for one rule.

use pannier_contracts::zone::{self, DispatchAlgorithm};
use pannier_engine::{Delivery, Outcome, Policy, Ready, Rider, Snapshot, Trip, plan};

use crate::world::{MINUTE, NOW, at, decide, delivery, dlv, gates, now, put, rdr, rider, shp, summary};

fn d(change: impl Fn(&mut Delivery)) -> Vec<Delivery> {
    let mut one = delivery(1);
    change(&mut one);
    vec![one]
}

fn r(n: u32, east_m: i32, change: impl Fn(&mut Rider)) -> Rider {
    let mut one = rider(n, east_m);
    change(&mut one);
    one
}

#[test]
fn one_delivery() {
    let check = |why: &str, deliveries: Vec<Delivery>, riders: Vec<Rider>, expected: &str| {
        assert_eq!(summary(&decide(deliveries, riders)[0]), expected, "{why}");
    };
    let near = || rider(1, 500);
    let as_it_is = || d(|_| ());

    check("one rider nearby", as_it_is(), vec![near()], "offer 1");
    check("the nearer of two", as_it_is(), vec![rider(1, 2_000), rider(2, 800)], "offer 2");
    check("ties go by id", as_it_is(), vec![rider(2, 800), rider(1, 800)], "offer 1");
    check("an empty snapshot", as_it_is(), vec![], "nobody no_riders");
    check("every rider behind a gate", as_it_is(), vec![r(1, 500, |r| r.available = false)], "nobody nobody_fits");
    check("nothing wanted", d(|d| d.offers_wanted = 0), vec![near()], "nobody none_wanted");

    let ready_in = |minutes: i64| d(move |d| d.ready = Ready::at(NOW + minutes * MINUTE));
    check("before the search lead", ready_in(20), vec![near()], "hold 300s too_early");
    check("at the search lead; 130 s away, may wait 300 s", ready_in(15), vec![near()], "hold 470s would_wait");
    check(
        "the hold ends when the first rider fits",
        ready_in(15),
        vec![near(), rider(2, 1_000)],
        "hold 340s would_wait",
    );
    check(
        "a rider behind a gate does not count",
        ready_in(15),
        vec![near(), r(2, 1_000, |r| r.stale = true)],
        "hold 470s would_wait",
    );
    check(
        "the far rider fits, but the near one is cheaper",
        ready_in(15),
        vec![near(), rider(2, 3_000)],
        "hold 470s cheaper_later",
    );
    check("the near rider gets the offer once they fit", ready_in(7), vec![near(), rider(2, 1_500)], "offer 1");
    check("ready, and no rider nearby", ready_in(0), vec![rider(1, 4_900)], "offer 1");
    check("long ready", ready_in(-44), vec![near()], "offer 1");
    check("too long ready", ready_in(-45), vec![near()], "nobody given_up");

    let two = |n| d(move |d| d.offers_wanted = n);
    check("two offers, two riders", two(2), vec![near(), rider(2, 800), rider(3, 900)], "offer 1 2");
    check("more offers wanted than riders", two(5), vec![near(), rider(2, 800)], "offer 1 2");
    check(
        "the first goes out although the second would wait",
        d(|d| (d.offers_wanted, d.ready) = (2, Ready::at(NOW + 8 * MINUTE))),
        vec![rider(1, 1_000), r(2, 10, |r| r.acceptance_permille = 0)],
        "offer 1",
    );
}

#[test]
fn gates_keep_riders_out() {
    let check = |expected: &str, change: &dyn Fn(&mut Rider)| {
        let mut deliveries = d(|d| (d.excluded, d.offered_to) = (vec![rdr(7), rdr(3)], vec![rdr(8), rdr(4)]));
        deliveries[0].ready = Ready::at(NOW + 6 * MINUTE);
        let mut one = rider(1, 500);
        change(&mut one);
        assert_eq!(gates(&decide(deliveries, vec![one.clone()])[0]).split_once(' ').unwrap().1, expected, "{one:?}");
    };
    check("open", &|_| ());
    check("not_available", &|r| r.available = false);
    check("stale", &|r| r.stale = true);
    check("open", &|r| r.fix_age_ms = 60_000);
    check("stale", &|r| r.fix_age_ms = 60_001);
    check("excluded", &|r| r.id = rdr(3));
    check("excluded", &|r| r.id = rdr(7));
    check("already_offered", &|r| r.id = rdr(4));
    check("already_offered", &|r| r.id = rdr(8));
    check("open", &|r| put(r, at(0, 4_990)));
    check("too_far", &|r| put(r, at(0, 5_010)));
    check("open", &|r| r.load = 1);
    check("no_capacity", &|r| r.load = 2);
    check("no_capacity", &|r| (r.load, r.capacity) = (0, 0));
    check("would_wait_too_long", &|r| put(r, at(0, 100)));
    check("open", &|r| (r.free_place, r.free_at_ms) = (at(0, 100), NOW + 2 * MINUTE));
    // Of several gates, the first.
    check("not_available", &|r| (r.available, r.stale, r.load) = (false, true, 9));
}

#[test]
fn the_cheaper_rider_gets_the_offer() {
    let check = |why: &str, one: Rider, other: Rider, expected: &str| {
        assert_eq!(summary(&decide(vec![delivery(1)], vec![one, other])[0]), expected, "{why}");
    };
    check("an idle rider before a loaded one", r(1, 800, |r| r.load = 1), rider(2, 1_000), "offer 2");
    check("a loaded rider before one far away", r(1, 300, |r| r.load = 1), rider(2, 4_000), "offer 1");
    check(
        "the one whose load ends nearer",
        r(1, 100, |r| r.free_place = at(0, 2_500)),
        r(2, 100, |r| r.free_place = at(0, 500)),
        "offer 2",
    );
    check("the one who is free earlier", r(1, 800, |r| r.free_at_ms = NOW + 20 * MINUTE), rider(2, 900), "offer 2");
    check("the faster one", r(1, 2_000, |r| r.speed_mps = 3.0), rider(2, 2_000), "offer 2");
    check("the one who accepts more often", r(1, 800, |r| r.acceptance_permille = 300), rider(2, 800), "offer 2");
    check("the better rated one", r(1, 800, |r| r.rating_permille = 300), rider(2, 800), "offer 2");
    check(
        "the one who has been idle longer",
        rider(1, 800),
        r(2, 800, |r| r.idle_since_ms = NOW - 5 * MINUTE),
        "offer 2",
    );
    check("idle time does not make up for a long way", rider(1, 800), r(2, 2_000, |r| r.idle_since_ms = 0), "offer 1");
}

#[test]
fn many_deliveries() {
    let check = |why: &str, deliveries: Vec<Delivery>, riders: Vec<Rider>, expected: &[&str]| {
        let lines: Vec<_> = decide(deliveries, riders).iter().map(summary).collect();
        assert_eq!(lines, expected, "{why}");
    };
    let capacity_one = |n, east_m| r(n, east_m, |r| r.capacity = 1);
    let other = |n, change: &dyn Fn(&mut Delivery)| {
        let mut one = delivery(n);
        change(&mut one);
        one
    };

    check("one each", vec![delivery(1), delivery(2)], vec![rider(1, 500), rider(2, 600)], &["offer 1", "offer 2"]);
    check(
        "capacity counts what this plan gives",
        vec![delivery(1), delivery(2), delivery(3)],
        vec![capacity_one(1, 500), capacity_one(2, 600)],
        &["offer 1", "offer 2", "nobody nobody_fits"],
    );
    check(
        "a rider who got busier is priced again: 1.2 km away is cheaper than a second order",
        vec![delivery(1), delivery(2)],
        vec![rider(1, 500), rider(2, 1_200)],
        &["offer 1", "offer 2"],
    );
    check(
        "one rider, two deliveries, one after the other",
        vec![delivery(1), other(2, &|d| d.pickup = at(1_000, 100))],
        vec![rider(1, 500)],
        &["offer 1", "offer 1"],
    );
    check(
        "waiting food goes first, though it costs more",
        vec![delivery(1), other(2, &|d| (d.ready, d.promise_at_ms) = (Ready::at(NOW - 20 * MINUTE), NOW - 5 * MINUTE))],
        vec![capacity_one(1, 500)],
        &["nobody nobody_fits", "offer 1"],
    );
    check(
        "older goes first",
        vec![delivery(1), other(2, &|d| d.opened_at_ms = NOW - MINUTE)],
        vec![capacity_one(1, 500)],
        &["nobody nobody_fits", "offer 1"],
    );
    check(
        "two offers each from three riders with capacity one",
        vec![other(1, &|d| d.offers_wanted = 2), other(2, &|d| d.offers_wanted = 2)],
        vec![capacity_one(1, 500), capacity_one(2, 600), capacity_one(3, 700)],
        &["offer 1 2", "offer 3"],
    );
    check("an id twice", vec![delivery(1), delivery(1)], vec![rider(1, 500), rider(1, 500)], &["offer 1"]);
}

#[test]
fn of_a_rider_listed_twice_the_newest_position_counts() {
    let old = r(1, 9_000, |r| r.fix_age_ms = 5_000);
    let decision = &decide(vec![delivery(1)], vec![old.clone(), rider(1, 500)])[0];
    assert_eq!((summary(decision), gates(decision)), ("offer 1".into(), "1 open".into()));
    assert_eq!(decision, &decide(vec![delivery(1)], vec![rider(1, 500), old])[0]);
}

#[test]
fn candidates_are_priced_as_the_plan_stands_and_sorted_by_cost() {
    let riders = vec![r(1, 700, |r| r.capacity = 1), r(2, 600, |r| r.stale = true), rider(3, 4_000), rider(4, 900)];
    let decisions = decide(vec![delivery(1), delivery(2)], riders);
    assert_eq!(gates(&decisions[0]), "1 open, 4 open, 3 open, 2 stale");
    assert_eq!(gates(&decisions[1]), "4 open, 3 open, 1 no_capacity, 2 stale");

    let riders = (1..=200).map(|n| rider(n, 5_100 - 20 * n as i32)).collect();
    let decision = &decide(vec![delivery(9)], riders)[0];
    assert_eq!((decision.candidates.len(), decision.left_out), (50, 150));
    assert_eq!(decision.candidates[0].rider, rdr(200));
    assert_eq!((decision.delivery, summary(decision)), (dlv(9), "offer 200".into()));
}

#[test]
fn the_terms_of_one_rider() {
    let deliveries =
        d(|d| (d.ready, d.promise_at_ms, d.opened_at_ms) = (Ready::at(NOW + MINUTE), NOW + 6 * MINUTE, NOW - MINUTE));
    let one = r(1, 1_000, |r| {
        (r.load, r.acceptance_permille, r.rating_permille) = (1, 900, 500);
    });
    let decision = &decide(deliveries, vec![one])[0];
    let terms = decision.candidates[0].terms.unwrap();
    // Two times 1 km at 5 m/s and 1.3: 260 s each.
    assert_eq!(terms.travel_ms, 104_000); // 260 s × 0.4
    assert_eq!(terms.food_wait_ms, 200_000); // 260 s − 60 s
    assert_eq!(terms.lateness_ms, 160_000); // 520 s − 360 s
    assert_eq!(terms.detour_ms, 52_000); // 260 s × 0.2
    assert_eq!(terms.rider_wait_ms, 0);
    assert_eq!(terms.load_ms, 180_000); // three minutes
    assert_eq!(terms.acceptance_ms, 6_000); // a tenth of a minute
    assert_eq!(terms.rating_ms, 15_000); // half of half a minute
    assert_eq!(terms.fairness_ms, 0); // loaded
    assert_eq!(terms.urgency_ms, -3_000); // known for a minute × 0.05
    let Outcome::Offer { riders } = &decision.outcome else { panic!("{decision:?}") };
    assert_eq!((riders[0].terms, riders[0].cost), (terms, terms.total()));
}

#[test]
fn a_city_at_thirty_times_the_speed_decides_alike() {
    let zone = zone::Policy { dispatch: DispatchAlgorithm::Greedy, ..zone::Policy::default() };
    let fast_zone = zone::Policy {
        minute_ms: zone.minute_ms / 30,
        search_lead_ms: zone.search_lead_ms / 30,
        hold_ms: zone.hold_ms / 30,
        give_up_ms: zone.give_up_ms / 30,
        ..zone
    };
    let city = |speed: i64| {
        let mut deliveries: Vec<_> = (1..=20).map(delivery).collect();
        for (n, d) in (0..).zip(&mut deliveries) {
            d.pickup = at(170 * n, 0);
            d.ready = Ready::at(NOW + (n as i64 - 3) * MINUTE / speed);
            d.promise_at_ms = NOW + 20 * MINUTE / speed;
        }
        let riders = (1..=15).map(|n| r(n, 310 * n as i32, |r| r.speed_mps = 5.0 * speed as f64)).collect();
        now(deliveries, riders)
    };
    let kinds = |s: &Snapshot, z| {
        let plan = plan(s, &Policy::of_zone(z));
        let line = |d: &pannier_engine::Decision| match &d.outcome {
            Outcome::Offer { .. } => summary(d),
            other => format!("{} {:?}", other.as_str(), other.reason()),
        };
        plan.decisions.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&city(1), &zone), kinds(&city(30), &fast_zone));
}

#[test]
fn accepted_deliveries_stay_with_their_rider() {
    let accepted = |n: u32| Trip { shop: shp(n), deliveries: vec![dlv(n)] };
    let near = r(1, 100, |r| (r.load, r.committed) = (1, vec![accepted(7)]));
    // The accepted food is ready in 30 minutes, so the near rider is free in more than half an hour.
    let mut theirs = delivery(7);
    (theirs.ready, theirs.offers_wanted) = (Ready::at(NOW + 30 * MINUTE), 0);
    let decisions = decide(vec![delivery(1), theirs], vec![near, rider(2, 1_000)]);
    assert_eq!(decisions.iter().map(|d| (d.delivery, summary(d))).collect::<Vec<_>>(), [(dlv(1), "offer 2".into())]);
}

#[test]
fn no_offer_is_made_for_a_pickup_after_the_end_of_the_shift() {
    let check = |minutes: i64, expected: &str| {
        let ends = r(1, 500, |r| r.shift_end_ms = NOW + minutes * MINUTE);
        assert_eq!(gates(&decide(vec![delivery(1)], vec![ends])[0]), expected, "{minutes} min");
    };
    check(5, "1 open");
    check(4, "1 shift_over");
}
