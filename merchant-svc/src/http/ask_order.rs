//! Asking first. What a shop promises, another service could break: so order-svc decides, and the ticket follows.
//!
//! Nothing is written before the answer. If we die after order-svc has decided, the order's event moves the ticket, and
//! the tablet's retry (same key) gets the same answer from order-svc again, and then from us.

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
use crate::commands::advance::words;
use crate::commands::follow_order::follow_order;
use crate::domain::following::OrderNow;
use crate::domain::lifecycle::{Action, TicketLifecycle, allowed_actions};
use crate::order_service::{InTheNameOf, OrderService, Question, Verdict};
use crate::store::tickets;

/// What the shop wants to do.
pub(super) struct Asked<T> {
    /// To the ticket.
    pub(super) action: Action,
    /// To the order.
    pub(super) question: Question,
    /// What the body must keep to.
    pub(super) check: fn(&T) -> Result<(), Refusal>,
}

/// Asks order-svc in the shop's name, and answers the shop with what the ticket became.
pub(super) async fn ask_order<T: Serialize + Clone + Send + Sync + 'static>(
    db: &Db,
    orders: &OrderService,
    who: Merchant,
    id: TicketId,
    cmd: Command<T>,
    asked: Asked<T>,
) -> Result<HttpResponse, Problem> {
    let seen = cmd.version_seen()?;
    (asked.check)(&cmd.body)?;
    let shop = who.id;
    let ticket = db.read(move |conn| async move { tickets::load(conn, id, shop).await }.boxed()).await?;
    let refusal = refusal(&ticket, asked.action, seen);
    if refusal.is_some() {
        // Perhaps by this very request: the stored answer wins.
        let claim = cmd.claim.clone();
        let stored = db.read(move |conn| async move { idempotency::find(conn, &claim).await }.boxed()).await?;
        if let Some(answer) = stored {
            return Ok(respond(&answer?));
        }
    }
    match refusal {
        // The ticket is where this would have led: perhaps by this very request, whose answer was lost. order-svc knows
        // by the key; it cannot do it twice.
        Some(_) if is_done(ticket.state, asked.action) => {}
        Some(refusal) => return Err(refusal.into()),
        None => {}
    }

    let name = InTheNameOf { bearer: &who.token.bearer, key: &cmd.claim.key, cause: &cmd.cause };
    let verdict = orders.ask(ticket.order_id, asked.question, &cmd.body, name).await.map_err(away)?;
    match (verdict, refusal) {
        (Verdict::Agreed(order), _) => commit(db, who, id, cmd, order, None).await,
        (_, Some(refusal)) => Err(refusal.into()),
        (Verdict::Decided { state, problem }, None) => {
            let order = OrderNow { state, ready_at: None, reason: Some(problem.code.clone()) };
            commit(db, who, id, cmd, order, Some(problem)).await
        }
        (Verdict::Refused(problem), None) => Err(*problem),
    }
}

/// Why the shop may not do this to the ticket, as far as we know it.
fn refusal(ticket: &TicketSnapshot, action: Action, seen: Version) -> Option<Refusal> {
    if ticket.version != seen {
        return Some(Refusal::Stale { current: ticket.version });
    }
    let allowed = allowed_actions(ticket.state);
    (!allowed.contains(&action)).then(|| {
        let e = IllegalTransition {
            lifecycle: TicketLifecycle::NAME,
            from: ticket.state.to_string(),
            trigger: action.trigger().to_string(),
        };
        Refusal::illegal(&e, words(allowed))
    })
}

/// Is this what the ticket looks like after the action?
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

/// Writes what was decided: the ticket follows, and the answer is kept with the key.
async fn commit<T>(
    db: &Db,
    who: Merchant,
    id: TicketId,
    cmd: Command<T>,
    order: OrderNow,
    problem: Option<Box<Problem>>,
) -> Result<HttpResponse, Problem> {
    let decided = Arc::new((cmd.cause, order, problem));
    let body: idempotency::Body = Arc::new(move |conn| {
        let decided = Arc::clone(&decided);
        async move {
            let (cause, order, problem) = &*decided;
            let mut ticket = tickets::load(conn, id, who.id).await?;
            if is_told_whole(order, problem.is_some()) {
                // Late only if an event was faster than this answer; the ticket then says what it is now.
                (ticket, _) = follow_order(conn, cause, ticket, order).await?;
            }
            match problem {
                None => Answer::new(StatusCode::OK.as_u16(), &TicketView::for_shop(ticket)),
                Some(problem) => Ok(Problem {
                    state: Some(ticket.state.to_string()),
                    allowed_actions: Some(words(allowed_actions(ticket.state))),
                    version: Some(ticket.version),
                    ..(**problem).clone()
                }
                .answer()),
            }
        }
        .boxed()
    });
    // Decided already, so a ticket that moved meanwhile is looked at again: `If-Match` has done its work.
    Ok(respond(&idempotency::once(db, cmd.claim, body, Problem::stored, true).await?))
}

/// A 409 tells the order's state, not its ready time: whoever accepted it brings that, in an answer or an event.
fn is_told_whole(order: &OrderNow, is_problem: bool) -> bool {
    !(is_problem && matches!(order.state, OrderState::Accepted | OrderState::Ready))
}
