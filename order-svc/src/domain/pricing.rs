//! What an order costs and when it is promised. Prices come from the copy of the shop's menu, never from the caller.

use std::time::Duration;

use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_contracts::order::OrderLine;
use pannier_contracts::zone::Policy;
use pannier_contracts::{Money, Place};
use serde::{Deserialize, Serialize};

/// A line of a basket.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasketLine {
    /// The shop's article number.
    pub sku: String,
    /// How many of the article, 1 to 99.
    pub quantity: u16,
}

/// A line of the bill that is not an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fee {
    /// What the fee is for: `delivery`.
    pub code: String,
    /// The fee.
    pub amount: Money,
}

/// A priced basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedBasket {
    /// The articles with their prices.
    pub lines: Vec<OrderLine>,
    /// The fees.
    pub fees: Vec<Fee>,
    /// Articles and fees.
    pub total: Money,
    /// How long from now until the door, as promised to the customer.
    pub promise_in: Duration,
}

/// Why a basket cannot be priced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// The shop is paused.
    #[error("the shop takes no orders at the moment")]
    ShopClosed,
    /// The basket is empty or too large.
    #[error("an order has 1 to 50 lines")]
    LineCount,
    /// The quantity of this line is out of range.
    #[error("line {0}: a quantity is 1 to 99")]
    Quantity(usize),
    /// The article of this line is not on the menu, or sold out.
    #[error("line {0}: {1:?} cannot be ordered at the moment")]
    Unavailable(usize, String),
    /// It costs more than the zone permits.
    #[error("an order costs at most {} minor units of {} here", .0.amount, .0.currency)]
    TooExpensive(Money),
}

/// The delivery fee of every order, minor units.
const DELIVERY_BASE: i64 = 199;
/// The delivery fee per started kilometre, minor units.
const DELIVERY_PER_KM: i64 = 50;
/// Length of a way by street, divided by the straight line.
const DETOUR: f64 = 1.3;

/// Prices a basket of one shop, delivered to `dropoff`.
///
/// # Errors
/// [`PricingError`].
pub fn price(
    shop: &MerchantSnapshot,
    basket: &[BasketLine],
    dropoff: Place,
    policy: &Policy,
) -> Result<PricedBasket, PricingError> {
    if !(1..=50).contains(&basket.len()) {
        return Err(PricingError::LineCount);
    }
    let mut lines = Vec::with_capacity(basket.len());
    for (i, line) in basket.iter().enumerate() {
        if !(1..=99).contains(&line.quantity) {
            return Err(PricingError::Quantity(i));
        }
        let item = on_menu(shop, &line.sku).ok_or_else(|| PricingError::Unavailable(i, line.sku.clone()))?;
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
    let total = Money::new(goods + delivery.amount, shop.currency);
    check_orderable(shop, basket.iter().map(|line| line.sku.as_str()), total, policy)?;
    let travel_ms = (distance_m / f64::from(policy.courier_mps.max(1)) * 1000.0) as i64;
    let promise_ms = shop.prep_ms + travel_ms + policy.promise_margin_ms;
    Ok(PricedBasket {
        total,
        lines,
        fees: vec![Fee { code: "delivery".to_owned(), amount: delivery }],
        promise_in: Duration::from_millis(u64::try_from(promise_ms).unwrap_or(0)),
    })
}

/// Whether a shop takes an order of these articles now: when it is quoted, and again when it is placed, because a quote
/// promises prices and a time, but not that there will be food.
///
/// # Errors
/// [`PricingError`], but for the basket itself.
pub fn check_orderable<'a>(
    shop: &MerchantSnapshot,
    skus: impl Iterator<Item = &'a str>,
    total: Money,
    policy: &Policy,
) -> Result<(), PricingError> {
    if shop.status != MerchantStatus::Open {
        return Err(PricingError::ShopClosed);
    }
    for (i, sku) in skus.enumerate() {
        if on_menu(shop, sku).is_none() {
            return Err(PricingError::Unavailable(i, sku.to_owned()));
        }
    }
    if total.amount > policy.max_total {
        return Err(PricingError::TooExpensive(Money::new(policy.max_total, total.currency)));
    }
    Ok(())
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
        let check = |wanted: &[(&str, u16)], expected: Result<i64, PricingError>| {
            let wanted: Vec<_> =
                wanted.iter().map(|(sku, q)| BasketLine { sku: (*sku).into(), quantity: *q }).collect();
            assert_eq!(
                price(&shop(), &wanted, near, &Policy::default()).map(|p| p.total.amount),
                expected,
                "{wanted:?}"
            );
        };
        check(&[("soup", 1)], Ok(650 + 199 + 50));
        check(&[("soup", 3)], Ok(1950 + 199 + 50));
        check(&[("soup", 0)], Err(PricingError::Quantity(0)));
        check(&[("soup", 100)], Err(PricingError::Quantity(0)));
        check(
            &[("soup", 99), ("soup", 99)],
            Err(PricingError::TooExpensive(Money::new(100_000, "EUR".parse().unwrap()))),
        );
        check(&[], Err(PricingError::LineCount));
        check(&[("soup", 1), ("cake", 1)], Err(PricingError::Unavailable(1, "cake".into())));
        check(&[("pizza", 1)], Err(PricingError::Unavailable(0, "pizza".into())));
        let closed = MerchantSnapshot { status: MerchantStatus::Paused, ..shop() };
        let soup = [BasketLine { sku: "soup".into(), quantity: 1 }];
        assert_eq!(price(&closed, &soup, near, &Policy::default()), Err(PricingError::ShopClosed));
    }
}
