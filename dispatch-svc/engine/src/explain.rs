//! A stored round in sentences: for operations, who want to know why not somebody else, and for a rider, who wants to
//! know why they. Nothing is computed again: the sentences say what the round remembers.

use std::collections::BTreeMap;

use pannier_contracts::RiderId;

use crate::outcome::{Candidate, HoldReason, NobodyReason};
use crate::{Gate, Terms};

/// What a round remembers.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// When it was made, milliseconds since 1970.
    pub at_ms: i64,
    /// Why it is not an offer: the word of a [`HoldReason`] or a [`NobodyReason`].
    pub reason: Option<&'a str>,
    /// When a hold is looked at again, milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Who was asked; empty when nobody was.
    pub asked: &'a [RiderId],
    /// Who was looked at, the cheapest first, those behind a gate last.
    pub candidates: &'a [Candidate],
    /// How many more were looked at.
    pub left_out: u32,
}

/// Why it was decided like this, for operations. The first sentence says what was decided.
#[must_use]
pub fn for_ops(round: &Round) -> Vec<String> {
    let mut told = Vec::new();
    let chosen: Vec<&Candidate> =
        round.asked.iter().filter_map(|r| round.candidates.iter().find(|c| c.rider == *r)).collect();
    if round.asked.is_empty() {
        told.push(why_nobody(round));
    }
    for rider in round.asked {
        match chosen.iter().find(|c| c.rider == *rider).and_then(|c| Some((c.cost?, c.terms?))) {
            Some((cost, terms)) => {
                told.push(format!("{rider} is asked, at a cost of {}: {}.", minutes(cost), taken_apart(&terms)));
            }
            None => told.push(format!("{rider} is asked.")),
        }
    }
    let rival = round.candidates.iter().find(|c| c.gate.is_none() && !round.asked.contains(&c.rider));
    if let (Some(best), Some(rival)) = (chosen.first(), rival) {
        told.extend(compare(best, rival));
    } else if let (true, Some(rival)) = (round.asked.is_empty(), rival) {
        if let (Some(cost), Some(terms)) = (rival.cost, rival.terms) {
            told.push(format!(
                "As things stand {} would cost {}: {}.",
                rival.rider,
                minutes(cost),
                taken_apart(&terms)
            ));
        }
    } else if !round.asked.is_empty() {
        told.push("Nobody else could be asked.".to_owned());
    }
    told.extend(who_may_not(round));
    told
}

/// Why this rider is asked, for themselves; nothing about anybody else. `None` when they are not asked.
#[must_use]
pub fn for_rider(round: &Round, rider: RiderId) -> Option<String> {
    let candidate = round.candidates.iter().find(|c| c.rider == rider).filter(|_| round.asked.contains(&rider))?;
    let terms = candidate.terms?;
    let wait = match terms.food_wait_ms {
        ..30_000 => "you can be at the counter when the food is ready".to_owned(),
        ms => format!("you can be at the counter about {} after the food is ready", minutes(ms)),
    };
    let own_way = if terms.others_ms > 0 {
        format!("; it makes your other orders {} later", minutes(terms.others_ms))
    } else if terms.load_ms > 0 || terms.others_ms < 0 {
        "; it fits with what you already have".to_owned()
    } else {
        String::new()
    };
    Some(format!("You are asked because {wait}{own_way}."))
}

fn why_nobody(round: &Round) -> String {
    let reason = round.reason.unwrap_or_default();
    let wait_ms = round.until_ms.map(|until| until.saturating_sub(round.at_ms));
    let then = wait_ms.map(|ms| format!(" The next look is in {}, or when something changes.", minutes(ms)));
    let why = if let Ok(hold) = reason.parse::<HoldReason>() {
        match hold {
            HoldReason::TooEarly => "It is too early to look for a rider.",
            HoldReason::WouldWait => "Everyone who could come now would stand at the counter for too long.",
            HoldReason::CheaperLater => "The cheapest rider would still stand at the counter for too long.",
            HoldReason::Planned => "A rider is planned and will be asked just in time for the food.",
            HoldReason::RiderFull => "The planned rider has as many orders as they can take.",
        }
    } else if let Ok(nobody) = reason.parse::<NobodyReason>() {
        match nobody {
            NobodyReason::NoneWanted => "As many riders are being asked as may be.",
            NobodyReason::GivenUp => "It is too long after the food was ready; nobody is looked for any more.",
            NobodyReason::NoRiders => "No rider is known nearby.",
            NobodyReason::NobodyFits => "No rider can take it.",
        }
    } else {
        "Nobody was asked."
    };
    format!("{why}{}", then.unwrap_or_default())
}

fn compare(best: &Candidate, rival: &Candidate) -> Option<String> {
    let (more_ms, ours, theirs) = (rival.cost? - best.cost?, best.terms?, rival.terms?);
    if more_ms < 0 {
        // The plan as a whole is better although this delivery alone would not be.
        return Some(format!(
            "{} would be {} cheaper for this delivery alone, but is better used elsewhere in the plan.",
            rival.rider,
            minutes(-more_ms)
        ));
    }
    let gap = ours.named().into_iter().zip(theirs.named()).map(|((name, a), (_, b))| (b - a, name)).max()?;
    let because =
        if gap.0 > 0 { format!(", mostly for {} ({} more)", words(gap.1), minutes(gap.0)) } else { String::new() };
    Some(format!("The next best, {}, would cost {} more{because}.", rival.rider, minutes(more_ms)))
}

fn who_may_not(round: &Round) -> Option<String> {
    let mut gates: BTreeMap<Gate, u32> = BTreeMap::new();
    for gate in round.candidates.iter().filter_map(|c| c.gate) {
        *gates.entry(gate).or_default() += 1;
    }
    if gates.is_empty() && round.left_out == 0 {
        return None;
    }
    let mut counts: Vec<String> = gates.into_iter().map(|(gate, n)| format!("{n} {}", behind(gate))).collect();
    if round.left_out > 0 {
        counts.push(format!("{} more not listed", round.left_out));
    }
    Some(format!("Not asked: {}.", counts.join(", ")))
}

fn behind(gate: Gate) -> &'static str {
    match gate {
        Gate::NotAvailable => "offline or paused",
        Gate::Stale => "silent",
        Gate::Excluded => "declined or did not answer",
        Gate::AlreadyOffered => "being asked already",
        Gate::TooFar => "too far away",
        Gate::NoCapacity => "without room",
        Gate::WouldWaitTooLong => "too early at the counter",
        Gate::ShiftOver => "whose shift ends before",
        Gate::OutOfReach => "further away than those who were priced",
    }
}

/// The terms that matter, the biggest first.
fn taken_apart(terms: &Terms) -> String {
    let mut named: Vec<(i64, &str)> =
        terms.named().into_iter().filter(|(_, ms)| ms.abs() >= 500).map(|(name, ms)| (ms, name)).collect();
    named.sort_by_key(|(ms, name)| (-ms.abs(), *name));
    if named.is_empty() {
        return "nothing speaks against it".to_owned();
    }
    let told: Vec<String> =
        named.into_iter().map(|(ms, name)| format!("{} for {}", minutes(ms), words(name))).collect();
    told.join(", ")
}

fn words(term: &str) -> &'static str {
    match term {
        "travel_ms" => "the way to the shop",
        "rider_wait_ms" => "waiting at the counter",
        "food_wait_ms" => "the food waiting",
        "lateness_ms" => "being later than promised",
        "load_ms" => "what the rider already has",
        "detour_ms" => "the detour from that",
        "later_ms" => "fitting only later",
        "acceptance_ms" => "the chance of a no",
        "rating_ms" => "the rating",
        "ride_ms" => "the way to the door",
        "others_ms" => "the delay of others",
        "busy_ms" => "the work",
        "end_ms" => "when and where it ends",
        "absence_ms" => "being missed by the next orders",
        "fairness_ms" => "having been idle",
        "urgency_ms" => "having waited",
        _ => "something else",
    }
}

/// `4.2 min`, by whole numbers only.
fn minutes(ms: i64) -> String {
    let tenths = (ms.abs() + 3_000) / 6_000;
    let sign = if ms < 0 && tenths > 0 { "-" } else { "" };
    format!("{sign}{}.{} min", tenths / 10, tenths % 10)
}
