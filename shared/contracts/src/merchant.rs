//! A shop as other services know it. Owner: merchant-svc, exchange `merchant`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Snapshot;
use crate::{Currency, MerchantId, Money, Place, Version};

text_enum! {
    /// Does the shop take orders?
    pub enum MerchantStatus {
        /// Yes.
        Open => "open",
        /// Not now.
        Paused => "paused",
    }
}

/// One article of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MenuItem {
    /// The shop's article number, unique in its menu.
    pub sku: String,
    /// What customers read.
    pub name: String,
    /// For one.
    pub price: Money,
    /// Can it be ordered now?
    pub available: bool,
}

/// The whole shop after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MerchantSnapshot {
    /// Which shop.
    pub id: MerchantId,
    /// Its version after the change.
    pub version: Version,
    /// What customers read.
    pub name: String,
    /// Where riders pick up.
    pub place: Place,
    /// What its prices are in.
    pub currency: Currency,
    /// How long its kitchen usually takes, milliseconds.
    pub prep_ms: i64,
    /// Does it take orders?
    pub status: MerchantStatus,
    /// What can be ordered.
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
