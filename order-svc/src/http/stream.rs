//! An order, live. Resumes by version; the newest record is always sent, older ones may be skipped.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use futures::FutureExt as _;
use pannier_contracts::{CustomerId, OrderId, Version};
use pannier_platform::event_log::EventLog;
use pannier_platform::http::sse::{self, Frame, Sender};
use pannier_platform::http::{Customer, Problem};
use pannier_platform::{Db, Refusal, Stop};

use super::view::{OrderView, Reader};
use crate::store::orders::{self, Of};

/// The customer watches an order.
pub(super) async fn watch(
    request: HttpRequest,
    who: Customer,
    db: Data<Db>,
    log: Data<EventLog>,
    stop: Data<Stop>,
    id: Path<OrderId>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    // Unknown or foreign: a problem, not an empty stream.
    let first = read(&db, who.id, id).await?;
    // A cursor that is none of this order's begins with the present.
    let cursor = sse::cursor(&request).and_then(|c| c.parse().ok()).map(Version);
    let seen = cursor.filter(|seen| *seen <= first.version).unwrap_or(Version(0));
    let (db, log) = (db.get_ref().clone(), log.get_ref().clone());
    Ok(sse::stream(&who.token.claims, &stop, move |frames| follow(db, log, who.id, first, seen, frames)))
}

async fn read(db: &Db, customer: CustomerId, id: OrderId) -> Result<OrderView, Refusal> {
    db.read(move |conn| {
        async move {
            let order = orders::load(conn, id, Of::Customer(customer)).await?;
            OrderView::load(conn, &order, Reader::Customer).await
        }
        .boxed()
    })
    .await
}

async fn follow(db: Db, log: EventLog, customer: CustomerId, first: OrderView, mut seen: Version, frames: Sender) {
    let id = first.id();
    let mut heard = log.subscribe(id.0.to_string());
    loop {
        // Read after subscribing, so nothing falls in between.
        let Ok(mut view) = read(&db, customer, id).await else { return };
        if view.version > seen {
            seen = view.version;
            view.allowed_actions = None;
            let Ok(data) = serde_json::to_string(&view) else { return };
            if frames.send(Frame { id: seen.to_string(), event: "order", data }).await.is_err() {
                return;
            }
        }
        // Missed or heard: there may be something newer.
        let _ = heard.next().await;
    }
}
