//! The operations API: read only, because operations act on orders, at order-svc.

use actix_web::web::{Data, Json, Path, Query};
use futures::FutureExt as _;
use pannier_contracts::event::Snapshot as _;
use pannier_contracts::ticket::TicketSnapshot;
use pannier_contracts::{MerchantId, OrderId, TicketId};
use pannier_platform::Db;
use pannier_platform::http::events::{Events, events_of};
use pannier_platform::http::{Ops, Page, PageQuery, Problem};

use super::tickets::TicketQuery;
use super::view::{MerchantView, TicketView};
use crate::store::merchants;
use crate::store::tickets::{self, Filter};

/// `GET /v1/ops/tickets`: tickets of all shops, oldest first.
pub(super) async fn tickets(
    _who: Ops,
    db: Data<Db>,
    query: Query<TicketQuery>,
    page: Query<PageQuery>,
) -> Result<Json<Page<TicketView>>, Problem> {
    let filter = Filter { shop: None, state: query.state, open: query.open };
    let (limit, after) = (page.limit()?, page.after()?.map(TicketId));
    let rows =
        db.read(move |conn| async move { tickets::list(conn, filter, after, Some(limit + 1)).await }.boxed()).await?;
    Ok(Json(Page::of(rows, limit, |t| t.id.0).map(TicketView::for_ops)))
}

/// `GET /v1/ops/orders/{id}/events`: every event of the ticket of an order.
pub(super) async fn events(_who: Ops, db: Data<Db>, id: Path<OrderId>) -> Result<Events, Problem> {
    let id = id.into_inner();
    let read = db.read(move |conn| {
        async move {
            let ticket = tickets::id_of_order(conn, id).await?;
            events_of(conn, &[(TicketSnapshot::AGGREGATE, ticket.0)]).await
        }
        .boxed()
    });
    Ok(Json(read.await?))
}

/// `GET /v1/ops/merchants`: shops, oldest first.
pub(super) async fn merchants(
    _who: Ops,
    db: Data<Db>,
    page: Query<PageQuery>,
) -> Result<Json<Page<MerchantView>>, Problem> {
    let (limit, after) = (page.limit()?, page.after()?.map(MerchantId));
    let rows = db.read(move |conn| async move { merchants::list(conn, after, limit + 1).await }.boxed()).await?;
    Ok(Json(Page::of(rows, limit, |m| m.id.0).map(MerchantView::for_ops)))
}
