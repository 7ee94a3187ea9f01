use pannier_contracts::order::OrderState;

use super::super::lifecycle::has_ended_early;
use super::*;

const TOTAL: i64 = 1_000;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + 60 * minutes, 0).unwrap()
}

fn ended(kind: Operation, how: Ending) -> Step {
    Step { kind, amount: TOTAL, ending: Some((how, at(0))), is_unanswered: false }
}

fn part(amount: i64) -> Step {
    Step { amount, ..ended(Operation::Refund, Ending::Done) }
}

#[test]
fn money_is_released_when_an_order_ends_before_the_door() {
    for order in OrderState::ALL {
        assert_eq!(Target::of(*order, 100) == Target::Released(100), has_ended_early(*order), "{order}");
    }
}

#[test]
fn the_state_follows_from_the_operations() {
    use Ending::{Done, NotFound, Refused, Withdrawn};
    use Operation::{Authorise, Capture, Refund, Void};
    use PaymentState as P;
    let unanswered = |kind| Step { kind, amount: TOTAL, ending: None, is_unanswered: true };
    let intended = |kind| Step { kind, amount: TOTAL, ending: None, is_unanswered: false };
    let held = ended(Authorise, Done);
    for (steps, state, why) in [
        (vec![], P::Initiated, "nothing was asked"),
        (vec![intended(Authorise)], P::Initiated, "it is only intended"),
        (vec![unanswered(Authorise)], P::Unknown, "it may be held"),
        (vec![held], P::Authorised, "it is held"),
        (vec![ended(Authorise, Refused)], P::Failed, "the card was refused"),
        (vec![ended(Authorise, Refused), intended(Authorise)], P::Initiated, "another card is tried"),
        (vec![ended(Authorise, Withdrawn)], P::Voided, "it was never asked for"),
        (vec![ended(Authorise, NotFound)], P::Unknown, "it may still arrive"),
        (vec![ended(Authorise, NotFound), ended(Void, NotFound)], P::Unknown, "one look is not enough"),
        (vec![ended(Authorise, NotFound), ended(Void, NotFound), ended(Void, NotFound)], P::Voided, "two looks are"),
        (vec![held, unanswered(Capture)], P::Unknown, "it may be taken"),
        (vec![held, ended(Capture, Done)], P::Captured, "it is taken"),
        (vec![held, ended(Capture, Refused)], P::Failed, "it was refused"),
        (vec![held, ended(Capture, Refused), ended(Capture, Done)], P::Captured, "the second attempt took it"),
        (vec![held, ended(Capture, NotFound)], P::Authorised, "it was not taken"),
        (vec![held, ended(Capture, NotFound), ended(Void, Refused)], P::Authorised, "and not released"),
        (vec![held, ended(Void, Done)], P::Voided, "it is released"),
        (vec![held, ended(Capture, Done), ended(Refund, Refused)], P::Captured, "nothing was given back"),
        (vec![held, ended(Capture, Done), part(300)], P::PartiallyRefunded, "a part was given back"),
        (vec![held, ended(Capture, Done), part(300), part(700)], P::Refunded, "all was given back"),
        (vec![held, ended(Capture, Done), unanswered(Refund)], P::Unknown, "it may be given back"),
    ] {
        assert_eq!(standing(&steps).state, state, "{why}: {steps:?}");
    }
}

#[test]
fn what_is_done_next() {
    use Ending::{Done, NotFound, Refused};
    use NextAction::{LookAgain, Perform, Rest};
    use Operation::{Authorise, Capture, Refund, Void};
    let (hold, take, back) = (Target::Authorised, Target::Captured, Target::Released(100));
    let held = ended(Authorise, Done);
    let lost = ended(Authorise, NotFound);
    let taken = [held, ended(Capture, Done)];
    let with = |steps: &[Step], step: Step| steps.iter().copied().chain([step]).collect::<Vec<_>>();
    for (steps, target, minute, next, why) in [
        (vec![], hold, 0, Perform(Authorise, TOTAL), "first the hold"),
        (vec![held], hold, 0, Rest, "the shop decides"),
        (vec![held], take, 0, Perform(Capture, TOTAL), "the shop has accepted"),
        (vec![held], back, 0, Perform(Void, TOTAL), "the order has ended"),
        (taken.to_vec(), take, 0, Rest, "it is taken"),
        (taken.to_vec(), back, 0, Perform(Refund, TOTAL), "all goes back"),
        (taken.to_vec(), Target::Released(0), 0, Rest, "nothing goes back"),
        (taken.to_vec(), Target::Released(40), 0, Perform(Refund, 400), "a part goes back"),
        (with(&taken, part(300)), back, 0, Perform(Refund, 700), "the rest goes back"),
        (with(&taken, part(500)), Target::Released(40), 0, Rest, "more than that was given back"),
        (vec![held], Target::Released(40), 0, Perform(Capture, TOTAL), "what is kept is taken first"),
        (vec![held, ended(Capture, Refused)], Target::Released(40), 0, Perform(Void, TOTAL), "it could not be taken"),
        (vec![held, ended(Capture, Refused)], take, 0, Rest, "a person decides"),
        (with(&taken, ended(Refund, Refused)), back, 0, Perform(Refund, TOTAL), "a refusal is not the end of a refund"),
        (vec![held, ended(Void, Refused)], back, 0, Perform(Void, TOTAL), "nor of a release"),
        (vec![lost], back, 0, Perform(Void, TOTAL), "a hold may arrive: by our reference"),
        (vec![lost, ended(Void, NotFound)], back, 9, LookAgain(at(10)), "it may be late"),
        (vec![lost, ended(Void, NotFound)], back, 10, Perform(Void, TOTAL), "the second look"),
        (vec![lost, ended(Void, NotFound), ended(Void, NotFound)], back, 10, Rest, "nothing will come"),
        (vec![ended(Authorise, Refused)], back, 0, Rest, "nothing is held"),
    ] {
        assert_eq!(next_action(&steps, target, TOTAL, at(minute)), next, "{why}: {steps:?}");
    }
}
