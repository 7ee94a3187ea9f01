//! One step of a ticket: the table decides, the version guards.

use chrono::{DateTime, Utc};
use pannier_contracts::Lifecycle as _;
use pannier_contracts::ticket::{TicketSnapshot, TicketState};
use pannier_platform::{Cause, Conn, Refusal};

use crate::domain::lifecycle::{Action, TicketLifecycle, Trigger, allowed_actions};
use crate::store;

/// What else is known with a step.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// The kitchen's time, with an acceptance.
    pub ready_at: Option<DateTime<Utc>>,
    /// Why, with an ending.
    pub reason: Option<String>,
}

/// Takes one step.
///
/// # Errors
/// `Illegal` when the table has no such step; `Conflict` when somebody was faster.
pub async fn advance(
    conn: &mut Conn,
    cause: &Cause,
    ticket: &TicketSnapshot,
    trigger: Trigger,
    step: Step,
) -> Result<TicketSnapshot, Refusal> {
    let state = TicketLifecycle::next(ticket.state, trigger)
        .map_err(|e| Refusal::illegal(&e, words(allowed_actions(ticket.state))))?;
    let mut after = TicketSnapshot { state, ..ticket.clone() };
    match state {
        TicketState::Accepted => after.ready_at = step.ready_at,
        TicketState::Rejected | TicketState::Expired | TicketState::Cancelled => after.reason = step.reason,
        TicketState::AwaitingAcceptance | TicketState::Ready | TicketState::HandedOver => {}
    }
    let after = store::tickets::advance(conn, cause, ticket, after).await?;
    tracing::info!(ticket.id = %after.id, order.id = %after.order_id, state = %after.state, reason = after.reason,
        "Ticket {} of order {} is {}", after.id, after.order_id, after.state);
    Ok(after)
}

/// Actions as the API says them.
#[must_use]
pub fn words(actions: &[Action]) -> Vec<String> {
    actions.iter().map(ToString::to_string).collect()
}
