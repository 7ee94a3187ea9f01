//! What the platform is held to: the gateway's ledger, and what the bots were told.

use anyhow::Context;
use pannier_contracts::{DeliveryId, OfferId, OrderId, TicketId};
use serde::Deserialize;
use uuid::Uuid;

use pannier_client::journal::Acknowledged;

/// One movement in the gateway's ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct GatewayEntry {
    /// The payment.
    pub reference: String,
    /// What happened.
    pub kind: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// Our operation id.
    pub operation_key: String,
}

/// Somebody's tap that was answered with yes: from then on the log must say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tap {
    /// Of what: `ticket`.
    pub aggregate: &'static str,
    /// Which one.
    pub id: Uuid,
    /// What it became: `accepted`.
    pub state: &'static str,
}

/// Everything that the checks compare the platform with.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The gateway's.
    pub ledger: Vec<GatewayEntry>,
    /// Idempotency keys, and the orders that their customers were told to have.
    pub orders: Vec<(String, Uuid)>,
    /// Taps of shops, riders and operations.
    pub acknowledged: Vec<Tap>,
    /// Orders that the replay cancelled when the day was over.
    pub tidied_up: Vec<Uuid>,
}

impl Evidence {
    /// What a journal says.
    ///
    /// # Errors
    /// A line says something that cannot be.
    pub fn of(journal: &[Acknowledged]) -> anyhow::Result<Self> {
        let mut evidence = Self::default();
        for line in journal {
            if line.call == "POST /v1/orders" {
                let id: OrderId = line.id.as_ref().context("an order was acknowledged without an id")?.parse()?;
                evidence.orders.push((line.key.clone().unwrap_or_default(), id.0));
            }
            let tap = tap(&line.call).with_context(|| format!("the journal says {}", line.call))?;
            if let Some(tap) = tap {
                evidence.acknowledged.push(tap);
                if line.caller.starts_with("ops:") {
                    evidence.tidied_up.push(tap.id);
                }
            }
        }
        Ok(evidence)
    }
}

/// The promise in a call that was answered with yes, if it is one.
fn tap(call: &str) -> anyhow::Result<Option<Tap>> {
    let Some(path) = call.strip_prefix("POST /v1/") else { return Ok(None) };
    let parts: Vec<&str> = path.split('/').collect();
    let tap = |aggregate, id, state| Ok(Some(Tap { aggregate, id, state }));
    match *parts.as_slice() {
        ["merchant", "tickets", id, "accept"] => tap("ticket", id.parse::<TicketId>()?.0, "accepted"),
        ["merchant", "tickets", id, "ready"] => tap("ticket", id.parse::<TicketId>()?.0, "ready"),
        ["merchant", "tickets", id, "reject"] => tap("ticket", id.parse::<TicketId>()?.0, "rejected"),
        ["rider", "offers", id, "accept"] => tap("offer", id.parse::<OfferId>()?.0, "accepted"),
        ["rider", "offers", id, "decline"] => tap("offer", id.parse::<OfferId>()?.0, "declined"),
        ["rider", "deliveries", id, action] => {
            let states = ["at_pickup", "picked_up", "at_dropoff", "delivered"];
            let state = states.into_iter().find(|state| *state == action);
            state.map_or(Ok(None), |state| tap("delivery", id.parse::<DeliveryId>()?.0, state))
        }
        ["orders", id, "cancel"] | ["ops", "orders", id, "cancel"] => {
            tap("order", id.parse::<OrderId>()?.0, "cancelled")
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_as_promises() {
        let (order, ticket) = (OrderId::generate(), TicketId::generate());
        let is = |call: &str| tap(call).unwrap();
        let accepted = Tap { aggregate: "ticket", id: ticket.0, state: "accepted" };
        assert_eq!(is(&format!("POST /v1/merchant/tickets/{ticket}/accept")), Some(accepted));
        let cancelled = Some(Tap { aggregate: "order", id: order.0, state: "cancelled" });
        assert_eq!(is(&format!("POST /v1/ops/orders/{order}/cancel")), cancelled);
        assert_eq!(is("POST /v1/rider/online"), None);
        assert_eq!(is("PUT /v1/ops/zones/city"), None);
        assert!(tap("POST /v1/rider/offers/none/accept").is_err());

        let line = |caller: &str| Acknowledged {
            at: chrono::Utc::now(),
            caller: caller.to_owned(),
            call: format!("POST /v1/ops/orders/{order}/cancel"),
            key: None,
            status: 200,
            replayed: false,
            id: None,
        };
        assert_eq!(Evidence::of(&[line("ops:replay"), line("customer:x")]).unwrap().tidied_up, [order.0]);
    }
}
