//! A shop changes its profile, its menu, or whether it takes orders.

use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_contracts::{Currency, MerchantId, Place, Version};
use pannier_platform::{Cause, Conn, Refusal};
use serde::Deserialize;

use crate::domain::shop::{Invalid, check_menu, check_prep_ms, check_text};
use crate::store::merchants::{self, EventKind};

/// The body of `PUT /v1/merchant/profile`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name that customers see, 1 to 128 bytes.
    pub name: String,
    /// Where riders pick up.
    pub place: Place,
    /// The currency of all prices. It can change only while the menu is empty.
    pub currency: Currency,
    /// The usual preparation time, milliseconds, 0 to 4 hours.
    pub prep_ms: i64,
}

impl Profile {
    /// Whether the shop has exactly this profile.
    #[must_use]
    pub fn matches(&self, shop: &MerchantSnapshot) -> bool {
        self.applied_to(shop) == *shop
    }

    fn applied_to(&self, shop: &MerchantSnapshot) -> MerchantSnapshot {
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

fn check_version(shop: &MerchantSnapshot, seen: Version) -> Result<(), Refusal> {
    if shop.version == seen { Ok(()) } else { Err(Refusal::Stale { current: shop.version }) }
}

/// Creates the shop, paused and without a menu, or changes its profile. Putting the same profile again changes nothing,
/// so that a first PUT whose answer was lost can be repeated without a version.
///
/// # Errors
/// [`Refusal::Invalid`] with the field that is wrong, [`Refusal::Stale`] when `seen` is not the shop's version,
/// [`Refusal::Conflict`] when a concurrent request created the shop or changed it.
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
    let after = profile.applied_to(&before);
    match seen {
        Some(seen) => check_version(&before, seen)?,
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
    merchants::update(conn, cause, &before, after, EventKind::Published).await
}

/// Replaces the menu.
///
/// # Errors
/// [`Refusal::NotFound`] before the first profile, [`Refusal::Invalid`] with the field that is wrong, [`Refusal::Stale`]
/// when `seen` is not the shop's version, [`Refusal::Conflict`] when a concurrent update won.
pub async fn put_menu(
    conn: &mut Conn,
    cause: &Cause,
    id: MerchantId,
    items: Vec<MenuItem>,
    seen: Version,
) -> Result<MerchantSnapshot, Refusal> {
    let before = merchants::load(conn, id).await?;
    check_version(&before, seen)?;
    check_menu(&items, before.currency)?;
    if items.is_empty() && before.status == MerchantStatus::Open {
        return Err(menu_empty("an open shop sells something; pause first"));
    }
    let after = MerchantSnapshot { menu: items, ..before.clone() };
    if after == before {
        return Ok(before);
    }
    merchants::update(conn, cause, &before, after, EventKind::Published).await
}

/// Opens or pauses the shop. Setting the status that it has changes nothing.
///
/// # Errors
/// [`Refusal::NotFound`] before the first profile, [`Refusal::Invalid`] when a shop without a menu opens,
/// [`Refusal::Stale`] when `seen` is not the shop's version, [`Refusal::Conflict`] when a concurrent update won.
pub async fn set_status(
    conn: &mut Conn,
    cause: &Cause,
    id: MerchantId,
    status: MerchantStatus,
    seen: Version,
) -> Result<MerchantSnapshot, Refusal> {
    let before = merchants::load(conn, id).await?;
    check_version(&before, seen)?;
    if status == before.status {
        return Ok(before);
    }
    if status == MerchantStatus::Open && before.menu.is_empty() {
        return Err(menu_empty("a shop without a menu has nothing to open for; put a menu first"));
    }
    let after = MerchantSnapshot { status, ..before.clone() };
    merchants::update(conn, cause, &before, after, EventKind::StatusChanged).await
}

fn menu_empty(detail: &str) -> Refusal {
    Refusal::invalid("menu_empty", detail)
}
