//! Payments, for operations: what was asked of the gateway, what is booked, and what can be corrected.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use pannier_contracts::payment::PaymentState;
use pannier_contracts::{Currency, Money, OrderId, PaymentId, Version};
use pannier_platform::http::{Command, Ops, Problem};
use pannier_platform::{Conn, Db, Refusal};
use serde::{Deserialize, Serialize};

use crate::commands::correct_payment::{self, PartialRefund, allowed_actions};
use crate::domain::settlement::{Ending, Operation};
use crate::domain::text;
use crate::store::orders::VisibleTo;
use crate::store::payments::operations::PaymentOperation;
use crate::store::{self, ledger, payments};

/// A payment.
#[derive(Debug, Serialize)]
pub(super) struct PaymentView {
    id: PaymentId,
    version: Version,
    state: PaymentState,
    amount: Money,
    captured: i64,
    refunded: i64,
    attempt: i32,
    last_error: Option<String>,
    operations: Vec<OperationView>,
    ledger: Vec<EntryView>,
    allowed_actions: Vec<&'static str>,
}

/// What was asked of the gateway.
#[derive(Debug, Serialize)]
struct OperationView {
    key: String,
    kind: Operation,
    amount: Money,
    asked_at: Option<DateTime<Utc>>,
    answer: Option<Ending>,
    detail: Option<String>,
    answered_at: Option<DateTime<Utc>>,
}

impl OperationView {
    fn of(operation: PaymentOperation, currency: Currency) -> Self {
        Self {
            key: operation.key,
            kind: operation.kind,
            amount: Money::new(operation.amount, currency),
            asked_at: operation.asked_at,
            answer: operation.answer,
            detail: operation.detail,
            answered_at: operation.answered_at,
        }
    }
}

/// An entry of the ledger.
#[derive(Debug, Serialize)]
struct EntryView {
    kind: String,
    amount: Money,
    gateway_ref: String,
    at: DateTime<Utc>,
}

async fn view(conn: &mut Conn, id: OrderId) -> Result<PaymentView, Refusal> {
    let order = store::orders::load(conn, id, VisibleTo::Anyone).await?;
    let operations = payments::operations::of_payment(conn, order.payment.id).await?;
    let is_owed = ledger::is_owed(conn, id).await?;
    let entries = ledger::of_order(conn, id).await?.into_iter().map(|entry| EntryView {
        kind: entry.kind,
        amount: Money::new(entry.amount, entry.currency),
        gateway_ref: entry.operation_key,
        at: entry.at,
    });
    let (allowed_actions, payment) = (allowed_actions(&order, &operations, is_owed), order.payment);
    Ok(PaymentView {
        id: payment.id,
        version: payment.version,
        state: payment.state,
        amount: payment.money(),
        captured: payment.captured,
        refunded: payment.refunded,
        attempt: payment.attempt,
        operations: operations.into_iter().map(|o| OperationView::of(o, payment.currency)).collect(),
        last_error: payment.last_error,
        ledger: entries.collect(),
        allowed_actions,
    })
}

/// Shows the payment of an order with its operations and its entries in the ledger.
pub(super) async fn show(_who: Ops, db: Data<Db>, id: Path<OrderId>) -> Result<Json<PaymentView>, Problem> {
    let id = id.into_inner();
    Ok(Json(db.read(move |conn| view(conn, id).boxed()).await?))
}

/// A correction without more to say than why.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Because {
    reason: String,
}

/// Asks again for what was refused.
pub(super) async fn retry(
    _who: Ops,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<Because>,
) -> Result<HttpResponse, Problem> {
    let (id, seen) = (id.into_inner(), cmd.version_seen()?);
    cmd.once(&db, move |conn, cmd| {
        async move {
            text::check_length("/reason", &cmd.body.reason)?;
            correct_payment::retry(conn, id, seen).await?;
            view(conn, id).await
        }
        .boxed()
    })
    .await
}

/// Gives a part back.
pub(super) async fn refund(
    _who: Ops,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<PartialRefund>,
) -> Result<HttpResponse, Problem> {
    let (id, seen) = (id.into_inner(), cmd.version_seen()?);
    cmd.once(&db, move |conn, cmd| {
        async move {
            text::check_length("/reason", &cmd.body.reason)?;
            correct_payment::refund(conn, id, seen, &cmd.body).await?;
            view(conn, id).await
        }
        .boxed()
    })
    .await
}

/// Gives up what is owed.
pub(super) async fn write_off(
    _who: Ops,
    db: Data<Db>,
    id: Path<OrderId>,
    cmd: Command<Because>,
) -> Result<HttpResponse, Problem> {
    let (id, seen) = (id.into_inner(), cmd.version_seen()?);
    cmd.once(&db, move |conn, cmd| {
        async move {
            text::check_length("/reason", &cmd.body.reason)?;
            correct_payment::write_off(conn, &cmd.cause, id, seen, &cmd.body.reason).await?;
            view(conn, id).await
        }
        .boxed()
    })
    .await
}
