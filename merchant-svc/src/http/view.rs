//! Shops and tickets in answers.

use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_contracts::ticket::TicketSnapshot;
use pannier_contracts::{Currency, MerchantId, Place, Version};
use serde::Serialize;

use crate::domain::lifecycle::{Action, allowed_actions};

/// A ticket, with what its reader may do to it.
#[derive(Debug, Clone, Serialize)]
pub struct TicketView {
    #[serde(flatten)]
    ticket: TicketSnapshot,
    allowed_actions: &'static [Action],
}

impl TicketView {
    /// For the ticket's shop.
    #[must_use]
    pub fn for_shop(ticket: TicketSnapshot) -> Self {
        Self { allowed_actions: allowed_actions(ticket.state), ticket }
    }

    /// For operations, who act on the order instead.
    #[must_use]
    pub fn for_ops(ticket: TicketSnapshot) -> Self {
        Self { allowed_actions: &[], ticket }
    }
}

/// A shop, without its menu.
#[derive(Debug, Clone, Serialize)]
pub struct MerchantView {
    id: MerchantId,
    version: Version,
    name: String,
    place: Place,
    currency: Currency,
    prep_ms: i64,
    status: MerchantStatus,
    allowed_actions: &'static [&'static str],
}

impl MerchantView {
    /// For the shop itself.
    #[must_use]
    pub fn for_shop(shop: MerchantSnapshot) -> Self {
        let allowed_actions = match shop.status {
            MerchantStatus::Open => &["pause"],
            MerchantStatus::Paused if !shop.menu.is_empty() => &["open"],
            MerchantStatus::Paused => [].as_slice(),
        };
        Self { allowed_actions, ..Self::for_ops(shop) }
    }

    /// For operations, who do not open or pause shops.
    #[must_use]
    pub fn for_ops(shop: MerchantSnapshot) -> Self {
        Self {
            id: shop.id,
            version: shop.version,
            name: shop.name,
            place: shop.place,
            currency: shop.currency,
            prep_ms: shop.prep_ms,
            status: shop.status,
            allowed_actions: &[],
        }
    }
}

/// A shop with its menu, for the shop itself.
#[derive(Debug, Clone, Serialize)]
pub struct MerchantWithMenu {
    #[serde(flatten)]
    merchant: MerchantView,
    menu: Vec<MenuItem>,
}

impl From<MerchantSnapshot> for MerchantWithMenu {
    fn from(shop: MerchantSnapshot) -> Self {
        Self { menu: shop.menu.clone(), merchant: MerchantView::for_shop(shop) }
    }
}
