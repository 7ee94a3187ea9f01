use crate::bench::solution::Dropoff;
use pannier_instance::Instance;

/// The drop-offs after a pickup, without waiting.
pub(super) struct Tour {
    /// In sequence.
    pub dropoffs: Vec<Dropoff>,
    /// When the courier leaves the last customer, minute of the day.
    pub end: i64,
}

impl Tour {
    /// Of orders that are picked up together; at least one.
    pub fn new(instance: &Instance, orders: &[usize], pickup: i64) -> Self {
        let parameters = &instance.parameters;
        let mut at = pickup + parameters.half_pickup();
        let mut from = instance.restaurants[instance.orders[orders[0]].restaurant].at;
        let mut dropoffs = Vec::with_capacity(orders.len());
        for order in orders {
            let to = instance.orders[*order].at;
            at += instance.travel_minutes(from, to) + parameters.half_dropoff();
            dropoffs.push(Dropoff { order: *order, at });
            at += parameters.half_dropoff();
            from = to;
        }
        Self { dropoffs, end: at }
    }
}
