//! Orders that were placed at the city's shops from outside, mostly by hand. No bot publishes their PINs, so the city reads
//! them in the customers' names; then such an order is delivered like any other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use pannier_contracts::{CustomerId, OrderId};
use tokio::time::Instant;

use super::city::City;
use crate::bots::OrderFacts;
use pannier_client::{Customer, Ops};

/// Less than the time for which a shop waits for an order's facts.
const POLL_EVERY: Duration = Duration::from_secs(4);
/// Preparation time of an external order, city minutes.
const PREP_MINUTES: f64 = 8.0;

/// Publishes the facts of external orders until the city ends.
pub async fn run(city: Arc<City>) {
    let ops = Ops::new(&city.api, "city");
    let own: HashSet<CustomerId> = city.town.customers.iter().copied().collect();
    let mut published: HashSet<OrderId> = HashSet::new();
    while city.sleep_until(Instant::now() + POLL_EVERY).await.is_ok() {
        let open = match ops.open_orders().await {
            Ok(open) => open,
            Err(e) => {
                tracing::debug!("Open orders cannot be read: {e}");
                continue;
            }
        };
        let external: HashMap<OrderId, CustomerId> = open
            .iter()
            .filter(|order| city.has_shop(order.merchant_id))
            .filter_map(|order| Some((order.id, order.customer_id.filter(|id| !own.contains(id))?)))
            .collect();
        for order in published.extract_if(|order| !external.contains_key(order)) {
            city.channel.remove(order);
        }
        for (order, customer) in external {
            if !published.contains(&order) && publish(&city, order, customer).await {
                published.insert(order);
            }
        }
    }
}

async fn publish(city: &Arc<City>, order: OrderId, customer: CustomerId) -> bool {
    let customer = Customer::new(&city.api, &customer.to_string());
    let read = customer.read(order).await;
    customer.sign_out();
    let Ok(read) = read else { return false };
    let prep = TimeDelta::from_std(city.clock.real(PREP_MINUTES)).unwrap_or_default();
    let ready_at = read.ready_at.unwrap_or_else(|| Utc::now() + prep);
    city.channel.publish(order, OrderFacts { pin: read.pin.unwrap_or_default(), ready_at });
    true
}
