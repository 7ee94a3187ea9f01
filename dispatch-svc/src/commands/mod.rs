//! What changes something: one file, one transaction. Every command that touches a delivery's offers or its rider's load
//! locks the delivery first, then offers, then riders by id.

pub mod accept_offer;
pub mod advance;
pub mod close_offers;
pub mod follow_order;
pub mod put_profile;
pub mod put_zone;
pub mod reassign;
pub mod send_offers;
pub mod shift;
pub mod silence;
pub mod tap;
