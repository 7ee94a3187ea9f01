//! Events of other services, one file for each aggregate. A handler hands the snapshot to a command or a store.

pub mod on_delivery;
pub mod on_merchant;
pub mod on_ticket;
pub mod on_zone;
