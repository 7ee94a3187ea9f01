//! Tokens of test cards: `tok_ok`, `tok_declined`, and how payments with them misbehave.

use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};

use crate::misbehaviour::{On, Rule};

/// What a token looks like, for whoever sent another one.
pub const GRAMMAR: &str = "a method is tok_ok or tok_declined, and may go on with -ON-DO or -ON-DO-TIMES, more of them \
    joined by a dot, as in tok_ok-capture-refuse-2.void-error_after; ON is authorise, capture, void, refund, query or any; \
    DO is decline, refuse, late, forget, no_answer, error_after, error_before, hang, callback_twice, callback_early, \
    callback_forged or no_callback";

/// What the card itself is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// It is authorised.
    Good,
    /// It is declined.
    Declined,
}

/// Reads a token.
///
/// # Errors
/// The grammar, when it is none.
pub fn parse(token: &str) -> Result<(Card, Vec<Rule>), String> {
    let (card, rules) = token.split_once('-').map_or((token, None), |(card, rules)| (card, Some(rules)));
    let card = match card {
        "tok_ok" => Card::Good,
        "tok_declined" => Card::Declined,
        _ => return Err(GRAMMAR.to_owned()),
    };
    let rules = rules.into_iter().flat_map(|rules| rules.split('.')).map(rule).collect::<Result<_, _>>()?;
    Ok((card, rules))
}

fn rule(text: &str) -> Result<Rule, String> {
    let mut words = text.split('-');
    let (on, behaviour, times) = (words.next().and_then(word), words.next().and_then(word), words.next());
    let times = times.map(str::parse).transpose().map_err(|_| GRAMMAR.to_owned())?;
    let (Some(on), Some(behaviour), None) = (on, behaviour, words.next()) else { return Err(GRAMMAR.to_owned()) };
    let rule = Rule { on, behaviour, times, reference: None, delay_ms: None };
    // A page of the ledger is of no payment.
    if on == On::Ledger {
        return Err(GRAMMAR.to_owned());
    }
    rule.check().map_err(|why| format!("{why}; {GRAMMAR}"))?;
    Ok(rule)
}

/// A word of the rules, spelled as in JSON.
fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    let word: StrDeserializer<'_, Error> = text.into_deserializer();
    T::deserialize(word).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::misbehaviour::Behaviour;

    fn rule(on: On, behaviour: Behaviour, times: Option<u32>) -> Rule {
        Rule { on, behaviour, times, reference: None, delay_ms: None }
    }

    #[test]
    fn tokens_are_read() {
        use {Behaviour as B, On as O};
        for (token, card, rules) in [
            ("tok_ok", Card::Good, vec![]),
            ("tok_declined", Card::Declined, vec![]),
            ("tok_ok-capture-refuse", Card::Good, vec![rule(O::Capture, B::Refuse, None)]),
            ("tok_ok-capture-refuse-2", Card::Good, vec![rule(O::Capture, B::Refuse, Some(2))]),
            ("tok_ok-authorise-late", Card::Good, vec![rule(O::Authorise, B::Late, None)]),
            (
                "tok_ok-void-error_after.query-hang-3",
                Card::Good,
                vec![rule(O::Void, B::ErrorAfter, None), rule(O::Query, B::Hang, Some(3))],
            ),
            ("tok_declined-any-no_answer-1", Card::Declined, vec![rule(O::Any, B::NoAnswer, Some(1))]),
        ] {
            assert_eq!(parse(token), Ok((card, rules)), "{token}");
        }
    }

    #[test]
    fn whoever_sends_another_token_learns_the_grammar() {
        for token in [
            "",
            "tok_x",
            "tok_ok-",
            "tok_ok-capture",
            "tok_ok-capture-sing",
            "tok_ok-capture-refuse-0",
            "tok_ok-capture-refuse-two",
            "tok_ok-capture-refuse-2-3",
            "tok_ok-capture-refuse.",
            "tok_ok-capture-decline",
            "tok_ok-query-refuse",
            "tok_ok-ledger-hang",
        ] {
            assert!(parse(token).is_err_and(|detail| detail.ends_with(GRAMMAR)), "{token}");
        }
    }
}
