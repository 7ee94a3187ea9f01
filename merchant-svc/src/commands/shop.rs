//! What a shop says about itself: its profile, its menu, whether it takes orders.

use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_contracts::{Currency, MerchantId, Place, Version};
use pannier_platform::{Cause, Conn, Refusal};
use serde::Deserialize;

use crate::domain::shop::{Invalid, check_menu, check_prep_ms, check_text};
use crate::store::merchants::{self, News};

/// A shop's own words about itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What customers read.
    pub name: String,
    /// Where riders pick up.
    pub place: Place,
    /// What its prices are in.
    pub currency: Currency,
    /// How long its kitchen usually takes, milliseconds.
    pub prep_ms: i64,
}

impl Profile {
    /// Is this what the shop says already?
    #[must_use]
    pub fn is_of(&self, shop: &MerchantSnapshot) -> bool {
        self.apply(shop) == *shop
    }

    fn apply(&self, shop: &MerchantSnapshot) -> MerchantSnapshot {
        MerchantSnapshot {
            name: self.name.clone(),
            place: self.place,
            currency: self.currency,
            prep_ms: self.prep_ms,
            ..shop.clone()
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(e: Invalid) -> Self {
        Self::Invalid { code: e.code, detail: e.detail, pointer: Some(e.pointer) }
    }
}

fn check_seen(shop: &MerchantSnapshot, seen: Version) -> Result<(), Refusal> {
    if shop.version == seen { Ok(()) } else { Err(Refusal::Stale { current: shop.version }) }
}

/// Makes the shop, paused and without a menu, or changes it. The same profile again changes nothing, so that a first
/// PUT whose answer was lost can be repeated.
///
/// # Errors
/// `Invalid` with the field, `Stale` when the shop saw an old version, `Conflict` when it saw none and somebody made it
/// in this moment.
pub async fn put_profile(
    conn: &mut Conn,
    cause: &Cause,
    id: MerchantId,
    profile: &Profile,
    seen: Option<Version>,
) -> Result<MerchantSnapshot, Refusal> {
    check_text("/name", &profile.name)?;
    check_prep_ms(profile.prep_ms)?;
    let Some(before) = merchants::find(conn, id).await? else {
        let shop = MerchantSnapshot {
            id,
            version: Version::FIRST,
            name: profile.name.clone(),
            place: profile.place,
            currency: profile.currency,
            prep_ms: profile.prep_ms,
            status: MerchantStatus::Paused,
            menu: Vec::new(),
        };
        merchants::insert(conn, cause, &shop).await?;
        return Ok(shop);
    };
    let after = profile.apply(&before);
    match seen {
        Some(seen) => check_seen(&before, seen)?,
        None if after != before => return Err(Refusal::Conflict),
        None => {}
    }
    if after == before {
        return Ok(before);
    }
    if after.currency != before.currency && !before.menu.is_empty() {
        return Err(Invalid {
            code: "currency_in_use",
            pointer: "/currency".to_owned(),
            detail: format!("the menu has prices in {}; put an empty menu first", before.currency),
        }
        .into());
    }
    merchants::change(conn, cause, &before, after, News::Published).await
}

/// Replaces the menu.
///
/// # Errors
/// `NotFound` without a profile, `Invalid` with the field, `Stale` when the shop saw an old version.
pub async fn put_menu(
    conn: &mut Conn,
    cause: &Cause,
    id: MerchantId,
    items: Vec<MenuItem>,
    seen: Version,
) -> Result<MerchantSnapshot, Refusal> {
    let before = merchants::load(conn, id).await?;
    check_seen(&before, seen)?;
    check_menu(&items, before.currency)?;
    if items.is_empty() && before.status == MerchantStatus::Open {
        return Err(menu_empty("an open shop sells something; pause first"));
    }
    let after = MerchantSnapshot { menu: items, ..before.clone() };
    if after == before {
        return Ok(before);
    }
    merchants::change(conn, cause, &before, after, News::Published).await
}

/// Opens the shop, or pauses it. Doing it again changes nothing.
///
/// # Errors
/// `NotFound` without a profile, `Invalid` to open without a menu, `Stale` when the shop saw an old version.
pub async fn set_status(
    conn: &mut Conn,
    cause: &Cause,
    id: MerchantId,
    status: MerchantStatus,
    seen: Version,
) -> Result<MerchantSnapshot, Refusal> {
    let before = merchants::load(conn, id).await?;
    check_seen(&before, seen)?;
    if status == before.status {
        return Ok(before);
    }
    if status == MerchantStatus::Open && before.menu.is_empty() {
        return Err(menu_empty("a shop without a menu has nothing to open for; put a menu first"));
    }
    let after = MerchantSnapshot { status, ..before.clone() };
    merchants::change(conn, cause, &before, after, News::StatusChanged).await
}

fn menu_empty(detail: &str) -> Refusal {
    Refusal::invalid("menu_empty", detail)
}
