use serde_json::json;

use super::*;

const NORMAL: Plan = Plan { effect: Effect::Now(Ending::Done), answering: Answering::Given, delivery: Delivery::Once };

fn new(on: On, method: &str) -> Call<'_> {
    Call { on, reference: Some("pay_1"), method: Some(method), is_new: true }
}

fn plan(token: &str, on: On) -> Plan {
    Misbehaviours::default().plan(&new(on, token))
}

#[test]
fn each_behaviour_has_its_plan() {
    let effect = |effect| Plan { effect, ..NORMAL };
    let answering = |answering| Plan { answering, ..NORMAL };
    let delivery = |delivery| Plan { delivery, ..NORMAL };
    for (behaviour, expected) in [
        ("decline", effect(Effect::Now(Ending::Declined))),
        ("refuse", effect(Effect::Now(Ending::Refused))),
        ("forget", effect(Effect::Now(Ending::Forgotten))),
        ("late", effect(Effect::Late(None))),
        ("no_answer", answering(Answering::Lost)),
        ("error_after", answering(Answering::ErrorAfter)),
        ("error_before", answering(Answering::ErrorBefore)),
        ("hang", answering(Answering::Never)),
        ("callback_twice", delivery(Delivery::Twice)),
        ("callback_early", delivery(Delivery::Early)),
        ("callback_forged", delivery(Delivery::Forged)),
        ("no_callback", delivery(Delivery::None)),
    ] {
        assert_eq!(plan(&format!("tok_ok-authorise-{behaviour}"), On::Authorise), expected, "{behaviour}");
    }
}

#[test]
fn a_rule_is_about_its_calls_only() {
    let lost = Plan { answering: Answering::Lost, ..NORMAL };
    for (token, on, expected) in [
        ("tok_ok", On::Authorise, NORMAL),
        ("tok_ok-capture-no_answer", On::Capture, lost),
        ("tok_ok-capture-no_answer", On::Void, NORMAL),
        ("tok_ok-any-no_answer", On::Refund, lost),
        ("tok_ok-any-no_answer", On::Query, lost),
        ("tok_ok-void-hang.capture-no_answer", On::Capture, lost),
        ("nonsense", On::Capture, NORMAL),
    ] {
        assert_eq!(plan(token, on), expected, "{token} {on:?}");
    }
    let mut commanded = Misbehaviours::default();
    let rule = json!({"on": "any", "do": "no_answer", "reference": "pay_2"});
    commanded.add(serde_json::from_value(rule).unwrap());
    assert_eq!(commanded.plan(&new(On::Capture, "tok_ok")), NORMAL, "another payment");
    assert_eq!(commanded.plan(&Call { reference: None, ..new(On::Ledger, "tok_ok") }), NORMAL, "of no payment");
    assert_eq!(commanded.plan(&Call { reference: Some("pay_2"), ..new(On::Capture, "tok_ok") }), lost);
}

#[test]
fn one_rule_of_each_group_is_followed() {
    let token = "tok_ok-capture-refuse.capture-late.capture-no_answer.capture-callback_twice";
    let expected = Plan { effect: Effect::Now(Ending::Refused), answering: Answering::Lost, delivery: Delivery::Twice };
    assert_eq!(plan(token, On::Capture), expected);
}

#[test]
fn what_was_answered_before_can_only_lose_its_answer() {
    let token = "tok_ok-capture-refuse-1.capture-error_after.capture-callback_twice-1";
    let mut all = Misbehaviours::default();
    let again = Call { is_new: false, ..new(On::Capture, token) };
    assert_eq!(all.plan(&again), Plan { answering: Answering::ErrorAfter, ..NORMAL });
    let first = all.plan(&new(On::Capture, token));
    assert_eq!((first.effect, first.delivery), (Effect::Now(Ending::Refused), Delivery::Twice), "nothing was used up");
}

#[test]
fn what_is_not_done_uses_up_no_other_rule() {
    let mut all = Misbehaviours::default();
    let token = "tok_ok-capture-error_before-1.capture-refuse-1";
    let plans = [(); 3].map(|()| all.plan(&new(On::Capture, token)));
    let refused = Plan { effect: Effect::Now(Ending::Refused), ..NORMAL };
    assert_eq!(plans, [Plan { answering: Answering::ErrorBefore, ..NORMAL }, refused, NORMAL]);
}

#[test]
fn rules_are_counted() {
    let mut all = Misbehaviours::default();
    let refused = Effect::Now(Ending::Refused);
    let late = json!({"on": "capture", "do": "late", "times": 1, "delay_ms": 20});
    all.add(serde_json::from_value(late).unwrap());
    let token = "tok_ok-capture-refuse-2";
    let effects = [(); 4].map(|()| all.plan(&new(On::Capture, token)).effect);
    assert_eq!(effects, [Effect::Late(Some(20)), refused, refused, Effect::Now(Ending::Done)], "commands come first");
    assert!(all.rules().is_empty(), "a rule that is used up is gone");
    let other = Call { reference: Some("pay_2"), ..new(On::Capture, token) };
    assert_eq!(all.plan(&other).effect, refused, "each payment counts for itself");
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    for (rule, makes_sense) in [
        (json!({"on": "authorise", "do": "decline"}), true),
        (json!({"on": "any", "do": "decline"}), false),
        (json!({"on": "ledger", "do": "hang", "times": 1}), true),
        (json!({"on": "ledger", "do": "late"}), false),
        (json!({"on": "query", "do": "callback_twice"}), false),
        (json!({"on": "void", "do": "late", "delay_ms": 5}), true),
        (json!({"on": "void", "do": "hang", "delay_ms": 5}), false),
        (json!({"on": "void", "do": "hang", "times": 0}), false),
    ] {
        let read: Rule = serde_json::from_value(rule.clone()).unwrap();
        assert_eq!(read.check().is_ok(), makes_sense, "{rule}");
    }
}
