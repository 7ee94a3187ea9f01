//! What an order costs and when it is promised. Prices come from our copy of the menu, never from the caller.

use std::time::Duration;

use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_contracts::order::OrderLine;
use pannier_contracts::zone::Policy;
use pannier_contracts::{Money, Place};
use serde::{Deserialize, Serialize};

/// What a customer asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedLine {
    /// The shop's article number.
    pub sku: String,
    /// How many.
    pub quantity: u16,
}

/// A line of the bill that is no article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fee {
    /// `delivery`.
    pub code: String,
    /// How much.
    pub amount: Money,
}

/// A priced basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The articles.
    pub lines: Vec<OrderLine>,
    /// The rest.
    pub fees: Vec<Fee>,
    /// All of it.
    pub total: Money,
    /// How long from now until the door, as promised.
    pub promise_in: Duration,
}

/// Why a basket has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPrice {
    /// The shop takes no orders now.
    #[error("the shop takes no orders at the moment")]
    ShopClosed,
    /// Nothing was asked for.
    #[error("an order has 1 to 50 lines")]
    NoLines,
    /// A line's quantity is out of range.
    #[error("line {0}: a quantity is 1 to 99")]
    BadQuantity(usize),
    /// An article is not on the menu, or sold out.
    #[error("line {0}: {1:?} cannot be ordered at the moment")]
    Unavailable(usize, String),
}

/// Delivery fee: so much, and so much per started kilometre. Minor units.
const DELIVERY_BASE: i64 = 199;
const DELIVERY_PER_KM: i64 = 50;
/// Streets are longer than the straight line.
const DETOUR: f64 = 1.3;

/// Prices a basket of one shop, brought to `dropoff`.
///
/// # Errors
/// See [`NoPrice`].
pub fn price(
    shop: &MerchantSnapshot,
    wanted: &[WantedLine],
    dropoff: Place,
    policy: &Policy,
) -> Result<Priced, NoPrice> {
    if shop.status != MerchantStatus::Open {
        return Err(NoPrice::ShopClosed);
    }
    if !(1..=50).contains(&wanted.len()) {
        return Err(NoPrice::NoLines);
    }
    let mut lines = Vec::with_capacity(wanted.len());
    for (i, line) in wanted.iter().enumerate() {
        if !(1..=99).contains(&line.quantity) {
            return Err(NoPrice::BadQuantity(i));
        }
        let item = on_menu(shop, &line.sku).ok_or_else(|| NoPrice::Unavailable(i, line.sku.clone()))?;
        lines.push(OrderLine {
            sku: item.sku.clone(),
            name: item.name.clone(),
            quantity: line.quantity,
            unit_price: item.price,
        });
    }
    let distance_m = shop.place.distance_m(&dropoff) * DETOUR;
    let started_km = (distance_m / 1000.0).ceil() as i64;
    let delivery = Money::new(DELIVERY_BASE + DELIVERY_PER_KM * started_km, shop.currency);
    let goods: i64 = lines.iter().map(|l| l.unit_price.amount * i64::from(l.quantity)).sum();
    let travel_ms = (distance_m / f64::from(policy.courier_mps.max(1)) * 1000.0) as i64;
    let promise_ms = shop.prep_ms + travel_ms + policy.promise_margin_ms;
    Ok(Priced {
        total: Money::new(goods + delivery.amount, shop.currency),
        lines,
        fees: vec![Fee { code: "delivery".to_owned(), amount: delivery }],
        promise_in: Duration::from_millis(u64::try_from(promise_ms).unwrap_or(0)),
    })
}

fn on_menu<'a>(shop: &'a MerchantSnapshot, sku: &str) -> Option<&'a MenuItem> {
    shop.menu.iter().find(|item| item.sku == sku && item.available)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pannier_contracts::{MerchantId, Version};

    fn shop() -> MerchantSnapshot {
        let eur = "EUR".parse().unwrap();
        let item = |sku: &str, amount, available| MenuItem {
            sku: sku.into(),
            name: sku.into(),
            price: Money::new(amount, eur),
            available,
        };
        MerchantSnapshot {
            id: MerchantId::generate(),
            version: Version(1),
            name: "Shop".into(),
            place: Place::new(52.5, 13.4).unwrap(),
            currency: eur,
            prep_ms: 600_000,
            status: MerchantStatus::Open,
            menu: vec![item("soup", 650, true), item("cake", 300, false)],
        }
    }

    #[test]
    fn baskets_and_their_prices() {
        let near = Place::new(52.505, 13.4).unwrap();
        let check = |wanted: &[(&str, u16)], expected: Result<i64, NoPrice>| {
            let wanted: Vec<_> =
                wanted.iter().map(|(sku, q)| WantedLine { sku: (*sku).into(), quantity: *q }).collect();
            assert_eq!(
                price(&shop(), &wanted, near, &Policy::default()).map(|p| p.total.amount),
                expected,
                "{wanted:?}"
            );
        };
        check(&[("soup", 1)], Ok(650 + 199 + 50));
        check(&[("soup", 3)], Ok(1950 + 199 + 50));
        check(&[("soup", 0)], Err(NoPrice::BadQuantity(0)));
        check(&[("soup", 100)], Err(NoPrice::BadQuantity(0)));
        check(&[], Err(NoPrice::NoLines));
        check(&[("soup", 1), ("cake", 1)], Err(NoPrice::Unavailable(1, "cake".into())));
        check(&[("pizza", 1)], Err(NoPrice::Unavailable(0, "pizza".into())));
        let closed = MerchantSnapshot { status: MerchantStatus::Paused, ..shop() };
        let soup = [WantedLine { sku: "soup".into(), quantity: 1 }];
        assert_eq!(price(&closed, &soup, near, &Policy::default()), Err(NoPrice::ShopClosed));
    }
}
