//! Whether a shop can take a paid order.

use pannier_contracts::merchant::{MerchantSnapshot, MerchantStatus};
use pannier_contracts::order::OrderLine;
use pannier_contracts::text_enum;

text_enum! {
    /// Why an order is rejected.
    pub enum RejectReason {
        /// An item is not on the menu any more, or not available.
        SoldOut => "sold_out",
        /// The shop is paused or unknown.
        Closed => "closed",
        /// The shop has too many orders.
        TooBusy => "too_busy",
        /// Any other reason.
        Other => "other",
    }
}

/// Why the shop (`None` when it is unknown) cannot take these lines, if it cannot. Prices are not compared: the order keeps
/// the prices of its quote.
#[must_use]
pub fn reject_reason(shop: Option<&MerchantSnapshot>, lines: &[OrderLine]) -> Option<RejectReason> {
    let Some(shop) = shop.filter(|s| s.status == MerchantStatus::Open) else { return Some(RejectReason::Closed) };
    let is_available = |line: &OrderLine| shop.menu.iter().any(|item| item.sku == line.sku && item.available);
    (!lines.iter().all(is_available)).then_some(RejectReason::SoldOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pannier_contracts::merchant::MenuItem;
    use pannier_contracts::{Currency, MerchantId, Money, Place, Version};

    #[test]
    fn a_closed_shop_and_a_missing_item_are_reasons_to_reject() {
        let eur: Currency = "EUR".parse().unwrap();
        let item = |sku: &str, available| MenuItem {
            sku: sku.to_owned(),
            name: sku.to_owned(),
            price: Money::new(500, eur),
            available,
        };
        let open = MerchantSnapshot {
            id: MerchantId::generate(),
            version: Version::FIRST,
            name: "Noodles".to_owned(),
            place: Place::new(52.5, 13.4).unwrap(),
            currency: eur,
            prep_ms: 600_000,
            status: MerchantStatus::Open,
            menu: vec![item("soup", true), item("rice", false)],
        };
        let paused = MerchantSnapshot { status: MerchantStatus::Paused, ..open.clone() };
        let line = |sku: &str| OrderLine {
            sku: sku.to_owned(),
            name: sku.to_owned(),
            quantity: 1,
            unit_price: Money::new(450, eur),
        };
        let check = |shop, skus: &[&str], expected| {
            let lines: Vec<_> = skus.iter().map(|s| line(s)).collect();
            assert_eq!(reject_reason(shop, &lines), expected, "{skus:?}");
        };
        check(Some(&open), &["soup"], None);
        check(Some(&open), &["soup", "rice"], Some(RejectReason::SoldOut));
        check(Some(&open), &["cake"], Some(RejectReason::SoldOut));
        check(Some(&paused), &["soup"], Some(RejectReason::Closed));
        check(None, &["soup"], Some(RejectReason::Closed));
    }
}
