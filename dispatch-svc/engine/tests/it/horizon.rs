//! Plans of `horizon`, by example.

use pannier_contracts::DeliveryId;
use pannier_engine::{
    Delivery, Forecast, Gate, Plan, Policy, Ready, Reposition, Rider, ShopForecast, Snapshot, Trip, plan,
};

use crate::world::{MINUTE, NOW, at, delivery, dlv, gates, now, number, put, rdr, rider, shp, summary};

fn horizon(deliveries: Vec<Delivery>, riders: Vec<Rider>) -> Plan {
    plan(&now(deliveries, riders), &Policy::default())
}

/// The decisions, each on one line.
fn lines(plan: &Plan) -> Vec<String> {
    plan.decisions.iter().map(summary).collect()
}

/// The routes on one line each. `1: 1 2 | 3`: rider 1 carries deliveries 1 and 2 in one trip, then 3.
fn routes(plan: &Plan) -> Vec<String> {
    let name = |d: &DeliveryId| u32::from_str_radix(&d.to_string()[4..], 16).unwrap().to_string();
    let trip = |t: &pannier_engine::PlannedTrip| t.trip.deliveries.iter().map(name).collect::<Vec<_>>().join(" ");
    let route = |r: &pannier_engine::PlannedRoute| {
        format!("{}: {}", number(r.rider), r.trips.iter().map(trip).collect::<Vec<_>>().join(" | "))
    };
    plan.routes.iter().map(route).collect()
}

fn ready_in(n: u32, minutes: i64) -> Delivery {
    Delivery { ready: Ready::at(NOW + minutes * MINUTE), ..delivery(n) }
}

#[test]
fn an_offer_is_made_just_in_time() {
    // A kilometre takes 260 s; the food is ready in 600 s.
    assert_eq!(lines(&horizon(vec![ready_in(1, 10)], vec![rider(1, 1_000)])), ["hold 340s planned"]);
    // Not before the search lead of 15 minutes.
    assert_eq!(lines(&horizon(vec![ready_in(1, 20)], vec![rider(1, 1_000)])), ["hold 300s too_early"]);
    assert_eq!(lines(&horizon(vec![ready_in(1, 4)], vec![rider(1, 1_000)])), ["offer 1"]);
}

#[test]
fn of_uncertain_ready_times_the_first_one_counts() {
    let times: Vec<i64> = [8, 10, 12, 20].iter().map(|m| NOW + m * MINUTE).collect();
    let uncertain = Delivery { ready: Ready::any_of(&times), ..delivery(1) };
    assert_eq!(lines(&horizon(vec![uncertain], vec![rider(1, 1_000)])), ["hold 220s planned"]);
}

#[test]
fn two_deliveries_of_one_shop_share_a_trip() {
    let second = Delivery { shop: shp(1), dropoff: at(1_100, 50), ..delivery(2) };
    let plan = horizon(vec![delivery(1), second], vec![rider(1, 200)]);
    assert_eq!(routes(&plan), ["1: 1 2"]);
}

#[test]
fn the_nearest_rider_is_kept_for_the_delivery_that_needs_them() {
    // Rider 2 is nearest to both counters; rider 1 can only do the western one in time.
    let west = Delivery { pickup: at(0, -500), dropoff: at(500, -500), ..ready_in(1, 0) };
    let east = Delivery { pickup: at(0, 600), dropoff: at(500, 600), ..ready_in(2, 0) };
    let plan = horizon(vec![west, east], vec![rider(1, -1_600), rider(2, 0)]);
    assert_eq!(routes(&plan), ["1: 1", "2: 2"]);
}

#[test]
fn a_delivery_joins_an_accepted_trip_of_its_shop() {
    let mut going = rider(1, 0);
    (going.load, going.committed) = (1, vec![Trip { shop: shp(1), deliveries: vec![dlv(1)] }]);
    let accepted = Delivery { offers_wanted: 0, ..ready_in(1, 3) };
    let more = Delivery { shop: shp(1), dropoff: at(1_050, 0), ..ready_in(2, 3) };
    let plan = horizon(vec![accepted, more], vec![going.clone(), rider(2, 3_000)]);
    assert_eq!(routes(&plan), ["1: 1 2"]);
    // An accepted delivery needs no decision; the other one is offered at once.
    assert_eq!(lines(&plan), ["offer 1"]);
    going.load = 2;
    let more = Delivery { shop: shp(1), dropoff: at(1_050, 0), ..ready_in(2, 3) };
    let accepted = Delivery { offers_wanted: 0, ..ready_in(1, 3) };
    let full = horizon(vec![accepted, more], vec![going]);
    assert!(lines(&full)[0].ends_with("rider_full"), "{:?}", lines(&full));
}

#[test]
fn an_open_offer_stays_with_its_rider() {
    let offered = Delivery { offers_wanted: 0, offered_to: vec![rdr(2)], ..ready_in(1, 0) };
    let plan = horizon(vec![offered, ready_in(2, 0)], vec![rider(1, 900), rider(2, 1_000)]);
    assert_eq!(routes(&plan), ["1: 2", "2: 1"]);
    assert_eq!(lines(&plan), ["nobody none_wanted", "offer 1"]);
}

/// Plans again, with the routes of the plan before as the start.
fn then(before: &Plan, snapshot: Snapshot) -> Plan {
    let previous = before.routes.iter().map(pannier_engine::PlannedRoute::route).collect();
    plan(&Snapshot { previous, ..snapshot }, &Policy::default())
}

#[test]
fn a_declined_delivery_is_offered_to_another_rider() {
    let riders = vec![rider(1, 300), rider(2, 800)];
    let before = horizon(vec![ready_in(1, 0)], riders.clone());
    assert_eq!(lines(&before), ["offer 1"]);
    let declined = Delivery { excluded: vec![rdr(1)], ..ready_in(1, 0) };
    let after = then(&before, now(vec![declined], riders));
    assert_eq!(lines(&after), ["offer 2"]);
    assert_eq!(gates(&after.decisions[0]), "2 open, 1 excluded");
}

#[test]
fn the_delivery_of_a_silent_rider_is_planned_for_another() {
    let before = horizon(vec![ready_in(1, 9)], vec![rider(1, 300), rider(2, 800)]);
    assert_eq!(routes(&before), ["1: 1"]);
    let silent = Rider { stale: true, ..rider(1, 300) };
    let after = then(&before, now(vec![ready_in(1, 9)], vec![silent, rider(2, 800)]));
    assert_eq!(routes(&after), ["2: 1"]);
    assert_eq!(gates(&after.decisions[0]), "2 open, 1 stale");
}

#[test]
fn a_delivery_whose_food_gets_late_is_done_last() {
    let riders = || vec![rider(1, 500)];
    let late = |minutes| Delivery { pickup: at(0, 700), ..ready_in(2, minutes) };
    let before = horizon(vec![ready_in(1, 5), late(12)], riders());
    assert_eq!(routes(&before), ["1: 1 | 2"]);
    // The food of the first is a quarter of an hour late: the rider carries the other one first.
    let after = then(&before, now(vec![ready_in(1, 20), late(12)], riders()));
    assert_eq!(routes(&after), ["1: 2 | 1"]);
}

#[test]
fn no_pickup_is_planned_after_the_end_of_the_shift() {
    let leaving = Rider { shift_end_ms: NOW + 3 * MINUTE, ..rider(1, 100) };
    let plan = horizon(vec![ready_in(1, 4)], vec![leaving, rider(2, 2_000)]);
    assert_eq!(routes(&plan), ["2: 1"]);
    let candidates = &plan.decisions[0].candidates;
    assert_eq!(candidates.iter().map(|c| c.gate).collect::<Vec<_>>(), [None, Some(Gate::ShiftOver)]);
}

#[test]
fn with_repositioning_on_idle_riders_are_sent_to_busy_shops() {
    let mut snapshot = now(vec![], vec![rider(1, 0), rider(2, 100), rider(3, 200)]);
    let busy = ShopForecast { shop: shp(7), place: at(0, 1_300), orders_per_minute: 0.5 };
    let calm = ShopForecast { shop: shp(8), place: at(0, 100), orders_per_minute: 0.01 };
    snapshot.forecast =
        Forecast { shops: vec![busy, calm], orders_per_minute: 0.51, prep_times_ms: vec![], riders_on_shift: 3 };
    assert!(plan(&snapshot, &Policy::default()).moves.is_empty(), "it is off by default");
    let on = Policy { reposition: Reposition { on: true, ..Reposition::default() }, ..Policy::default() };
    let moves = plan(&snapshot, &on).moves;
    assert!(moves.iter().any(|m| m.shop == shp(7) && m.gain_ms >= on.reposition.least_gain_ms), "{moves:?}");
    assert!(moves.len() < 3, "one rider stays: {moves:?}");
    // No move saves this much.
    let dear = Policy { reposition: Reposition { least_gain_ms: i64::MAX, ..on.reposition.clone() }, ..on };
    assert!(plan(&snapshot, &dear).moves.is_empty());
    let mut far = snapshot.clone();
    far.riders.iter_mut().for_each(|r| put(r, at(40_000, 0)));
    assert!(
        plan(&far, &Policy { reposition: Reposition { on: true, ..Reposition::default() }, ..Policy::default() })
            .moves
            .is_empty(),
        "too far away"
    );
}
