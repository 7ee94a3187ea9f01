//! Orders that somebody else placed at one of the city's shops, by hand mostly. Their customers are no bots, so nobody
//! would tell the rider the PIN at the door; the city asks for it in their name, and the order arrives like any other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use pannier_contracts::{CustomerId, OrderId};
use tokio::time::Instant;

use super::{City, is_ours};
use crate::bots::Told;
use pannier_client::{Customer, Ops};

/// How often the city looks who is there. A kitchen waits a little longer for who ordered.
const LOOK_EVERY: Duration = Duration::from_secs(4);
/// City minutes that a kitchen takes for a guest.
const PREP_MINUTES: f64 = 8.0;

/// Minds the door until the city ends.
pub async fn run(city: Arc<City>) {
    let ops = Ops::new(&city.api, "city");
    let own: HashSet<CustomerId> = city.town.customers.iter().copied().collect();
    let mut known: HashSet<OrderId> = HashSet::new();
    while city.pause(Instant::now() + LOOK_EVERY).await.is_ok() {
        let open = match ops.open_orders().await {
            Ok(open) => open,
            Err(e) => {
                tracing::debug!("Nobody knows who ordered: {e}");
                continue;
            }
        };
        let guests: HashMap<OrderId, CustomerId> = open
            .iter()
            .filter(|order| is_ours(&city, order.merchant_id))
            .filter_map(|order| Some((order.id, order.customer_id.filter(|id| !own.contains(id))?)))
            .collect();
        known.retain(|order| guests.contains_key(order) || gone(&city, *order));
        for (order, customer) in guests {
            if !known.contains(&order) && welcome(&city, order, customer).await {
                known.insert(order);
            }
        }
    }
}

async fn welcome(city: &Arc<City>, order: OrderId, customer: CustomerId) -> bool {
    let customer = Customer::new(&city.api, &customer.to_string());
    let read = customer.read(order).await;
    customer.sign_out();
    let Ok(read) = read else { return false };
    let prep = TimeDelta::from_std(city.clock.real(PREP_MINUTES)).unwrap_or_default();
    let ready_at = read.ready_at.unwrap_or_else(|| Utc::now() + prep);
    city.directory.tell(order, Told { pin: read.pin.unwrap_or_default(), ready_at });
    true
}

fn gone(city: &City, order: OrderId) -> bool {
    city.directory.forget(order);
    false
}
