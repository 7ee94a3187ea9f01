use super::super::example::{instance, solution};
use super::super::solution::Drop;
use super::*;

const LATE: DayOptions = DayOptions {
    policy: super::super::solution::PolicyName::Horizon,
    reposition: true,
    commit: Commit::Pickup,
    kitchen: super::super::solution::Kitchen::Known,
    seed: 1,
};
const STRICT: DayOptions = DayOptions { commit: Commit::Departure, ..LATE };
const STILL: DayOptions = DayOptions { reposition: false, ..LATE };
const STRICT_STILL: DayOptions = DayOptions { reposition: false, ..STRICT };

/// What the check says to the example's solution after a change.
fn said(options: &DayOptions, change: impl FnOnce(&mut Solution)) -> Vec<String> {
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
    for options in [LATE, STRICT, STILL] {
        assert!(said(&options, |_| {}).is_empty());
    }
    for options in [LATE, STRICT, STILL, STRICT_STILL] {
        assert!(said(&options, without_the_empty_move).is_empty());
    }
}

/// c2 goes to r2 from its start: ten minutes before it left from r1 would have been five.
fn without_the_empty_move(s: &mut Solution) {
    s.moves.remove(1);
    s.moves[3] = Move { departure: 36, from: Site::Start, ..s.moves[3] };
    (s.assignments[1].pickup, s.moves[4].departure, s.assignments[1].drops[0].at) = (46, 48, 50);
}

#[test]
fn each_rule_is_seen_when_it_is_broken() {
    type Change = fn(&mut Solution);
    let rows: &[(DayOptions, Change, &str)] = &[
        (LATE, |s| s.assignments[1].courier = 2, "Unknown -"),
        (LATE, |s| s.assignments[1].drops[0].order = 9, "Unknown c2"),
        (LATE, |s| s.moves[1].to = Site::Restaurant(2), "Unknown c2"),
        (LATE, |s| s.assignments[1].drops.clear(), "NoOrder c2"),
        (LATE, |s| s.assignments[1].drops[0].order = 1, "Twice c2 o2"),
        (LATE, |s| s.assignments[1].drops.push(Drop { order: 0, at: 60 }), "Twice c2 o1"),
        (LATE, |s| s.assignments[0].drops[1].order = 3, "TwoRestaurants c1 o4"),
        (LATE, |s| s.assignments[0].assigned = 3, "Reveal c1 o2"),
        (LATE, |s| s.assignments[1].pickup = 44, "Ready c2 o3"),
        (LATE, |s| s.assignments[0].assigned = 13, "Final c1 o1"),
        (LATE, |s| s.moves[0].departure = 6, "PickupService c1 o1"),
        (LATE, |s| s.moves[2].departure = 13, "LeavesRestaurant c1 o1"),
        (LATE, |s| s.moves[4].to = Site::Restaurant(0), "WrongPlace c2 o3"),
        (LATE, |s| drop(s.moves.drain(0..1)), "WrongPlace c1 o1"),
        (LATE, |s| s.moves[2].departure = 15, "DropoffService c1 o1"),
        (LATE, |s| s.assignments[0].drops[0].at = 25, "DropoffService c1 o1"),
        (LATE, |s| s.moves[3].departure = 27, "LeavesCustomer c1 o1"),
        (LATE, |s| s.assignments[0].drops.reverse(), "Sequence c1 o2"),
        (LATE, |s| s.moves.truncate(5), "Sequence c2 o3"),
        (LATE, |s| s.assignments.truncate(1), "Sequence c2"),
        (LATE, |s| s.moves[3].from = Site::Restaurant(0), "Continuity c1"),
        (LATE, |s| s.moves[4].from = Site::Start, "Continuity c2"),
        (LATE, |s| s.moves[4].departure = 14, "Diverted c2"),
        (LATE, |s| s.moves[0].departure = -1, "BeforeShift c1"),
        (LATE, |s| s.assignments[1].pickup = 61, "AfterShift c2 o3"),
        (STRICT_STILL, |s| s.assignments[0].assigned = 6, "Committed c1 o1"),
        (STRICT_STILL, |_| {}, "EmptyMove c2"),
        (STILL, |s| s.moves[4].departure = 29, "EmptyMove c2"),
        (STILL, |s| s.moves[0].departure = 1, "EmptyMove c1"),
    ];
    for (options, change, expected) in rows {
        let said = said(options, change);
        assert!(said.iter().any(|v| v == expected), "{expected} expected, said was {said:?}");
    }
}

#[test]
fn assignments_that_overlap_are_seen() {
    let said = said(&LATE, |s| {
        s.assignments[1].courier = 0;
        s.assignments[1].pickup = 30;
    });
    assert!(said.contains(&"OneAtATime c1 o3".to_owned()), "{said:?}");
}

#[test]
fn a_move_whose_order_went_to_somebody_else_is_no_empty_move_while_orders_are_open_until_pickup() {
    // o1 and o2 are still in r1 when c2 leaves for it at 10; c1 has them at 12.
    assert!(said(&STILL, |s| s.moves[1].departure = 10).is_empty());
    assert_eq!(said(&STILL, |s| s.moves[1].departure = 12), ["EmptyMove c2"]);
    assert_eq!(said(&STRICT_STILL, |s| s.moves[1].departure = 10), ["EmptyMove c2"]);
}

#[test]
fn a_violation_is_a_sentence() {
    let mut solution = solution();
    solution.assignments[1].pickup = 44;
    let found = check(&instance(), &LATE, &solution);
    let expected = "courier c2, order o3, picked up at 44, ready at 45 (rule: no pickup before the food is ready)";
    assert_eq!(found[0].to_string(), expected);
}
