//! Orders, for their customers.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use futures::FutureExt as _;
use pannier_contracts::OrderId;
use pannier_contracts::event::Snapshot as _;
use pannier_contracts::order::{OrderSnapshot, OrderState};
use pannier_contracts::payment::{PaymentSnapshot, PaymentState};
use pannier_platform::Db;
use pannier_platform::event_log::{EventLog, LoggedEvent, Subscription};
use pannier_platform::http::command::respond;
use pannier_platform::http::{Command, Customer, Page, PageQuery, Problem};
use serde::Deserialize;

use super::view::{OrderView, Reader};
use crate::commands::place_order::{PlaceOrder, place_order};
use crate::commands::{cancel_order, pay_again};
use crate::store::orders::{self, Filter, VisibleTo};
use crate::store::zones::ZoneCache;

/// Places an order. With `Prefer: wait=N` the answer waits until the payment is decided, for N seconds at most.
pub(super) async fn place(
    request: HttpRequest,
    who: Customer,
    db: Data<Db>,
    log: Data<EventLog>,
    zones: Data<ZoneCache>,
    cmd: Command<PlaceOrder>,
) -> Result<HttpResponse, Problem> {
    let wait = preferred_wait(&request);
    // The id is generated before the commit, so that no event of the order can be missed.
    let (customer, id) = (who.id, OrderId::generate());
    let events = wait.map(|_| log.subscribe(id.0.to_string()));
    let mut answer = cmd
        .answer(StatusCode::CREATED, &db, move |conn, cmd| {
            let zones = zones.clone();
            async move {
                let order = place_order(conn, &cmd.cause, &zones, customer, id, &cmd.body).await?;
                Ok(OrderView::of(&order, Reader::Customer))
            }
            .boxed()
        })
        .await?;
    if let (Some(wait), Some(events), 201) = (wait, events, answer.status) {
        if !answer.replayed {
            until_decided(events, wait).await;
        }
        let placed = answer.body["id"].as_str().map(str::parse::<OrderId>);
        if let Some(Ok(id)) = placed
            && let Ok(newer) = read(&db, who, id).await
        {
            answer.body = serde_json::to_value(newer).unwrap_or(answer.body);
        }
    }
    Ok(respond(&answer))
}

/// `Prefer: wait=5`, in seconds; at most 4.5, because a request may take five.
fn preferred_wait(request: &HttpRequest) -> Option<Duration> {
    let prefer = request.headers().get("prefer")?.to_str().ok()?;
    let seconds: f64 = prefer.split([',', ';']).find_map(|p| p.trim().strip_prefix("wait="))?.parse().ok()?;
    Duration::try_from_secs_f64(seconds.clamp(0.0, 4.5)).ok()
}

/// Waits until an event of the order says that its payment is decided, or the time is over.
async fn until_decided(mut events: Subscription, wait: Duration) {
    let decided = async {
        // Ends early when events were missed: the order is read afterwards in any case.
        while let Ok(batch) = events.next().await {
            if batch.events.iter().any(|event| is_decision(event)) {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(wait, decided).await;
}

fn is_decision(event: &LoggedEvent) -> bool {
    match event.aggregate.as_str() {
        OrderSnapshot::AGGREGATE => {
            event.snapshot::<OrderSnapshot>().is_ok_and(|order| order.state != OrderState::PendingPayment)
        }
        PaymentSnapshot::AGGREGATE => {
            event.snapshot::<PaymentSnapshot>().is_ok_and(|payment| payment.state == PaymentState::Failed)
        }
        _ => false,
    }
}

async fn read(db: &Db, who: Customer, id: OrderId) -> Result<OrderView, Problem> {
    let view = db
        .read(move |conn| {
            async move {
                let order = orders::load(conn, id, VisibleTo::Customer(who.id)).await?;
                Ok(OrderView::of(&order, Reader::Customer))
            }
            .boxed()
        })
        .await?;
    Ok(view)
}

/// Shows an order of the customer.
pub(super) async fn show(who: Customer, db: Data<Db>, id: Path<OrderId>) -> Result<Json<OrderView>, Problem> {
    Ok(Json(read(&db, who, id.into_inner()).await?))
}

/// Lists the customer's orders, newest first.
pub(super) async fn list(
    who: Customer,
    db: Data<Db>,
    page: Query<PageQuery>,
) -> Result<Json<Page<OrderView>>, Problem> {
    let filter = Filter { customer: Some(who.id), ..Default::default() };
    Ok(Json(page_of(&db, filter, &page, Reader::Customer).await?))
}

/// A page of orders, as a reader may see them.
pub(super) async fn page_of(
    db: &Db,
    filter: Filter,
    page: &PageQuery,
    reader: Reader,
) -> Result<Page<OrderView>, Problem> {
    let (limit, before) = (page.limit()?, page.after()?.map(OrderId));
    let page = db
        .read(move |conn| {
            async move {
                let orders = orders::list(conn, filter, before, limit + 1).await?;
                Ok(Page::of(orders, limit, |order| order.id.0).map(|order| OrderView::of(&order, reader)))
            }
            .boxed()
        })
        .await?;
    Ok(page)
}

/// The body of a cancellation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelOrder {
    #[serde(default)]
    reason: Option<String>,
}

/// Cancels an order that the shop has not accepted.
pub(super) async fn cancel(
    who: Customer,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<CancelOrder>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    cmd.once(&db, move |conn, cmd| {
        async move {
            let order = cancel_order::by_customer(conn, &cmd.cause, who.id, id, cmd.body.reason).await?;
            Ok(OrderView::of(&order, Reader::Customer))
        }
        .boxed()
    })
    .await
}

/// The body of another attempt to pay.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PayAgain {
    payment_method: String,
}

/// Tries another payment method after the gateway refused one.
pub(super) async fn pay(
    who: Customer,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<PayAgain>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    cmd.once(&db, move |conn, cmd| {
        async move {
            let order = pay_again::pay_again(conn, &cmd.cause, who.id, id, &cmd.body.payment_method).await?;
            Ok(OrderView::of(&order, Reader::Customer))
        }
        .boxed()
    })
    .await
}
