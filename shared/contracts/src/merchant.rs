//! A shop as other services know it. Owner: merchant-svc, exchange `merchant`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{Currency, MerchantId, Money, Place, Version};

text_enum! {
    /// Whether a shop takes orders.
    pub enum MerchantStatus {
        /// The shop takes orders.
        Open => "open",
        /// The shop takes no orders until it opens.
        Paused => "paused",
    }
}

/// One item of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MenuItem {
    /// The shop's stock keeping unit, unique in its menu.
    pub sku: String,
    /// The name that customers see.
    pub name: String,
    /// The price of one.
    pub price: Money,
    /// Whether it can be ordered now.
    pub available: bool,
}

/// The whole shop after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MerchantSnapshot {
    /// The shop's id.
    pub id: MerchantId,
    /// Its version after the change.
    pub version: Version,
    /// The name that customers see.
    pub name: String,
    /// Where riders pick up.
    pub place: Place,
    /// The currency of all its prices.
    pub currency: Currency,
    /// The usual preparation time, milliseconds.
    pub prep_ms: i64,
    /// Whether it takes orders.
    pub status: MerchantStatus,
    /// All items, also those that are not available, in the shop's order.
    pub menu: Vec<MenuItem>,
}

impl Snapshot for MerchantSnapshot {
    const AGGREGATE: &'static str = "merchant";
    fn aggregate_id(&self) -> Uuid {
        self.id.0
    }
    fn version(&self) -> Version {
        self.version
    }
}
