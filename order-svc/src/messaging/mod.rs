//! News of other services' aggregates, one file each. A handler reads the state and asks what should be true here now.

pub mod on_delivery;
pub mod on_merchant;
pub mod on_ticket;
pub mod on_zone;

use pannier_contracts::catch_up;
use pannier_contracts::order::OrderState;
use pannier_platform::consumer::Effect;
use pannier_platform::{Cause, Conn, Refusal};

use crate::commands::advance::{Step, advance};
use crate::domain::lifecycle::{OrderLifecycle, Trigger};
use crate::store::orders::{self, Change, Order};

/// What news implies for an order: one of `states`, by these steps only.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub states: &'static [OrderState],
    pub by: &'static [Trigger],
    pub reason: Option<String>,
}

/// Brings the order to what the news implies, step by step, after keeping the news's snapshot in `copy`.
pub(crate) async fn follow(
    conn: &mut Conn,
    cause: &Cause,
    order: Order,
    copy: Change,
    wanted: Option<Wanted>,
) -> Result<Effect, Refusal> {
    // The copy is a version of its own: watchers of the order see the ticket and the rider move.
    let mut order = orders::advance(conn, cause, &order, "progressed", copy).await?;
    let Some(wanted) = wanted else { return Ok(Effect::Done) };
    let Some(path) = catch_up::<OrderLifecycle>(order.state, wanted.states, wanted.by) else {
        return Ok(Effect::Late(format!("the order is {} already", order.state)));
    };
    for trigger in path {
        let step = Step { reason: wanted.reason.clone(), ..Default::default() };
        order = advance(conn, cause, &order, trigger, step).await?;
    }
    Ok(Effect::Done)
}
