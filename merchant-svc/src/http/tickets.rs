//! The shop's tickets.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use chrono::{DateTime, SubsecRound as _, Utc};
use futures::FutureExt as _;
use pannier_contracts::TicketId;
use pannier_contracts::ticket::TicketState;
use pannier_platform::http::{Command, Merchant, Page, PageQuery, Problem};
use pannier_platform::{Db, Refusal};
use serde::{Deserialize, Serialize};

use super::EmptyBody;
use super::ask_order::{ShopRequest, ask_order};
use super::view::TicketView;
use crate::commands::mark_ready::mark_ready;
use crate::domain::opening::RejectReason;
use crate::domain::shop::{check_ready_at, check_text};
use crate::order_service::{OrderService, ShopDecision};
use crate::store::tickets::{self, Filter};

/// Filters of a list: `?state=accepted`, `?open=true`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct TicketQuery {
    pub(super) state: Option<TicketState>,
    #[serde(default)]
    pub(super) open: bool,
}

/// `GET /v1/merchant/tickets`: oldest first.
pub(super) async fn list(
    who: Merchant,
    db: Data<Db>,
    query: Query<TicketQuery>,
    page: Query<PageQuery>,
) -> Result<Json<Page<TicketView>>, Problem> {
    let filter = Filter { shop: Some(who.id), state: query.state, open: query.open };
    let (limit, after) = (page.limit()?, page.after()?.map(TicketId));
    let rows =
        db.read(move |conn| async move { tickets::list(conn, filter, after, Some(limit + 1)).await }.boxed()).await?;
    Ok(Json(Page::of(rows, limit, |t| t.id.0).map(TicketView::for_shop)))
}

/// `GET /v1/merchant/tickets/{id}`.
pub(super) async fn show(who: Merchant, db: Data<Db>, id: Path<TicketId>) -> Result<Json<TicketView>, Problem> {
    let id = id.into_inner();
    let ticket = db.read(move |conn| async move { tickets::load(conn, id, who.id).await }.boxed()).await?;
    Ok(Json(TicketView::for_shop(ticket)))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accept {
    ready_at: DateTime<Utc>,
}

/// `POST /v1/merchant/tickets/{id}/accept`: with the time at which the food will be ready.
pub(super) async fn accept(
    who: Merchant,
    db: Data<Db>,
    orders: Data<OrderService>,
    id: Path<TicketId>,
    mut cmd: Command<Accept>,
) -> Result<HttpResponse, Problem> {
    // All times are stored and sent in milliseconds.
    cmd.body.ready_at = cmd.body.ready_at.trunc_subsecs(3);
    let check = |body: &Accept| Ok(check_ready_at(body.ready_at, Utc::now())?);
    let request = ShopRequest { decision: ShopDecision::Accept, check };
    ask_order(&db, &orders, who, id.into_inner(), cmd, request).await
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reject {
    reason: RejectReason,
}

/// `POST /v1/merchant/tickets/{id}/reject`: before acceptance, with a reason.
pub(super) async fn reject(
    who: Merchant,
    db: Data<Db>,
    orders: Data<OrderService>,
    id: Path<TicketId>,
    cmd: Command<Reject>,
) -> Result<HttpResponse, Problem> {
    let request = ShopRequest { decision: ShopDecision::Reject, check: |_: &Reject| Ok(()) };
    ask_order(&db, &orders, who, id.into_inner(), cmd, request).await
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancel {
    reason: String,
}

/// `POST /v1/merchant/tickets/{id}/cancel`: after acceptance, with a reason.
pub(super) async fn cancel(
    who: Merchant,
    db: Data<Db>,
    orders: Data<OrderService>,
    id: Path<TicketId>,
    cmd: Command<Cancel>,
) -> Result<HttpResponse, Problem> {
    let check = |body: &Cancel| Ok(check_text("/reason", &body.reason)?);
    let request = ShopRequest { decision: ShopDecision::Cancel, check };
    ask_order(&db, &orders, who, id.into_inner(), cmd, request).await
}

/// `POST /v1/merchant/tickets/{id}/ready`: the food is ready.
pub(super) async fn ready(
    who: Merchant,
    db: Data<Db>,
    id: Path<TicketId>,
    cmd: Command<EmptyBody>,
) -> Result<HttpResponse, Problem> {
    let (id, seen) = (id.into_inner(), cmd.version_seen()?);
    cmd.once(&db, move |conn, cmd| {
        async move {
            let ticket = mark_ready(conn, &cmd.cause, who.id, id, seen).await?;
            Ok::<_, Refusal>(TicketView::for_shop(ticket))
        }
        .boxed()
    })
    .await
}
