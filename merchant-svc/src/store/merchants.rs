//! Shops with their menus: always read and announced as a whole.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_contracts::{Currency, MerchantId, Money, Place, Version};
use pannier_platform::{Cause, Conn, Refusal, events};
use uuid::Uuid;

use super::schema::{menu_items, merchants};

/// What a change of a shop is announced as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Profile or menu.
    Published,
    /// Open or paused.
    StatusChanged,
}

impl News {
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

/// A shop, if there is one.
///
/// # Errors
/// What the database says.
pub async fn find(conn: &mut Conn, id: MerchantId) -> Result<Option<MerchantSnapshot>, Refusal> {
    let row = merchants::table.find(id).select(Row::as_select()).first(conn).await.optional()?;
    let Some(row) = row else { return Ok(None) };
    Ok(with_menus(conn, vec![row]).await?.pop())
}

/// A shop.
///
/// # Errors
/// `NotFound` before its first profile.
pub async fn load(conn: &mut Conn, id: MerchantId) -> Result<MerchantSnapshot, Refusal> {
    find(conn, id).await?.ok_or(Refusal::NotFound("merchant"))
}

/// Shops by id, after a cursor.
///
/// # Errors
/// What the database says.
pub async fn list(conn: &mut Conn, after: Option<Uuid>, limit: i64) -> Result<Vec<MerchantSnapshot>, Refusal> {
    let rows = merchants::table
        .filter(merchants::id.gt(after.unwrap_or(Uuid::nil())))
        .order(merchants::id)
        .limit(limit)
        .select(Row::as_select())
        .load(conn)
        .await?;
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

/// Keeps a new shop, and announces it. It has no menu yet.
///
/// # Errors
/// `Conflict` when it was made in this moment.
pub async fn insert(conn: &mut Conn, cause: &Cause, shop: &MerchantSnapshot) -> Result<(), Refusal> {
    let inserted = diesel::insert_into(merchants::table)
        .values((
            merchants::id.eq(shop.id),
            merchants::version.eq(shop.version),
            merchants::status.eq(shop.status),
            merchants::name.eq(&shop.name),
            merchants::lat.eq(shop.place.lat()),
            merchants::lng.eq(shop.place.lng()),
            merchants::currency.eq(shop.currency),
            merchants::prep_ms.eq(shop.prep_ms),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    if inserted == 0 {
        return Err(Refusal::Conflict);
    }
    events::append(conn, cause, News::Published.as_str(), None, shop).await
}

/// Writes a shop as it is after a change, and announces it. Its menu is replaced if it differs.
///
/// # Errors
/// `Conflict` when somebody else changed it since `before` was read.
pub async fn change(
    conn: &mut Conn,
    cause: &Cause,
    before: &MerchantSnapshot,
    after: MerchantSnapshot,
    news: News,
) -> Result<MerchantSnapshot, Refusal> {
    let after = MerchantSnapshot { version: before.version.next(), ..after };
    let updated = diesel::update(merchants::table.find(before.id).filter(merchants::version.eq(before.version)))
        .set((
            merchants::version.eq(after.version),
            merchants::status.eq(after.status),
            merchants::name.eq(&after.name),
            merchants::lat.eq(after.place.lat()),
            merchants::lng.eq(after.place.lng()),
            merchants::currency.eq(after.currency),
            merchants::prep_ms.eq(after.prep_ms),
        ))
        .execute(conn)
        .await?;
    if updated == 0 {
        return Err(Refusal::Conflict);
    }
    // The shop's row is ours until we commit, so nobody else is at its menu.
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
    events::append(conn, cause, news.as_str(), None, &after).await?;
    Ok(after)
}
