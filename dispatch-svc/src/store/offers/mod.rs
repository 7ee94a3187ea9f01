//! Offers of deliveries to riders. An accepted offer is the assignment, from `accepted_at` to `ended_at`.

mod queries;
mod row;
mod write;

pub use self::queries::{
    count_open, deliveries_offered_to, deliveries_to_settle, find, last_accepted, load_for_rider, of_deliveries,
    of_delivery, open_of_rider,
};
pub use self::row::{LoggedOffer, Offer};
pub use self::write::{NewOffer, OfferFilter, close, close_and_count, end_assignment, insert_all};
