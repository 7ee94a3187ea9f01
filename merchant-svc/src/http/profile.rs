//! The shop's own resources: profile, menu, status.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use futures::FutureExt as _;
use pannier_contracts::Version;
use pannier_contracts::merchant::{MenuItem, MerchantSnapshot, MerchantStatus};
use pannier_platform::http::{Command, Merchant, Problem};
use pannier_platform::{Db, Refusal};
use serde::{Deserialize, Serialize};

use super::EmptyBody;
use super::view::{MerchantView, MerchantWithMenu};
use crate::commands::shop::{self, Profile};
use crate::store::merchants;

/// `GET /v1/merchant/profile`.
pub(super) async fn show(who: Merchant, db: Data<Db>) -> Result<Json<MerchantView>, Problem> {
    Ok(Json(MerchantView::for_shop(load(&db, who).await?)))
}

/// `PUT /v1/merchant/profile`: creates the shop, or changes it.
pub(super) async fn put(who: Merchant, db: Data<Db>, cmd: Command<Profile>) -> Result<HttpResponse, Problem> {
    // Without If-Match the shop can be created and the same profile repeated; a change is answered with 428.
    if cmd.if_match.is_none() && find(&db, who.clone()).await?.is_some_and(|shop| !cmd.body.matches(&shop)) {
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

/// `GET /v1/merchant/menu`.
pub(super) async fn menu(who: Merchant, db: Data<Db>) -> Result<Json<Menu>, Problem> {
    let shop = load(&db, who).await?;
    Ok(Json(Menu { version: shop.version, items: shop.menu }))
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PutMenu {
    items: Vec<MenuItem>,
}

/// `PUT /v1/merchant/menu`: replaces the menu.
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

/// `POST /v1/merchant/open`: the shop takes orders.
pub(super) async fn open(who: Merchant, db: Data<Db>, cmd: Command<EmptyBody>) -> Result<HttpResponse, Problem> {
    set_status(who, db, cmd, MerchantStatus::Open).await
}

/// `POST /v1/merchant/pause`: the shop takes no orders.
pub(super) async fn pause(who: Merchant, db: Data<Db>, cmd: Command<EmptyBody>) -> Result<HttpResponse, Problem> {
    set_status(who, db, cmd, MerchantStatus::Paused).await
}

async fn set_status(
    who: Merchant,
    db: Data<Db>,
    cmd: Command<EmptyBody>,
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
