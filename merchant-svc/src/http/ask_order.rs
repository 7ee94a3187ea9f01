//! Accept, reject and cancel: order-svc decides first, then the ticket follows its answer.
//!
//! Nothing is written before order-svc has answered. If this process dies in between, the order's event moves the ticket,
//! and a retry with the same key gets order-svc's first answer again.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use futures::FutureExt as _;
use pannier_contracts::order::OrderState;
use pannier_contracts::ticket::{TicketSnapshot, TicketState};
use pannier_contracts::{IllegalTransition, Lifecycle as _, TicketId, Version};
use pannier_platform::http::command::respond;
use pannier_platform::http::{Command, Merchant, Problem};
use pannier_platform::idempotency::{self, Answer};
use pannier_platform::{Db, Refusal};
use serde::Serialize;

use super::view::TicketView;
use crate::commands::follow_order::follow_order;
use crate::domain::following::OrderUpdate;
use crate::domain::lifecycle::{Action, TicketLifecycle, allowed_action_names, allowed_actions};
use crate::order_service::{OnBehalfOf, OrderReply, OrderService, ShopDecision};
use crate::store::tickets;

/// What the shop wants, and the limits of its body.
pub(super) struct ShopRequest<T> {
    pub(super) decision: ShopDecision,
    pub(super) check: fn(&T) -> Result<(), Refusal>,
}

/// Asks order-svc on behalf of the shop, and answers with the ticket after its decision.
pub(super) async fn ask_order<T: Serialize + Clone + Send + Sync + 'static>(
    db: &Db,
    orders: &OrderService,
    who: Merchant,
    id: TicketId,
    cmd: Command<T>,
    request: ShopRequest<T>,
) -> Result<HttpResponse, Problem> {
    let seen = cmd.version_seen()?;
    (request.check)(&cmd.body)?;
    let action = request.decision.action();
    let shop = who.id;
    let ticket = db.read(move |conn| async move { tickets::load(conn, id, shop).await }.boxed()).await?;
    let refusal = refusal(&ticket, action, seen);
    if refusal.is_some() {
        // This request itself may have moved the ticket: a stored answer wins.
        let claim = cmd.claim.clone();
        let stored = db.read(move |conn| async move { idempotency::find(conn, &claim).await }.boxed()).await?;
        if let Some(answer) = stored {
            return Ok(respond(&answer?));
        }
    }
    match refusal {
        // The ticket is where the decision leads. If this request made it and its answer was lost, order-svc knows the key
        // and repeats its answer; if not, it refuses.
        Some(_) if is_done(ticket.state, action) => {}
        Some(refusal) => return Err(refusal.into()),
        None => {}
    }

    let name = OnBehalfOf { bearer: &who.token.bearer, key: &cmd.claim.key, cause: &cmd.cause };
    let reply = orders.ask(ticket.order_id, request.decision, &cmd.body, name).await.map_err(away)?;
    match (reply, refusal) {
        (OrderReply::Done(order), _) => commit(db, who, id, cmd, order, None).await,
        (_, Some(refusal)) => Err(refusal.into()),
        (OrderReply::Conflict { state, problem }, None) => {
            let order = OrderUpdate { state, ready_at: None, reason: Some(problem.code.clone()) };
            commit(db, who, id, cmd, order, Some(problem)).await
        }
        (OrderReply::Refused(problem), None) => Err(*problem),
    }
}

/// Why the shop may not do this to the ticket as it is stored here, if it may not.
fn refusal(ticket: &TicketSnapshot, action: Action, seen: Version) -> Option<Refusal> {
    if ticket.version != seen {
        return Some(Refusal::Stale { current: ticket.version });
    }
    (!allowed_actions(ticket.state).contains(&action)).then(|| {
        let e = IllegalTransition {
            lifecycle: TicketLifecycle::NAME,
            from: ticket.state.to_string(),
            trigger: action.trigger().to_string(),
        };
        Refusal::illegal(&e, allowed_action_names(ticket.state))
    })
}

/// Whether the action can have led to this state.
fn is_done(state: TicketState, action: Action) -> bool {
    match action {
        Action::Accept => matches!(state, TicketState::Accepted | TicketState::Ready | TicketState::HandedOver),
        Action::Reject => state == TicketState::Rejected,
        Action::Cancel => state == TicketState::Cancelled,
        Action::Ready => false,
    }
}

fn away(e: anyhow::Error) -> Refusal {
    Refusal::Away { what: "order-svc", code: "order_service_away", source: e }
}

/// Stores the decision: in one transaction the ticket follows and the answer is kept under the key.
async fn commit<T>(
    db: &Db,
    who: Merchant,
    id: TicketId,
    cmd: Command<T>,
    order: OrderUpdate,
    problem: Option<Box<Problem>>,
) -> Result<HttpResponse, Problem> {
    let decided = Arc::new((cmd.cause, order, problem));
    let body: idempotency::Body = Arc::new(move |conn| {
        let decided = Arc::clone(&decided);
        async move {
            let (cause, order, problem) = &*decided;
            let mut ticket = tickets::load(conn, id, who.id).await?;
            if can_be_followed(order, problem.is_some()) {
                // Late when the order's event came first: the answer then shows the ticket as it is.
                (ticket, _) = follow_order(conn, cause, ticket, order).await?;
            }
            match problem {
                None => Answer::new(StatusCode::OK.as_u16(), &TicketView::for_shop(ticket)),
                Some(problem) => Ok(Problem {
                    state: Some(ticket.state.to_string()),
                    allowed_actions: Some(allowed_action_names(ticket.state)),
                    version: Some(ticket.version),
                    ..(**problem).clone()
                }
                .answer()),
            }
        }
        .boxed()
    });
    // order-svc has decided, so a concurrent update of the ticket is retried in spite of `If-Match`.
    Ok(respond(&idempotency::once(db, cmd.claim, body, Problem::stored, true).await?))
}

/// A 409 has the order's state without its ready time, which an accepted ticket needs. The answer to the request that
/// accepted the order, or the order's event, brings it.
fn can_be_followed(order: &OrderUpdate, is_problem: bool) -> bool {
    !(is_problem && matches!(order.state, OrderState::Accepted | OrderState::Ready))
}
