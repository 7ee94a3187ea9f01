//! From the state something is in to the state it should be in, by legal steps only.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{Debug, Display};

/// A lifecycle: one table of states and triggers. Services implement it over their rust-fsm tables.
pub trait Lifecycle {
    /// Where something can be.
    type State: Copy + Ord + Debug + Display + 'static;
    /// What can happen to it.
    type Trigger: Copy + Ord + Debug + Display + 'static;

    /// What is it a lifecycle of, for messages: `order`.
    const NAME: &'static str;
    /// Every state.
    fn states() -> &'static [Self::State];
    /// Every trigger, cheapest explanation first: among equally short paths `catch_up` takes the earlier one.
    fn triggers() -> &'static [Self::Trigger];
    /// The table: the state that `trigger` leads to, if it may happen in `from`.
    fn table(from: Self::State, trigger: Self::Trigger) -> Option<Self::State>;

    /// The state that `trigger` leads to.
    ///
    /// # Errors
    /// When the table has no such edge; the error can explain itself to a person.
    fn next(from: Self::State, trigger: Self::Trigger) -> Result<Self::State, IllegalTransition> {
        Self::table(from, trigger).ok_or_else(|| IllegalTransition {
            lifecycle: Self::NAME,
            from: from.to_string(),
            trigger: trigger.to_string(),
        })
    }

    /// Nothing can happen any more.
    fn is_terminal(state: Self::State) -> bool {
        Self::triggers().iter().all(|t| Self::table(state, *t).is_none())
    }

    /// The whole table as text, one line a pair: what the snapshot tests pin.
    fn print() -> String {
        let mut out = String::new();
        for from in Self::states() {
            for trigger in Self::triggers() {
                let to = Self::table(*from, *trigger).map_or_else(|| "-".to_owned(), |to| to.to_string());
                out.push_str(&format!("{from:<22} {trigger:<22} {to}\n"));
            }
        }
        out
    }
}

/// Something that cannot happen in this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} that is {from} cannot {}", with_article(.lifecycle), .trigger.replace('_', " "))]
pub struct IllegalTransition {
    /// What it is a lifecycle of.
    pub lifecycle: &'static str,
    /// The state it is in.
    pub from: String,
    /// What was tried.
    pub trigger: String,
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// The shortest legal way from `from` to any state that is `wanted`; empty when it is there already,
/// `None` when no way leads there: the news is *late*, it is counted and changes nothing.
///
/// Only triggers that `may` be taken are walked: a consumer lists the ones that its news can mean, so that
/// "the delivery was picked up" never cancels an order because that happened to be a shorter way somewhere.
pub fn catch_up<L: Lifecycle>(from: L::State, wanted: &[L::State], may: &[L::Trigger]) -> Option<Vec<L::Trigger>> {
    if wanted.contains(&from) {
        return Some(Vec::new());
    }
    let mut came_by: BTreeMap<L::State, (L::State, L::Trigger)> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(state) = queue.pop_front() {
        for trigger in may {
            let Some(to) = L::table(state, *trigger) else { continue };
            if to == from || came_by.contains_key(&to) {
                continue;
            }
            came_by.insert(to, (state, *trigger));
            if wanted.contains(&to) {
                let mut path = Vec::new();
                let mut at = to;
                while let Some((previous, trigger)) = came_by.get(&at) {
                    path.push(*trigger);
                    at = *previous;
                    if at == from {
                        break;
                    }
                }
                path.reverse();
                return Some(path);
            }
            queue.push_back(to);
        }
    }
    None
}
