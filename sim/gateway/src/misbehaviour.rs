//! How the gateway misbehaves: rules, and what they decide about a call. No clock, no file, no HTTP.
//!
//! Rules are commanded over `/v1/control/misbehaviours`, or are part of the token that a payment was authorised with
//! ([`crate::token`]). A commanded rule comes first. The first rule of each group decides: one says whether there is an
//! answer, one whether and how the operation is done, one what becomes of the callback.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::operation::{Ending, Kind};
use crate::token;

/// The calls that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Authorisations.
    Authorise,
    /// Captures.
    Capture,
    /// Voids.
    Void,
    /// Refunds.
    Refund,
    /// Questions about an operation or an authorisation.
    Query,
    /// Pages of the ledger.
    Ledger,
    /// All of them.
    Any,
}

impl From<Kind> for On {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Authorise => Self::Authorise,
            Kind::Capture => Self::Capture,
            Kind::Void => Self::Void,
            Kind::Refund => Self::Refund,
        }
    }
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Declines the card. Stored.
    Decline,
    /// Refuses the operation for this key. Stored.
    Refuse,
    /// Does not answer, and does the operation after a delay.
    Late,
    /// Answers that it is done, and loses the payment.
    Forget,
    /// Does it, and drops the connection without an answer.
    NoAnswer,
    /// Does it, and answers 500.
    ErrorAfter,
    /// Does nothing, and answers 500.
    ErrorBefore,
    /// Does nothing, and never answers.
    Hang,
    /// Sends the callback twice.
    CallbackTwice,
    /// Sends the callback before the answer.
    CallbackEarly,
    /// Sends the callback with a wrong signature.
    CallbackForged,
    /// Sends no callback.
    NoCallback,
}

/// What a behaviour changes. A call follows at most one rule of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Effect,
    Answer,
    Callback,
}

impl Behaviour {
    fn group(self) -> Group {
        match self {
            Self::Decline | Self::Refuse | Self::Late | Self::Forget => Group::Effect,
            Self::NoAnswer | Self::ErrorAfter | Self::ErrorBefore | Self::Hang => Group::Answer,
            Self::CallbackTwice | Self::CallbackEarly | Self::CallbackForged | Self::NoCallback => Group::Callback,
        }
    }
}

/// A misbehaviour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The calls.
    pub on: On,
    /// What happens to them.
    #[serde(rename = "do")]
    pub behaviour: Behaviour,
    /// To how many calls it still happens; none means to all.
    #[serde(default)]
    pub times: Option<u32>,
    /// Only calls about this payment; none means all.
    #[serde(default)]
    pub reference: Option<String>,
    /// For `late`: milliseconds from the request until it takes effect; none means the setting.
    #[serde(default)]
    pub delay_ms: Option<u64>,
}

impl Rule {
    /// Checks that the behaviour is one of these calls.
    ///
    /// # Errors
    /// A sentence for the person who wrote the rule.
    pub fn check(&self) -> Result<(), &'static str> {
        let asks = matches!(self.on, On::Query | On::Ledger);
        match self.behaviour {
            _ if self.times == Some(0) => Err("times is at least 1; without it the rule stays"),
            behaviour if self.delay_ms.is_some() && behaviour != Behaviour::Late => Err("only late has a delay"),
            Behaviour::Decline if self.on != On::Authorise => Err("only an authorisation can be declined"),
            behaviour if asks && behaviour.group() != Group::Answer => {
                Err("query and ledger can have no_answer, error_after, error_before and hang")
            }
            _ => Ok(()),
        }
    }

    fn is_about(&self, call: &Call) -> bool {
        let is_named = self.on == call.on || self.on == On::Any;
        is_named && self.reference.as_deref().is_none_or(|reference| call.reference == Some(reference))
    }
}

/// A call of the payment API.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What it asks for; never [`On::Any`].
    pub on: On,
    /// The payment; none where it is not known.
    pub reference: Option<&'a str>,
    /// The token that the payment was authorised with, or is to be.
    pub method: Option<&'a str>,
    /// Whether it is an operation with a key that has no stored answer.
    pub is_new: bool,
}

/// What to do about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Whether it is done at once, and how it ends.
    pub effect: Effect,
    /// Whether it is answered.
    pub answering: Answering,
    /// Its callback.
    pub delivery: Delivery,
}

/// When an operation is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Now, with this end.
    Now(Ending),
    /// So many milliseconds later, or after the setting's, without an answer.
    Late(Option<u64>),
}

/// Whether a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// As it should be.
    Given,
    /// Done, and the connection is dropped.
    Lost,
    /// Done, and answered with 500.
    ErrorAfter,
    /// Not done, and answered with 500.
    ErrorBefore,
    /// Not done, and not answered.
    Never,
}

/// How the callback of an operation is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// After the effect, beside the answer.
    Once,
    /// Two times.
    Twice,
    /// Before the answer.
    Early,
    /// Signed with another secret.
    Forged,
    /// Not at all.
    None,
}

/// The rules that are commanded, and how often those of tokens were followed. Neither survives a restart.
#[derive(Debug, Default)]
pub struct Misbehaviours {
    rules: Vec<Rule>,
    /// By payment, and place of the rule in its token.
    followed: HashMap<(String, usize), u32>,
}

impl Misbehaviours {
    /// Adds a rule behind the others.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// The rules that are left, with the times that are left.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Removes all rules that were added.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// Decides about a call, and counts the rules that it follows.
    pub fn plan(&mut self, call: &Call) -> Plan {
        let mut plan =
            Plan { effect: Effect::Now(Ending::Done), answering: Answering::Given, delivery: Delivery::Once };
        plan.answering = match self.take(call, Group::Answer).map(|rule| rule.behaviour) {
            Some(Behaviour::NoAnswer) => Answering::Lost,
            Some(Behaviour::ErrorAfter) => Answering::ErrorAfter,
            Some(Behaviour::ErrorBefore) => Answering::ErrorBefore,
            Some(Behaviour::Hang) => Answering::Never,
            _ => Answering::Given,
        };
        let is_done = !matches!(plan.answering, Answering::ErrorBefore | Answering::Never);
        // What was answered before is not done again, so neither its end nor its callback can change.
        if !call.is_new || !is_done {
            return plan;
        }
        if let Some(rule) = self.take(call, Group::Effect) {
            plan.effect = match rule.behaviour {
                Behaviour::Decline => Effect::Now(Ending::Declined),
                Behaviour::Refuse => Effect::Now(Ending::Refused),
                Behaviour::Forget => Effect::Now(Ending::Forgotten),
                _ => Effect::Late(rule.delay_ms),
            };
        }
        plan.delivery = match self.take(call, Group::Callback).map(|rule| rule.behaviour) {
            Some(Behaviour::CallbackTwice) => Delivery::Twice,
            Some(Behaviour::CallbackEarly) => Delivery::Early,
            Some(Behaviour::CallbackForged) => Delivery::Forged,
            Some(Behaviour::NoCallback) => Delivery::None,
            _ => Delivery::Once,
        };
        plan
    }

    /// The first rule of this group about this call, counted.
    fn take(&mut self, call: &Call, group: Group) -> Option<Rule> {
        let fits = |rule: &Rule| rule.behaviour.group() == group && rule.is_about(call);
        if let Some(n) = self.rules.iter().position(fits) {
            let rule = &mut self.rules[n];
            let Some(times) = rule.times else { return Some(rule.clone()) };
            rule.times = Some(times.saturating_sub(1));
            return Some(if times > 1 { rule.clone() } else { self.rules.remove(n) });
        }
        let (_, rules) = token::parse(call.method?).ok()?;
        let reference = call.reference?;
        for (n, rule) in rules.into_iter().enumerate().filter(|(_, rule)| fits(rule)) {
            let Some(times) = rule.times else { return Some(rule) };
            let followed = self.followed.entry((reference.to_owned(), n)).or_default();
            if *followed < times {
                *followed += 1;
                return Some(rule);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
