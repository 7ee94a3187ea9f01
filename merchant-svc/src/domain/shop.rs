//! Limits on what a shop sends: names, menus, preparation times, ready times.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use pannier_contracts::Currency;
use pannier_contracts::merchant::MenuItem;

/// A value in a shop's request that is outside its limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Invalid {
    /// The problem code, for programs.
    pub code: &'static str,
    /// JSON pointer to the value in the body.
    pub pointer: String,
    /// What the limit is, for people.
    pub detail: String,
}

fn invalid<T>(code: &'static str, pointer: impl Into<String>, detail: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid { code, pointer: pointer.into(), detail: detail.into() })
}

/// Checks a text that people read: 1 to 128 bytes, not blank, no control characters.
///
/// # Errors
/// `text_invalid`, with the pointer that was given.
pub fn check_text(pointer: &str, text: &str) -> Result<(), Invalid> {
    if !(1..=128).contains(&text.len()) || text.trim().is_empty() || text.chars().any(char::is_control) {
        return invalid("text_invalid", pointer, "this is 1 to 128 bytes of text without control characters");
    }
    Ok(())
}

/// The longest preparation time, milliseconds.
const PREP_MAX_MS: i64 = 4 * 60 * 60 * 1000;

/// Checks a usual preparation time: 0 to 4 hours.
///
/// # Errors
/// `prep_ms_invalid`.
pub fn check_prep_ms(prep_ms: i64) -> Result<(), Invalid> {
    if !(0..=PREP_MAX_MS).contains(&prep_ms) {
        return invalid("prep_ms_invalid", "/prep_ms", "prep_ms is 0 to 14400000: up to four hours");
    }
    Ok(())
}

/// The most items of a menu.
const ITEMS_MAX: usize = 500;
/// The highest price of one item, minor units.
const PRICE_MAX: i64 = 100_000_000;

/// Checks a menu: at most 500 items, each SKU once, prices in the shop's currency.
///
/// # Errors
/// The first item that is wrong.
pub fn check_menu(items: &[MenuItem], currency: Currency) -> Result<(), Invalid> {
    if items.len() > ITEMS_MAX {
        return invalid("menu_too_long", "/items", format!("a menu has at most {ITEMS_MAX} items"));
    }
    let mut skus = BTreeSet::new();
    for (n, item) in items.iter().enumerate() {
        let at = |field: &str| format!("/items/{n}/{field}");
        check_text(&at("sku"), &item.sku)?;
        check_text(&at("name"), &item.name)?;
        if !skus.insert(&item.sku) {
            return invalid("sku_twice", at("sku"), format!("{} is on the menu twice", item.sku));
        }
        if item.price.currency != currency {
            return invalid("wrong_currency", at("price/currency"), format!("this shop's prices are in {currency}"));
        }
        if !(0..=PRICE_MAX).contains(&item.price.amount) {
            return invalid("price_invalid", at("price/amount"), format!("a price is 0 to {PRICE_MAX} minor units"));
        }
    }
    Ok(())
}

/// Checks a ready time: from an hour ago, because a tablet's clock may be slow and a tap late, to 24 hours from now.
///
/// # Errors
/// `ready_at_invalid`.
pub fn check_ready_at(ready_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Invalid> {
    if ready_at < now - TimeDelta::hours(1) || ready_at > now + TimeDelta::hours(24) {
        return invalid("ready_at_invalid", "/ready_at", "ready_at is at most 24 hours ahead, and not in the past");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pannier_contracts::Money;

    #[test]
    fn menus_and_what_is_wrong_with_them() {
        let (eur, usd): (Currency, Currency) = ("EUR".parse().unwrap(), "USD".parse().unwrap());
        let item = |sku: &str, name: &str, amount, currency| MenuItem {
            sku: sku.to_owned(),
            name: name.to_owned(),
            price: Money::new(amount, currency),
            available: true,
        };
        let check = |items: Vec<MenuItem>, expected: Option<(&str, &str)>| {
            let found = check_menu(&items, eur).err();
            assert_eq!(found.as_ref().map(|i| (i.code, i.pointer.as_str())), expected, "{items:?}");
        };
        check(vec![], None);
        check(vec![item("a", "Soup", 0, eur), item("b", "Soup", 900, eur)], None);
        check(vec![item("a", "Soup", 1, eur), item("a", "Rice", 1, eur)], Some(("sku_twice", "/items/1/sku")));
        check(vec![item("a", "Soup", -1, eur)], Some(("price_invalid", "/items/0/price/amount")));
        check(vec![item("a", "Soup", i64::MAX, eur)], Some(("price_invalid", "/items/0/price/amount")));
        check(vec![item("a", "Soup", 1, usd)], Some(("wrong_currency", "/items/0/price/currency")));
        check(vec![item("", "Soup", 1, eur)], Some(("text_invalid", "/items/0/sku")));
        check(vec![item("a", " ", 1, eur)], Some(("text_invalid", "/items/0/name")));
        check(vec![item("a", "So\0up", 1, eur)], Some(("text_invalid", "/items/0/name")));
        check((0..501).map(|n| item(&n.to_string(), "x", 1, eur)).collect(), Some(("menu_too_long", "/items")));
    }

    #[test]
    fn promised_times_are_near() {
        let now: DateTime<Utc> = "2026-11-20T12:00:00Z".parse().unwrap();
        for (offset_min, is_fine) in [(-61, false), (-60, true), (0, true), (24 * 60, true), (24 * 60 + 1, false)] {
            assert_eq!(check_ready_at(now + TimeDelta::minutes(offset_min), now).is_ok(), is_fine, "{offset_min}");
        }
        assert!(check_ready_at(DateTime::<Utc>::MAX_UTC, now).is_err());
        assert!(check_ready_at(DateTime::<Utc>::MIN_UTC, now).is_err());
    }
}
