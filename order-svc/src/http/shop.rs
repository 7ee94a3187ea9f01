//! What merchant-svc asks in a shop's name. Guarded by the order's state: the ticket's version is merchant-svc's business.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::OrderId;
use pannier_platform::Db;
use pannier_platform::http::{Command, Merchant, Problem};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::view::{OrderView, Reader};
use crate::commands::shop_decides::{Decision, shop_decides};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accept {
    ready_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Because {
    reason: String,
}

/// The shop accepts.
pub(super) async fn accept(
    who: Merchant,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<Accept>,
) -> Result<HttpResponse, Problem> {
    decide(who, db, id, cmd, |body| Decision::Accept(body.ready_at)).await
}

/// The shop rejects.
pub(super) async fn reject(
    who: Merchant,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<Because>,
) -> Result<HttpResponse, Problem> {
    decide(who, db, id, cmd, |body| Decision::Reject(body.reason)).await
}

/// The shop cancels what it had accepted.
pub(super) async fn cancel(
    who: Merchant,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<Because>,
) -> Result<HttpResponse, Problem> {
    decide(who, db, id, cmd, |body| Decision::Cancel(body.reason)).await
}

async fn decide<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    who: Merchant,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<T>,
    decision: fn(T) -> Decision,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    cmd.once(&db, move |conn, cmd| {
        async move {
            let order = shop_decides(conn, &cmd.cause, who.id, id, decision(cmd.body)).await?;
            OrderView::of(&order, Reader::Shop)
        }
        .boxed()
    })
    .await
}
