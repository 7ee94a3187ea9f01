//! One table per state machine: what can happen in a state, what it waits for, and what people may do about it.
//!
//! [`lifecycle!`](crate::lifecycle!) declares the table. The transitions, the timers, `allowed_actions` and the page
//! `docs/lifecycles.md` all come from it, so they cannot disagree. [`LifecycleTable::gaps`] finds the states from which
//! nothing leads on.

mod declare;
mod gaps;
mod page;

use std::time::Duration;

use crate::{Lifecycle, Role};

/// What is known of one open state. A state without a row is final.
#[derive(Debug, Clone, Copy)]
pub struct Row<S: 'static, T: 'static> {
    /// The state.
    pub state: S,
    /// What can happen in it, and where that leads.
    pub moves: &'static [(T, S)],
    /// Why it may last for ever without anybody being told; `None` for a state that has to wait for something.
    pub rests: Option<&'static str>,
    /// What ends it, or tells a person, when nothing else happens.
    pub waits: &'static [Wait<T>],
    /// Where else people end it, if it follows another aggregate.
    pub led: Option<&'static str>,
    /// What people may do in it.
    pub exits: &'static [Exit<T>],
}

/// A deadline of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait<T: 'static> {
    /// The kind of the timer, and of the alarm if it raises one.
    pub kind: &'static str,
    /// When it is due.
    pub clock: Clock,
    /// What happens then.
    pub then: Then<T>,
}

/// When a deadline is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// So long after the state was entered: a timer.
    Entered(Duration),
    /// At a time that is computed, by this rule: a timer.
    Planned(&'static str),
    /// So long after the last sign of life: a sweeper finds it, there is no timer.
    Unseen(Duration),
    /// By the clock of another aggregate, whose event moves this one: there is no timer here.
    Elsewhere(&'static str),
}

impl Clock {
    /// How long it lasts, if that does not depend on the aggregate.
    #[must_use]
    pub const fn length(self) -> Option<Duration> {
        match self {
            Self::Entered(length) | Self::Unseen(length) => Some(length),
            Self::Planned(_) | Self::Elsewhere(_) => None,
        }
    }

    /// Whether it is a row in the table of timers.
    #[must_use]
    pub const fn is_timer(self) -> bool {
        matches!(self, Self::Entered(_) | Self::Planned(_))
    }
}

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Entered(after) => write!(f, "after {}", words(*after)),
            Self::Planned(rule) => write!(f, "at {rule}"),
            Self::Unseen(after) => write!(f, "unseen for {}", words(*after)),
            Self::Elsewhere(rule) => write!(f, "{rule}"),
        }
    }
}

/// A duration in its largest whole unit.
fn words(duration: Duration) -> String {
    match duration.as_secs() {
        s if s > 0 && s % 3_600 == 0 => format!("{} h", s / 3_600),
        s if s > 0 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// What happens at a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then<T: 'static> {
    /// This trigger.
    Move(T),
    /// An alarm of the same kind, with these words for people. It takes the timer's place.
    Alarm(&'static str),
    /// A check that is repeated while the state lasts, and raises an alarm of the same kind with these words when it fails.
    Watch(&'static str),
}

/// What a person may do in a state.
#[derive(Debug, Clone, Copy)]
pub struct Exit<T: 'static> {
    /// Who may do it.
    pub who: Role,
    /// The word of `allowed_actions`: the last segment of the call's path.
    pub action: &'static str,
    /// What it does: one trigger after the other. Several where the person chooses the outcome.
    pub paths: &'static [&'static [T]],
}

/// A lifecycle that was declared with [`lifecycle!`](crate::lifecycle!).
pub trait LifecycleTable: Lifecycle {
    /// One row per open state.
    const ROWS: &'static [Row<Self::State, Self::Trigger>];

    /// The row of a state; none if it is final.
    #[must_use]
    fn row(state: Self::State) -> Option<&'static Row<Self::State, Self::Trigger>> {
        Self::ROWS.iter().find(|row| row.state == state)
    }

    /// The deadlines of a state.
    #[must_use]
    fn waits(state: Self::State) -> &'static [Wait<Self::Trigger>] {
        Self::row(state).map_or(&[], |row| row.waits)
    }

    /// The deadline of this kind in a state.
    #[must_use]
    fn wait(state: Self::State, kind: &str) -> Option<&'static Wait<Self::Trigger>> {
        Self::waits(state).iter().find(|wait| wait.kind == kind)
    }

    /// The kinds of timers that run in a state. All others are cleared when it is entered.
    #[must_use]
    fn timers(state: Self::State) -> Vec<&'static str> {
        Self::waits(state).iter().filter(|wait| wait.clock.is_timer()).map(|wait| wait.kind).collect()
    }

    /// Whether a deadline of this kind ends as an alarm of the same kind.
    #[must_use]
    fn ends_as_alarm(kind: &str) -> bool {
        let mut waits = Self::ROWS.iter().flat_map(|row| row.waits);
        waits.any(|wait| wait.kind == kind && matches!(wait.then, Then::Alarm(_)))
    }

    /// What this person may do in a state.
    fn exits(state: Self::State, who: Role) -> impl Iterator<Item = &'static Exit<Self::Trigger>> {
        Self::row(state).map_or(&[][..], |row| row.exits).iter().filter(move |exit| exit.who == who)
    }

    /// `allowed_actions` of a state for this person.
    #[must_use]
    fn actions(state: Self::State, who: Role) -> Vec<&'static str> {
        Self::exits(state, who).map(|exit| exit.action).collect()
    }

    /// The triggers by which this person's action leads to a state; `None` when it does not.
    #[must_use]
    fn path(from: Self::State, who: Role, action: &str, to: Self::State) -> Option<&'static [Self::Trigger]> {
        let paths = Self::exits(from, who).filter(|exit| exit.action == action).flat_map(|exit| exit.paths);
        paths.copied().find(|path| Self::walk(from, path) == Some(to))
    }

    /// Where these triggers lead; `None` when the table does not allow one of them.
    #[must_use]
    fn walk(from: Self::State, path: &[Self::Trigger]) -> Option<Self::State> {
        path.iter().try_fold(from, |state, trigger| Self::table(state, *trigger))
    }

    /// What is wrong with the table, a sentence each; nothing for a good one. Every open state has to wait for something or
    /// to rest, and a person has to be able to end it, here or where it is led.
    #[must_use]
    fn gaps() -> Vec<String> {
        gaps::of::<Self>()
    }

    /// The table in Markdown.
    #[must_use]
    fn markdown() -> String {
        page::of::<Self>()
    }
}
