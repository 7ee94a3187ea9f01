//! The tablet: what rings, and what the shop says to it.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use chrono::{DateTime, SubsecRound as _, Utc};
use futures::FutureExt as _;
use pannier_contracts::TicketId;
use pannier_contracts::ticket::TicketState;
use pannier_platform::http::{Command, Merchant, Page, PageQuery, Problem};
use pannier_platform::{Db, Refusal};
use serde::{Deserialize, Serialize};

use super::ask_order::{Asked, ask_order};
use super::view::TicketView;
use crate::commands::mark_ready::mark_ready;
use crate::domain::lifecycle::Action;
use crate::domain::opening::RejectReason;
use crate::domain::shop::{check_ready_at, check_text};
use crate::order_service::{OrderService, Question};
use crate::store::tickets::{self, Filter};

/// `?state=&open=true`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    pub(super) state: Option<TicketState>,
    #[serde(default)]
    pub(super) open: bool,
}

/// The shop lists its tickets, oldest first.
pub(super) async fn list(
    who: Merchant,
    db: Data<Db>,
    wanted: Query<Wanted>,
    page: Query<PageQuery>,
) -> Result<Json<Page<TicketView>>, Problem> {
    let filter = Filter { shop: Some(who.id), state: wanted.state, open: wanted.open };
    let (limit, after) = (page.limit()?, page.after()?);
    let rows =
        db.read(move |conn| async move { tickets::list(conn, filter, after, Some(limit + 1)).await }.boxed()).await?;
    Ok(Json(Page::of(rows, limit, |t| t.id.0).map(TicketView::for_shop)))
}

/// The shop looks at one.
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

/// The shop takes it, and says when it will be done.
pub(super) async fn accept(
    who: Merchant,
    db: Data<Db>,
    orders: Data<OrderService>,
    id: Path<TicketId>,
    mut cmd: Command<Accept>,
) -> Result<HttpResponse, Problem> {
    // Times have milliseconds here and everywhere after.
    cmd.body.ready_at = cmd.body.ready_at.trunc_subsecs(3);
    let check = |body: &Accept| Ok(check_ready_at(body.ready_at, Utc::now())?);
    let asked = Asked { action: Action::Accept, question: Question::Accept, check };
    ask_order(&db, &orders, who, id.into_inner(), cmd, asked).await
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reject {
    reason: RejectReason,
}

/// The shop turns it away.
pub(super) async fn reject(
    who: Merchant,
    db: Data<Db>,
    orders: Data<OrderService>,
    id: Path<TicketId>,
    cmd: Command<Reject>,
) -> Result<HttpResponse, Problem> {
    let asked = Asked { action: Action::Reject, question: Question::Reject, check: |_: &Reject| Ok(()) };
    ask_order(&db, &orders, who, id.into_inner(), cmd, asked).await
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancel {
    reason: String,
}

/// The shop gives back what it had accepted.
pub(super) async fn cancel(
    who: Merchant,
    db: Data<Db>,
    orders: Data<OrderService>,
    id: Path<TicketId>,
    cmd: Command<Cancel>,
) -> Result<HttpResponse, Problem> {
    let check = |body: &Cancel| Ok(check_text("/reason", &body.reason)?);
    let asked = Asked { action: Action::Cancel, question: Question::Cancel, check };
    ask_order(&db, &orders, who, id.into_inner(), cmd, asked).await
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The food waits at the counter.
pub(super) async fn ready(
    who: Merchant,
    db: Data<Db>,
    id: Path<TicketId>,
    cmd: Command<Nothing>,
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
