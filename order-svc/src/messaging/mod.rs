//! News of other services' aggregates, one file each. A handler reads the state and asks what should be true here now.

pub mod on_delivery;
pub mod on_merchant;
pub mod on_ticket;
pub mod on_zone;

use std::collections::HashMap;

use pannier_contracts::OrderId;
use pannier_platform::consumer::Effect;
use pannier_platform::{Cause, Conn, Refusal};

use crate::commands::advance::{Step, advance};
use crate::domain::following::Wanted;
use crate::store::orders::{self, Order};
use crate::store::progress::{self, Copy, Part};

/// What a ticket or a delivery says about its order.
struct Told<'a> {
    order_id: OrderId,
    cause: &'a Cause,
    /// What watchers of the order see of it.
    copy: serde_json::Value,
    /// Where it wants the order.
    wanted: Option<Wanted>,
    /// Why, when it ends the order.
    reason: Option<String>,
}

/// Keeps what was told as the orders' progress, and brings the orders where they should be. Orders are loaded, and
/// their locks taken, in the order of their ids. Says what became of each, in the order given.
async fn follow(conn: &mut Conn, part: Part, told: Vec<Told<'_>>) -> Result<Vec<Effect>, Refusal> {
    let copies = told.iter().map(|t| Copy { order_id: t.order_id, copy: t.copy.clone(), cause: t.cause });
    progress::keep(conn, part, &copies.collect::<Vec<_>>()).await?;
    let moving: Vec<_> = told.iter().filter(|t| t.wanted.is_some()).map(|t| t.order_id.0).collect();
    let mut effects: HashMap<OrderId, Effect> = HashMap::new();
    if !moving.is_empty() {
        for order in orders::these(conn, &moving).await? {
            if let Some(told) = told.iter().find(|t| t.order_id == order.id) {
                effects.insert(order.id, walk(conn, order, told).await?);
            }
        }
    }
    Ok(told.iter().map(|t| effects.remove(&t.order_id).unwrap_or(Effect::Done)).collect())
}

async fn walk(conn: &mut Conn, mut order: Order, told: &Told<'_>) -> Result<Effect, Refusal> {
    let Some(wanted) = told.wanted else { return Ok(Effect::Done) };
    let Some(path) = wanted.path(order.state) else {
        return Ok(Effect::Late(format!("the order is {} already", order.state)));
    };
    for trigger in path {
        let step = Step { reason: told.reason.clone(), ..Default::default() };
        order = advance(conn, told.cause, &order, trigger, step).await?;
    }
    Ok(Effect::Done)
}
