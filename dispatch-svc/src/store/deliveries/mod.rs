//! Deliveries: one per order. From pickup on the delivery decides what becomes of the order.

mod history;
mod locks;
mod queries;
mod row;
mod write;

pub use self::history::{OrderHistory, recent};
pub use self::locks::{lock, lock_all, lock_by_offer, lock_by_order, lock_seen, lock_with_now};
pub use self::queries::{ListFilter, by_ids, carried, carried_by, id_of_order, load, page, unassigned, without_timers};
pub use self::row::Delivery;
pub use self::write::{Times, apply, insert, offer_all, set_ready_seen, set_watched_place, update_times};
