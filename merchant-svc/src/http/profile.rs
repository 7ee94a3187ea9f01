//! The shop about itself: profile, menu, open or paused.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use futures::FutureExt as _;
use pannier_contracts::Version;
use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_platform::http::{Command, Merchant, Problem};
use pannier_platform::{Db, Refusal};
use serde::{Deserialize, Serialize};

use super::view::{MerchantView, MerchantWithMenu};
use crate::commands::shop::{self, Profile};
use crate::store::merchants;

/// The shop reads its profile.
pub(super) async fn show(who: Merchant, db: Data<Db>) -> Result<Json<MerchantView>, Problem> {
    Ok(Json(MerchantView::for_shop(load(&db, who).await?)))
}

/// The shop makes itself known, or changes what is known.
pub(super) async fn put(who: Merchant, db: Data<Db>, cmd: Command<Profile>) -> Result<HttpResponse, Problem> {
    // Who has not seen the shop may make it, or repeat what it says; a change needs the version that was seen.
    if cmd.if_match.is_none() && find(&db, who.clone()).await?.is_some_and(|shop| !cmd.body.is_of(&shop)) {
        cmd.version_seen()?;
    }
    cmd.once(&db, move |conn, cmd| {
        async move {
            let shop = shop::put_profile(conn, &cmd.cause, who.id, &cmd.body, cmd.if_match).await?;
            Ok(MerchantView::for_shop(shop))
        }
        .boxed()
    })
    .await
}

#[derive(Debug, Serialize)]
pub(super) struct Menu {
    version: Version,
    items: Vec<MenuItem>,
}

/// The shop reads its menu.
pub(super) async fn menu(who: Merchant, db: Data<Db>) -> Result<Json<Menu>, Problem> {
    let shop = load(&db, who).await?;
    Ok(Json(Menu { version: shop.version, items: shop.menu }))
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PutMenu {
    items: Vec<MenuItem>,
}

/// The shop replaces its menu.
pub(super) async fn put_menu(who: Merchant, db: Data<Db>, cmd: Command<PutMenu>) -> Result<HttpResponse, Problem> {
    let seen = cmd.version_seen()?;
    cmd.once(&db, move |conn, cmd| {
        async move {
            let shop = shop::put_menu(conn, &cmd.cause, who.id, cmd.body.items, seen).await?;
            Ok(MerchantWithMenu::from(shop))
        }
        .boxed()
    })
    .await
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The shop takes orders from now on.
pub(super) async fn open(who: Merchant, db: Data<Db>, cmd: Command<Nothing>) -> Result<HttpResponse, Problem> {
    set_status(who, db, cmd, MerchantStatus::Open).await
}

/// The shop takes no orders for now.
pub(super) async fn pause(who: Merchant, db: Data<Db>, cmd: Command<Nothing>) -> Result<HttpResponse, Problem> {
    set_status(who, db, cmd, MerchantStatus::Paused).await
}

async fn set_status(
    who: Merchant,
    db: Data<Db>,
    cmd: Command<Nothing>,
    status: MerchantStatus,
) -> Result<HttpResponse, Problem> {
    let seen = cmd.version_seen()?;
    cmd.once(&db, move |conn, cmd| {
        async move {
            let shop = shop::set_status(conn, &cmd.cause, who.id, status, seen).await?;
            Ok(MerchantView::for_shop(shop))
        }
        .boxed()
    })
    .await
}

async fn find(db: &Db, who: Merchant) -> Result<Option<MerchantSnapshot>, Refusal> {
    db.read(move |conn| async move { merchants::find(conn, who.id).await }.boxed()).await
}

async fn load(db: &Db, who: Merchant) -> Result<MerchantSnapshot, Refusal> {
    find(db, who).await?.ok_or(Refusal::NotFound("merchant"))
}
