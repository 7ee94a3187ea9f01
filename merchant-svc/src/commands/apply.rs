//! One transition of a ticket: the lifecycle decides, the version guards.

use chrono::{DateTime, Utc};
use pannier_contracts::Lifecycle as _;
use pannier_contracts::ticket::{TicketSnapshot, TicketState};
use pannier_platform::{Cause, Conn, Refusal};

use crate::domain::lifecycle::{TicketLifecycle, Trigger, allowed_action_names};
use crate::store;

/// What a transition stores beside the new state.
#[derive(Debug, Clone, Default)]
pub struct TransitionDetails {
    /// When the food will be ready. Stored by an acceptance only.
    pub ready_at: Option<DateTime<Utc>>,
    /// Why the ticket ended. Stored by a rejection, an expiry or a cancellation only.
    pub reason: Option<String>,
}

/// Applies one trigger to a ticket and stores it with its event.
///
/// # Errors
/// [`Refusal::Illegal`] when the lifecycle does not allow it; [`Refusal::Conflict`] when a concurrent update won: reload
/// and decide again.
pub async fn apply(
    conn: &mut Conn,
    cause: &Cause,
    ticket: &TicketSnapshot,
    trigger: Trigger,
    details: TransitionDetails,
) -> Result<TicketSnapshot, Refusal> {
    let state = TicketLifecycle::next(ticket.state, trigger)
        .map_err(|e| Refusal::illegal(&e, allowed_action_names(ticket.state)))?;
    let mut after = TicketSnapshot { state, ..ticket.clone() };
    match state {
        TicketState::Accepted => after.ready_at = details.ready_at,
        TicketState::Rejected | TicketState::Expired | TicketState::Cancelled => after.reason = details.reason,
        TicketState::AwaitingAcceptance | TicketState::Ready | TicketState::HandedOver => {}
    }
    let after = store::tickets::update(conn, cause, ticket, after).await?;
    tracing::info!(ticket.id = %after.id, order.id = %after.order_id, state = %after.state, reason = after.reason,
        "Ticket {} of order {} is {}", after.id, after.order_id, after.state);
    Ok(after)
}
