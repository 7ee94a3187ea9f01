//! Lifecycles, and the shortest legal path from one state to another.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{Debug, Display};

/// A table of states and triggers, which [`lifecycle!`](crate::lifecycle!) declares.
pub trait Lifecycle {
    /// The states.
    type State: Copy + Ord + Debug + Display + 'static;
    /// What can happen in a state.
    type Trigger: Copy + Ord + Debug + Display + 'static;

    /// The aggregate's name in messages: `order`.
    const NAME: &'static str;
    /// Every state.
    fn states() -> &'static [Self::State];
    /// Every trigger.
    fn triggers() -> &'static [Self::Trigger];
    /// The state that `trigger` leads to, if the table allows it in `from`.
    fn table(from: Self::State, trigger: Self::Trigger) -> Option<Self::State>;

    /// The state that `trigger` leads to.
    ///
    /// # Errors
    /// When the table does not allow `trigger` in `from`.
    fn next(from: Self::State, trigger: Self::Trigger) -> Result<Self::State, IllegalTransition> {
        Self::table(from, trigger).ok_or_else(|| IllegalTransition {
            lifecycle: Self::NAME,
            from: from.to_string(),
            trigger: trigger.to_string(),
        })
    }

    /// Whether no trigger is allowed in this state.
    fn is_terminal(state: Self::State) -> bool {
        Self::triggers().iter().all(|t| Self::table(state, *t).is_none())
    }

    /// The table as text, one line for each state and trigger, for snapshot tests.
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

/// A trigger that is not allowed in the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} that is {from} cannot {}", with_article(.lifecycle), .trigger.replace('_', " "))]
pub struct IllegalTransition {
    /// [`Lifecycle::NAME`].
    pub lifecycle: &'static str,
    /// The current state.
    pub from: String,
    /// The trigger that is not allowed.
    pub trigger: String,
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// The triggers of the shortest path from `from` to any of the `wanted` states: empty when `from` is one of them, `None`
/// when no path leads there. For a consumer `None` means that the event is *late*: it is counted and changes nothing.
///
/// The path uses only `allowed` triggers, the ones that the consumer's event can mean. Without this, an event like
/// "picked up" could cancel an order because that is a shorter path. Among paths of the same length, the trigger that is
/// earlier in `allowed` wins.
pub fn catch_up<L: Lifecycle>(from: L::State, wanted: &[L::State], allowed: &[L::Trigger]) -> Option<Vec<L::Trigger>> {
    if wanted.contains(&from) {
        return Some(Vec::new());
    }
    let mut came_by: BTreeMap<L::State, (L::State, L::Trigger)> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(state) = queue.pop_front() {
        for trigger in allowed {
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
