use super::super::fixture::{instance, solution};
use super::super::solution::PolicyName;
use super::*;

const PICKUP: DayOptions = DayOptions {
    policy: PolicyName::Horizon,
    reposition: true,
    commit: Commit::Pickup,
    kitchen: Kitchen::Known,
    seed: 1,
};
const DEPARTURE: DayOptions = DayOptions { commit: Commit::Departure, ..PICKUP };
const NO_REPOSITION: DayOptions = DayOptions { reposition: false, ..PICKUP };
const DEPARTURE_NO_REPOSITION: DayOptions = DayOptions { reposition: false, ..DEPARTURE };

/// The violations of the example solution after a change.
fn violations(options: &DayOptions, change: impl FnOnce(&mut Solution)) -> Vec<String> {
    let mut solution = solution();
    change(&mut solution);
    let found = check(&instance(), options, &solution);
    found.iter().map(|v| format!("{:?} {}{}", v.rule, v.courier.as_deref().unwrap_or("-"), order(v))).collect()
}

fn order(v: &Violation) -> String {
    v.order.as_ref().map(|o| format!(" {o}")).unwrap_or_default()
}

#[test]
fn the_example_keeps_every_rule() {
    for options in [PICKUP, DEPARTURE, NO_REPOSITION] {
        assert!(violations(&options, |_| {}).is_empty());
    }
    for options in [PICKUP, DEPARTURE, NO_REPOSITION, DEPARTURE_NO_REPOSITION] {
        assert!(violations(&options, without_the_empty_move).is_empty());
    }
}

/// c2 moves to r2 from its start, which takes ten minutes instead of five from r1.
fn without_the_empty_move(s: &mut Solution) {
    s.moves.remove(1);
    s.moves[3] = Move { departure: 36, from: Site::Start, ..s.moves[3] };
    (s.assignments[1].pickup, s.moves[4].departure, s.assignments[1].dropoffs[0].at) = (46, 48, 50);
}

#[test]
fn each_rule_is_reported_when_it_is_violated() {
    type Change = fn(&mut Solution);
    let rows: &[(DayOptions, Change, &str)] = &[
        (PICKUP, |s| s.assignments[1].courier = 2, "Unknown -"),
        (PICKUP, |s| s.assignments[1].dropoffs[0].order = 9, "Unknown c2"),
        (PICKUP, |s| s.moves[1].to = Site::Restaurant(2), "Unknown c2"),
        (PICKUP, |s| s.assignments[1].dropoffs.clear(), "NoOrder c2"),
        (PICKUP, |s| s.assignments[1].dropoffs[0].order = 1, "Twice c2 o2"),
        (PICKUP, |s| s.assignments[1].dropoffs.push(Dropoff { order: 0, at: 60 }), "Twice c2 o1"),
        (PICKUP, |s| s.assignments[0].dropoffs[1].order = 3, "TwoRestaurants c1 o4"),
        (PICKUP, |s| s.assignments[0].assigned = 3, "Reveal c1 o2"),
        (PICKUP, |s| s.assignments[1].pickup = 44, "Ready c2 o3"),
        (PICKUP, |s| s.assignments[0].assigned = 13, "Final c1 o1"),
        (PICKUP, |s| s.moves[0].departure = 6, "PickupService c1 o1"),
        (PICKUP, |s| s.moves[2].departure = 13, "LeavesRestaurant c1 o1"),
        (PICKUP, |s| s.moves[4].to = Site::Restaurant(0), "WrongPlace c2 o3"),
        (PICKUP, |s| drop(s.moves.drain(0..1)), "WrongPlace c1 o1"),
        (PICKUP, |s| s.moves[2].departure = 15, "DropoffService c1 o1"),
        (PICKUP, |s| s.assignments[0].dropoffs[0].at = 25, "DropoffService c1 o1"),
        (PICKUP, |s| s.moves[3].departure = 27, "LeavesCustomer c1 o1"),
        (PICKUP, |s| s.assignments[0].dropoffs.reverse(), "Sequence c1 o2"),
        (PICKUP, |s| s.moves.truncate(5), "Sequence c2 o3"),
        (PICKUP, |s| s.assignments.truncate(1), "Sequence c2"),
        (PICKUP, |s| s.moves[3].from = Site::Restaurant(0), "Continuity c1"),
        (PICKUP, |s| s.moves[4].from = Site::Start, "Continuity c2"),
        (PICKUP, |s| s.moves[4].departure = 14, "Diverted c2"),
        (PICKUP, |s| s.moves[0].departure = -1, "BeforeShift c1"),
        (PICKUP, |s| s.assignments[1].pickup = 61, "AfterShift c2 o3"),
        (DEPARTURE_NO_REPOSITION, |s| s.assignments[0].assigned = 6, "Committed c1 o1"),
        (DEPARTURE_NO_REPOSITION, |_| {}, "EmptyMove c2"),
        (NO_REPOSITION, |s| s.moves[4].departure = 29, "EmptyMove c2"),
        (NO_REPOSITION, |s| s.moves[0].departure = 1, "EmptyMove c1"),
    ];
    for (options, change, expected) in rows {
        let found = violations(options, change);
        assert!(found.iter().any(|v| v == expected), "{expected} expected, found {found:?}");
    }
}

#[test]
fn overlapping_assignments_are_reported() {
    let found = violations(&PICKUP, |s| {
        s.assignments[1].courier = 0;
        s.assignments[1].pickup = 30;
    });
    assert!(found.contains(&"OneAtATime c1 o3".to_owned()), "{found:?}");
}

#[test]
fn a_move_towards_an_order_that_another_courier_picks_up_is_not_empty() {
    // o1 and o2 wait at r1 when c2 leaves for it at 10; c1 picks them up at 12.
    assert!(violations(&NO_REPOSITION, |s| s.moves[1].departure = 10).is_empty());
    assert_eq!(violations(&NO_REPOSITION, |s| s.moves[1].departure = 12), ["EmptyMove c2"]);
    assert_eq!(violations(&DEPARTURE_NO_REPOSITION, |s| s.moves[1].departure = 10), ["EmptyMove c2"]);
}

#[test]
fn a_violation_prints_as_a_sentence() {
    let mut solution = solution();
    solution.assignments[1].pickup = 44;
    let found = check(&instance(), &PICKUP, &solution);
    let expected = "courier c2, order o3, picked up at 44, ready at 45 (rule: no pickup before the food is ready)";
    assert_eq!(found[0].to_string(), expected);
}
