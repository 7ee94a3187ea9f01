//! Orders follow their tickets and deliveries: what these tell is stored as progress, and moves the order where the pair
//! tables of [`domain::following`](crate::domain::following) say so.

use std::collections::HashMap;

use pannier_contracts::OrderId;
use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::order::OrderState;
use pannier_contracts::ticket::TicketSnapshot;
use pannier_platform::consumer::{Effect, Message};
use pannier_platform::{Cause, Conn, Refusal, alarms};
use serde_json::json;

use super::apply_trigger::{TransitionDetails, apply_trigger};
use crate::domain::following::{Goal, after_delivery, after_ticket};
use crate::store::Order;
use crate::store::orders;
use crate::store::progress::{self, Part, PartChange};

/// Follows tickets, in one transaction.
///
/// # Errors
/// [`Refusal::NotFound`] when an order does not exist, [`Refusal::Conflict`] when a concurrent update won.
pub async fn follow_tickets(conn: &mut Conn, news: &[Message<'_, TicketSnapshot>]) -> Result<Vec<Effect>, Refusal> {
    let changes = news.iter().map(|Message { cause, snapshot: ticket }| Change {
        order_id: ticket.order_id,
        cause,
        copy: json!({
            "id": ticket.id, "state": ticket.state, "version": ticket.version, "ready_at": ticket.ready_at,
        }),
        goal: after_ticket(ticket.state),
        reason: ticket.reason.clone(),
    });
    let outcomes = follow(conn, Part::Ticket, changes.collect()).await?;
    Ok(outcomes.into_iter().map(Into::into).collect())
}

/// Follows deliveries, in one transaction. A delivery that was completed although its order is cancelled raises an alarm.
///
/// # Errors
/// As [`follow_tickets`].
pub async fn follow_deliveries(
    conn: &mut Conn,
    news: &[Message<'_, DeliverySnapshot>],
) -> Result<Vec<Effect>, Refusal> {
    let changes = news.iter().map(|Message { cause, snapshot: delivery }| Change {
        order_id: delivery.order_id,
        cause,
        copy: json!({
            "id": delivery.id, "state": delivery.state, "version": delivery.version, "rider_id": delivery.rider_id,
            "picked_up_at": delivery.picked_up_at, "delivered_at": delivery.delivered_at,
        }),
        goal: after_delivery(delivery.state),
        reason: delivery.reason.clone(),
    });
    let outcomes = follow(conn, Part::Delivery, changes.collect()).await?;
    for (Message { snapshot: delivery, .. }, outcome) in news.iter().zip(&outcomes) {
        if delivery.state == DeliveryState::Delivered && *outcome == Outcome::Passed(OrderState::Cancelled) {
            let detail = "the food was delivered although the order was cancelled; the refund stands";
            alarms::raise(conn, "delivered_after_cancel", "order", delivery.order_id.0, detail).await?;
        }
    }
    Ok(outcomes.into_iter().map(Into::into).collect())
}

/// A ticket or a delivery after a change, as its order sees it.
struct Change<'a> {
    order_id: OrderId,
    cause: &'a Cause,
    /// What those who watch the order see of it.
    copy: serde_json::Value,
    /// Where it moves the order, if anywhere.
    goal: Option<Goal>,
    /// Why the order ends, if it does.
    reason: Option<String>,
}

/// What a change led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The order is where it should be.
    Followed,
    /// The order is in this state, from which no path leads to the goal.
    Passed(OrderState),
}

impl From<Outcome> for Effect {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Followed => Self::Done,
            Outcome::Passed(state) => Self::Late(format!("the order is {state} already")),
        }
    }
}

/// Stores the changes as progress and moves the orders; returns an outcome for each change. Orders are locked in the
/// order of their ids.
async fn follow(conn: &mut Conn, part: Part, changes: Vec<Change<'_>>) -> Result<Vec<Outcome>, Refusal> {
    let copies = changes.iter().map(|c| PartChange { order_id: c.order_id, copy: c.copy.clone(), cause: c.cause });
    progress::upsert(conn, part, &copies.collect::<Vec<_>>()).await?;
    let moving = changes.iter().filter_map(|change| Some((change.order_id, (change, change.goal?))));
    let moving: HashMap<OrderId, _> = moving.collect();
    let mut outcomes = HashMap::new();
    if !moving.is_empty() {
        let ids: Vec<OrderId> = moving.keys().copied().collect();
        for order in orders::load_many(conn, &ids).await? {
            if let Some((change, goal)) = moving.get(&order.id) {
                outcomes.insert(order.id, reach(conn, order, *goal, change).await?);
            }
        }
    }
    Ok(changes.iter().map(|change| outcomes.remove(&change.order_id).unwrap_or(Outcome::Followed)).collect())
}

/// Moves an order to a goal, one transition after the other.
async fn reach(conn: &mut Conn, mut order: Order, goal: Goal, change: &Change<'_>) -> Result<Outcome, Refusal> {
    let Some(path) = goal.path_from(order.state) else { return Ok(Outcome::Passed(order.state)) };
    for trigger in path {
        let details = TransitionDetails { reason: change.reason.clone(), ..TransitionDetails::default() };
        order = apply_trigger(conn, change.cause, &order, trigger, details).await?;
    }
    Ok(Outcome::Followed)
}
