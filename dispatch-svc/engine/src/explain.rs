//! A stored decision in sentences: for operations, who ask why another rider was not chosen, and for the rider who got the
//! offer. The sentences say what was stored; nothing is computed again.

use std::collections::BTreeMap;

use pannier_contracts::RiderId;

use crate::gates::Gate;
use crate::plan::{Candidate, HoldReason, NobodyReason};
use crate::terms::{Term, Terms};

/// A stored decision about one delivery.
#[derive(Debug, Clone, Copy)]
pub struct Round<'a> {
    /// When it was decided, milliseconds since 1970.
    pub at_ms: i64,
    /// Why no offer was made: the word of a [`HoldReason`] or a [`NobodyReason`].
    pub reason: Option<&'a str>,
    /// The end of a hold, milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// The riders who got an offer; empty when none did.
    pub asked: &'a [RiderId],
    /// The candidates, the cheapest first, those behind a gate last.
    pub candidates: &'a [Candidate],
    /// How many more candidates there were.
    pub left_out: u32,
}

/// The sentences for operations: what was decided first, then why no other rider, then which gates the others are behind.
#[must_use]
pub fn for_ops(round: &Round) -> Vec<String> {
    let mut sentences = Vec::new();
    let chosen: Vec<&Candidate> =
        round.asked.iter().filter_map(|r| round.candidates.iter().find(|c| c.rider == *r)).collect();
    if round.asked.is_empty() {
        sentences.push(why_nobody(round));
    }
    for rider in round.asked {
        match chosen.iter().find(|c| c.rider == *rider).and_then(|c| Some((c.cost?, c.terms?))) {
            Some((cost, terms)) => {
                sentences.push(format!("{rider} is asked, at a cost of {}: {}.", minutes(cost), breakdown(&terms)));
            }
            None => sentences.push(format!("{rider} is asked.")),
        }
    }
    let rival = round.candidates.iter().find(|c| c.gate.is_none() && !round.asked.contains(&c.rider));
    if let (Some(best), Some(rival)) = (chosen.first(), rival) {
        sentences.extend(compare(best, rival));
    } else if let (true, Some(rival)) = (round.asked.is_empty(), rival) {
        if let (Some(cost), Some(terms)) = (rival.cost, rival.terms) {
            sentences.push(format!(
                "As things stand {} would cost {}: {}.",
                rival.rider,
                minutes(cost),
                breakdown(&terms)
            ));
        }
    } else if !round.asked.is_empty() {
        sentences.push("Nobody else could be asked.".to_owned());
    }
    sentences.extend(gates(round));
    sentences
}

/// The sentence for a rider who got the offer, with nothing about other riders. `None` for a rider who got none.
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
        // The plan as a whole costs less, although this delivery alone costs more.
        return Some(format!(
            "{} would be {} cheaper for this delivery alone, but is better used elsewhere in the plan.",
            rival.rider,
            minutes(-more_ms)
        ));
    }
    // The term with the greatest difference; of several, the last by name.
    let differences = ours.list().into_iter().zip(theirs.list()).map(|(a, b)| Term { ms: b.ms - a.ms, ..a });
    let main = differences.max_by_key(|d| (d.ms, d.name))?;
    let because =
        if main.ms > 0 { format!(", mostly for {} ({} more)", main.words, minutes(main.ms)) } else { String::new() };
    Some(format!("The next best, {}, would cost {} more{because}.", rival.rider, minutes(more_ms)))
}

/// How many candidates are behind which gate.
fn gates(round: &Round) -> Option<String> {
    let mut numbers: BTreeMap<Gate, u32> = BTreeMap::new();
    for gate in round.candidates.iter().filter_map(|c| c.gate) {
        *numbers.entry(gate).or_default() += 1;
    }
    if numbers.is_empty() && round.left_out == 0 {
        return None;
    }
    let mut counts: Vec<String> = numbers.into_iter().map(|(gate, n)| format!("{n} {}", words(gate))).collect();
    if round.left_out > 0 {
        counts.push(format!("{} more not listed", round.left_out));
    }
    Some(format!("Not asked: {}.", counts.join(", ")))
}

fn words(gate: Gate) -> &'static str {
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

/// The terms of at least half a second, the greatest first.
fn breakdown(terms: &Terms) -> String {
    let mut listed: Vec<Term> = terms.list().into_iter().filter(|term| term.ms.abs() >= 500).collect();
    listed.sort_by_key(|term| (-term.ms.abs(), term.name));
    if listed.is_empty() {
        return "nothing speaks against it".to_owned();
    }
    let phrases: Vec<String> = listed.iter().map(|term| format!("{} for {}", minutes(term.ms), term.words)).collect();
    phrases.join(", ")
}

/// A time as `4.2 min`, rounded with integers.
fn minutes(ms: i64) -> String {
    let tenths = (ms.abs() + 3_000) / 6_000;
    let sign = if ms < 0 && tenths > 0 { "-" } else { "" };
    format!("{sign}{}.{} min", tenths / 10, tenths % 10)
}
