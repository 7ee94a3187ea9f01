//! The macro `lifecycle!`: what it derives from a table, and what its check finds in a bad one.

use std::time::Duration;

use pannier_contracts::lifecycle::{Clock, Then};
use pannier_contracts::{Lifecycle as _, LifecycleTable as _, Role, lifecycle, text_enum};

text_enum! {
    /// The state of a parcel.
    pub enum State {
        /// At the shop.
        Waiting => "waiting",
        /// With its rider.
        OnTheRoad => "on_the_road",
        /// Not wanted now.
        Parked => "parked",
        /// With its customer.
        Delivered => "delivered",
        /// With nobody.
        Lost => "lost",
    }
}

text_enum! {
    /// What can happen to a parcel.
    pub enum Trigger {
        /// The rider takes it.
        Take => "be_taken",
        /// The customer gets it.
        Deliver => "be_delivered",
        /// Nobody knows where it is.
        Lose => "be_lost",
        /// It is not wanted now.
        Park => "be_parked",
    }
}

lifecycle! {
    /// A good table.
    pub struct Parcel is "parcel";
    states crate::State;
    triggers crate::Trigger;
    table parcel_table begins Waiting;

    Waiting {
        moves {
            Take => OnTheRoad,
            Lose => Lost,
            Park => Parked,
        }
        waits {
            kind::LATE: at "`ready_at` + 10 min" => alarm "nobody has fetched it",
            kind::GIVE_UP: after 2 h => Lose,
            kind::ORDER: elsewhere "with its order" => Park,
        }
        exits {
            rider "take" => Take,
            ops "settle" => Lose | Take Deliver,
            customer "park" => Park,
        }
    }
    OnTheRoad {
        moves { Deliver => Delivered, Lose => Lost }
        waits {
            kind::SILENT: unseen 90 s => watch "its rider is silent",
        }
        exits {
            rider "deliver" => Deliver,
            shop "lose" => Lose,
        }
    }
    Parked {
        moves { Take => OnTheRoad }
        rests "it is nobody's turn"
        led "its order goes on"
    }
}

mod kind {
    pub const LATE: &str = "late";
    pub const GIVE_UP: &str = "give_up";
    pub const ORDER: &str = "order";
    pub const SILENT: &str = "silent";
}

lifecycle! {
    /// A table with one gap of each kind.
    pub struct Bad is "parcel";
    states crate::State;
    triggers crate::Trigger;
    table bad_table begins Waiting;

    Waiting {
        moves { Take => OnTheRoad, Take => Lost }
        exits { rider "deliver" => Deliver }
    }
    OnTheRoad {
        moves { Lose => Lost }
        waits {
            kind::LATE: after 1 s => Deliver,
            kind::LATE: after 2 s => alarm "twice",
        }
    }
    Parked {
        moves { Take => OnTheRoad }
        waits { kind::LATE: after 1 h => Take }
        exits { ops "take" => Take }
    }
    Parked {
        moves { Take => OnTheRoad }
        rests "it is nobody's turn"
        exits { ops "take" => Take }
    }
}

#[test]
fn transitions_deadlines_and_actions_come_from_the_table() {
    assert_eq!(Parcel::next(State::Waiting, Trigger::Take), Ok(State::OnTheRoad));
    assert!(Parcel::next(State::OnTheRoad, Trigger::Take).is_err() && Parcel::is_terminal(State::Lost));

    assert_eq!(Parcel::timers(State::Waiting), ["late", "give_up"], "the order's clock is no timer here");
    assert!(Parcel::timers(State::OnTheRoad).is_empty() && Parcel::timers(State::Lost).is_empty());
    assert!(Parcel::ends_as_alarm("late") && !Parcel::ends_as_alarm("give_up") && !Parcel::ends_as_alarm("silent"));
    let give_up = Parcel::wait(State::Waiting, "give_up").expect("it is in the table");
    assert_eq!((give_up.clock, give_up.then), (Clock::Entered(Duration::from_secs(7_200)), Then::Move(Trigger::Lose)));

    assert_eq!(Parcel::actions(State::Waiting, Role::Ops), ["settle"]);
    assert_eq!(Parcel::actions(State::OnTheRoad, Role::Merchant), ["lose"]);
    assert!(Parcel::actions(State::Delivered, Role::Rider).is_empty());
    let settle = |to| Parcel::path(State::Waiting, Role::Ops, "settle", to);
    assert_eq!(settle(State::Delivered), Some(&[Trigger::Take, Trigger::Deliver][..]));
    assert_eq!((settle(State::Parked), Parcel::path(State::Lost, Role::Ops, "settle", State::Lost)), (None, None));
}

#[test]
fn a_table_prints_itself() {
    insta::assert_snapshot!(Parcel::markdown());
}

#[test]
fn a_good_table_has_no_gaps_and_each_gap_is_found() {
    assert_eq!(Parcel::gaps(), [""; 0]);
    insta::assert_snapshot!(Bad::gaps().join("\n"));
}
