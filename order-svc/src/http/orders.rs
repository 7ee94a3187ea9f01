//! What customers do with orders.

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
use crate::store::orders::{self as store, Filter, Of};

/// Places an order from a quote. With `Prefer: wait=N` the answer waits until it is paid, refused, or N seconds are over.
pub(super) async fn place(
    request: HttpRequest,
    who: Customer,
    db: Data<Db>,
    log: Data<EventLog>,
    cmd: Command<PlaceOrder>,
) -> Result<HttpResponse, Problem> {
    let wait = patience(&request);
    // Named before it is there, so that whoever waits listens before anything can happen to it.
    let (customer, id) = (who.id, OrderId::generate());
    let heard = wait.map(|_| log.subscribe(id.0.to_string()));
    let mut answer = cmd
        .answer(StatusCode::CREATED, &db, move |conn, cmd| {
            async move {
                let order = place_order(conn, &cmd.cause, customer, id, &cmd.body).await?;
                OrderView::of(&order, Reader::Customer)
            }
            .boxed()
        })
        .await?;
    if let (Some(wait), Some(heard), 201) = (wait, heard, answer.status) {
        if !answer.replayed {
            until_decided(heard, wait).await;
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

/// `Prefer: wait=5`, at most as long as a request may take.
fn patience(request: &HttpRequest) -> Option<Duration> {
    let prefer = request.headers().get("prefer")?.to_str().ok()?;
    let seconds: f64 = prefer.split([',', ';']).find_map(|p| p.trim().strip_prefix("wait="))?.parse().ok()?;
    Duration::try_from_secs_f64(seconds.clamp(0.0, 4.5)).ok()
}

/// Waits until the payment is decided, by what the order's events say; or until there is no patience left.
async fn until_decided(mut heard: Subscription, patience: Duration) {
    let decided = async {
        // What went unheard is read afterwards.
        while let Ok(heard) = heard.next().await {
            if heard.events.iter().any(|event| is_decision(event)) {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(patience, decided).await;
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
                let order = store::load(conn, id, Of::Customer(who.id)).await?;
                OrderView::of(&order, Reader::Customer)
            }
            .boxed()
        })
        .await?;
    Ok(view)
}

/// One of the customer's orders.
pub(super) async fn show(who: Customer, db: Data<Db>, id: Path<OrderId>) -> Result<Json<OrderView>, Problem> {
    Ok(Json(read(&db, who, id.into_inner()).await?))
}

/// The customer's orders, newest first.
pub(super) async fn list(
    who: Customer,
    db: Data<Db>,
    page: Query<PageQuery>,
) -> Result<Json<Page<OrderView>>, Problem> {
    let filter = Filter { customer: Some(who.id), ..Default::default() };
    Ok(Json(page_of(&db, filter, &page, Reader::Customer).await?))
}

/// A page of orders for a reader.
pub(super) async fn page_of(
    db: &Db,
    filter: Filter,
    page: &PageQuery,
    reader: Reader,
) -> Result<Page<OrderView>, Problem> {
    let (limit, before) = (page.limit()?, page.after()?);
    let page = db
        .read(move |conn| {
            async move {
                let rows = store::list(conn, filter, before, limit + 1).await?;
                let page = Page::of(rows, limit, |order| order.id.0);
                let data = page.data.iter().map(|order| OrderView::of(order, reader)).collect::<Result<_, _>>()?;
                Ok(Page { data, next_cursor: page.next_cursor })
            }
            .boxed()
        })
        .await?;
    Ok(page)
}

/// Why the customer cancels.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelOrder {
    #[serde(default)]
    reason: Option<String>,
}

/// Customer cancels an order that no shop has accepted yet.
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
            OrderView::of(&order, Reader::Customer)
        }
        .boxed()
    })
    .await
}

/// Another method of payment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pay {
    payment_method: String,
}

/// Customer tries another method after the first was declined.
pub(super) async fn pay(
    who: Customer,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<Pay>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    cmd.once(&db, move |conn, cmd| {
        async move {
            let order = pay_again::pay_again(conn, &cmd.cause, who.id, id, &cmd.body.payment_method).await?;
            OrderView::of(&order, Reader::Customer)
        }
        .boxed()
    })
    .await
}
