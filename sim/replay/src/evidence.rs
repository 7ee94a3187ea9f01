//! What the platform is compared with: the gateway's ledger and the calls that it acknowledged.

use anyhow::Context;
use pannier_contracts::{DeliveryId, OfferId, OrderId, TicketId};
use uuid::Uuid;

use super::gateway::GatewayEntry;
use pannier_client::journal::Acknowledged;

/// A state that the platform acknowledged: the aggregate's log must contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcknowledgedState {
    /// The aggregate's kind: `ticket`.
    pub aggregate: &'static str,
    /// The aggregate's id.
    pub id: Uuid,
    /// The state: `accepted`.
    pub state: &'static str,
}

/// Everything that the platform is compared with.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// All entries of the gateway.
    pub ledger: Vec<GatewayEntry>,
    /// Idempotency keys, each with the order that was acknowledged under it.
    pub orders: Vec<(String, Uuid)>,
    /// States that were acknowledged to shops, riders and operators.
    pub acknowledged: Vec<AcknowledgedState>,
    /// Orders that the replay cancelled at the end of the day.
    pub tidied_up: Vec<Uuid>,
}

impl Evidence {
    /// Reads the acknowledged calls of a journal; the ledger stays empty.
    ///
    /// # Errors
    /// When a line has an invalid id.
    pub fn of(journal: &[Acknowledged]) -> anyhow::Result<Self> {
        let mut evidence = Self::default();
        for line in journal {
            if line.call == "POST /v1/orders" {
                let id: OrderId = line.id.as_ref().context("an order was acknowledged without an id")?.parse()?;
                evidence.orders.push((line.key.clone().unwrap_or_default(), id.0));
            }
            let state = acknowledged_state(&line.call).with_context(|| format!("the journal has {}", line.call))?;
            if let Some(state) = state {
                evidence.acknowledged.push(state);
                if line.caller.starts_with("ops:") {
                    evidence.tidied_up.push(state.id);
                }
            }
        }
        Ok(evidence)
    }
}

/// The state that an acknowledged call leads to; none for calls that change no state.
fn acknowledged_state(call: &str) -> anyhow::Result<Option<AcknowledgedState>> {
    let Some(path) = call.strip_prefix("POST /v1/") else { return Ok(None) };
    let parts: Vec<&str> = path.split('/').collect();
    let found = |aggregate, id, state| Ok(Some(AcknowledgedState { aggregate, id, state }));
    match *parts.as_slice() {
        ["merchant", "tickets", id, "accept"] => found("ticket", id.parse::<TicketId>()?.0, "accepted"),
        ["merchant", "tickets", id, "ready"] => found("ticket", id.parse::<TicketId>()?.0, "ready"),
        ["merchant", "tickets", id, "reject"] => found("ticket", id.parse::<TicketId>()?.0, "rejected"),
        ["rider", "offers", id, "accept"] => found("offer", id.parse::<OfferId>()?.0, "accepted"),
        ["rider", "offers", id, "decline"] => found("offer", id.parse::<OfferId>()?.0, "declined"),
        ["rider", "deliveries", id, action] => {
            let states = ["at_pickup", "picked_up", "at_dropoff", "delivered"];
            let state = states.into_iter().find(|state| *state == action);
            state.map_or(Ok(None), |state| found("delivery", id.parse::<DeliveryId>()?.0, state))
        }
        ["orders", id, "cancel"] | ["ops", "orders", id, "cancel"] => {
            found("order", id.parse::<OrderId>()?.0, "cancelled")
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_as_states() {
        let (order, ticket) = (OrderId::generate(), TicketId::generate());
        let state_of = |call: &str| acknowledged_state(call).unwrap();
        let accepted = AcknowledgedState { aggregate: "ticket", id: ticket.0, state: "accepted" };
        assert_eq!(state_of(&format!("POST /v1/merchant/tickets/{ticket}/accept")), Some(accepted));
        let cancelled = Some(AcknowledgedState { aggregate: "order", id: order.0, state: "cancelled" });
        assert_eq!(state_of(&format!("POST /v1/ops/orders/{order}/cancel")), cancelled);
        assert_eq!(state_of("POST /v1/rider/online"), None);
        assert_eq!(state_of("PUT /v1/ops/zones/city"), None);
        assert!(acknowledged_state("POST /v1/rider/offers/none/accept").is_err());

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
