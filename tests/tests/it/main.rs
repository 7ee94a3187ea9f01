//! What the platform promises, checked through its public doors on real servers.

mod architecture;
mod orders;
