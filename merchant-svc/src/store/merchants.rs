//! Shops with their menus. A shop is read, and published, with its whole menu.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_contracts::{Currency, MerchantId, Money, Place, Version};
use pannier_platform::{Cause, Conn, Refusal, events};

use super::schema::{menu_items, merchants};

/// The event of a change: `merchant.published.v1` or `merchant.status_changed.v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The profile or the menu changed.
    Published,
    /// The shop opened or paused.
    StatusChanged,
}

impl EventKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::StatusChanged => "status_changed",
        }
    }
}

#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = merchants)]
struct Row {
    id: MerchantId,
    version: Version,
    status: MerchantStatus,
    name: String,
    #[diesel(select_expression = (merchants::lat, merchants::lng))]
    place: Place,
    currency: Currency,
    prep_ms: i64,
}

/// A row as it is written: the place has two columns.
#[derive(Debug, Insertable, AsChangeset)]
#[diesel(table_name = merchants)]
struct NewRow<'a> {
    id: MerchantId,
    version: Version,
    status: MerchantStatus,
    name: &'a str,
    lat: f64,
    lng: f64,
    currency: Currency,
    prep_ms: i64,
}

impl<'a> From<&'a MerchantSnapshot> for NewRow<'a> {
    fn from(shop: &'a MerchantSnapshot) -> Self {
        Self {
            id: shop.id,
            version: shop.version,
            status: shop.status,
            name: &shop.name,
            lat: shop.place.lat(),
            lng: shop.place.lng(),
            currency: shop.currency,
            prep_ms: shop.prep_ms,
        }
    }
}

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = menu_items)]
struct ItemRow {
    merchant_id: MerchantId,
    sku: String,
    sort: i32,
    name: String,
    price: i64,
    available: bool,
}

/// A shop, if it has a profile.
pub async fn find(conn: &mut Conn, id: MerchantId) -> Result<Option<MerchantSnapshot>, Refusal> {
    let row = merchants::table.find(id).select(Row::as_select()).first(conn).await.optional()?;
    let Some(row) = row else { return Ok(None) };
    Ok(with_menus(conn, vec![row]).await?.pop())
}

/// A shop that has a profile.
///
/// # Errors
/// [`Refusal::NotFound`] when it has none.
pub async fn load(conn: &mut Conn, id: MerchantId) -> Result<MerchantSnapshot, Refusal> {
    find(conn, id).await?.ok_or(Refusal::NotFound("merchant"))
}

/// At most `limit` shops with an id after `after`, in the order of their ids.
pub async fn list(conn: &mut Conn, after: Option<MerchantId>, limit: i64) -> Result<Vec<MerchantSnapshot>, Refusal> {
    let mut query = merchants::table.select(Row::as_select()).order(merchants::id).limit(limit).into_boxed();
    if let Some(after) = after {
        query = query.filter(merchants::id.gt(after));
    }
    let rows = query.load(conn).await?;
    with_menus(conn, rows).await
}

async fn with_menus(conn: &mut Conn, rows: Vec<Row>) -> Result<Vec<MerchantSnapshot>, Refusal> {
    let ids: Vec<MerchantId> = rows.iter().map(|row| row.id).collect();
    let items: Vec<ItemRow> = menu_items::table
        .filter(menu_items::merchant_id.eq_any(ids))
        .order((menu_items::merchant_id, menu_items::sort))
        .select(ItemRow::as_select())
        .load(conn)
        .await?;
    let mut menus: HashMap<MerchantId, Vec<ItemRow>> = HashMap::new();
    for item in items {
        menus.entry(item.merchant_id).or_default().push(item);
    }
    let with_menu = |row: Row| {
        let menu = menus.remove(&row.id).unwrap_or_default();
        row.snapshot(menu)
    };
    Ok(rows.into_iter().map(with_menu).collect())
}

impl Row {
    fn snapshot(self, menu: Vec<ItemRow>) -> MerchantSnapshot {
        let item = |row: ItemRow| MenuItem {
            sku: row.sku,
            name: row.name,
            price: Money::new(row.price, self.currency),
            available: row.available,
        };
        MerchantSnapshot {
            id: self.id,
            version: self.version,
            name: self.name,
            place: self.place,
            currency: self.currency,
            prep_ms: self.prep_ms,
            status: self.status,
            menu: menu.into_iter().map(item).collect(),
        }
    }
}

/// Stores a new shop, which has no menu yet, with its event.
///
/// # Errors
/// [`Refusal::Conflict`] when a concurrent transaction created it.
pub async fn insert(conn: &mut Conn, cause: &Cause, shop: &MerchantSnapshot) -> Result<(), Refusal> {
    let inserted =
        diesel::insert_into(merchants::table).values(NewRow::from(shop)).on_conflict_do_nothing().execute(conn).await?;
    if inserted == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, EventKind::Published.as_str(), None, shop).await
}

/// Stores the next version of a shop with its event, and replaces its menu if that changed.
///
/// # Errors
/// [`Refusal::Conflict`] when the shop is not at the version of `before` any more.
pub async fn update(
    conn: &mut Conn,
    cause: &Cause,
    before: &MerchantSnapshot,
    after: MerchantSnapshot,
    kind: EventKind,
) -> Result<MerchantSnapshot, Refusal> {
    let after = MerchantSnapshot { version: before.version.next(), ..after };
    let updated = diesel::update(merchants::table.find(before.id).filter(merchants::version.eq(before.version)))
        .set(NewRow::from(&after))
        .execute(conn)
        .await?;
    if updated == 0 {
        return Err(Refusal::Conflict);
    }
    // The update above has locked the shop's row until the commit, so no other transaction changes its menu.
    if before.menu != after.menu {
        diesel::delete(menu_items::table.filter(menu_items::merchant_id.eq(after.id))).execute(conn).await?;
        let rows = after.menu.iter().zip(0..).map(|(item, sort)| ItemRow {
            merchant_id: after.id,
            sku: item.sku.clone(),
            sort,
            name: item.name.clone(),
            price: item.price.amount,
            available: item.available,
        });
        diesel::insert_into(menu_items::table).values(rows.collect::<Vec<_>>()).execute(conn).await?;
    }
    events::append(conn, cause, kind.as_str(), None, &after).await?;
    Ok(after)
}
