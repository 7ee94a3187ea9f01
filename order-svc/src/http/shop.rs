//! Decisions of shops, which merchant-svc passes on in their name. The order's state guards them; the version that the
//! shop saw is the ticket's, and merchant-svc has compared it.

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
pub(super) struct WithReason {
    reason: String,
}

/// The shop accepts an order.
pub(super) async fn accept(
    who: Merchant,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<Accept>,
) -> Result<HttpResponse, Problem> {
    decide(who, db, id, cmd, |body| Decision::Accept(body.ready_at)).await
}

/// The shop rejects an order.
pub(super) async fn reject(
    who: Merchant,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<WithReason>,
) -> Result<HttpResponse, Problem> {
    decide(who, db, id, cmd, |body| Decision::Reject(body.reason)).await
}

/// The shop cancels an order that it had accepted.
pub(super) async fn cancel(
    who: Merchant,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<WithReason>,
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
            Ok(OrderView::of(&order, Reader::Shop))
        }
        .boxed()
    })
    .await
}
