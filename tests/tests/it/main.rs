//! What the platform promises, checked through its public doors on real servers.

mod architecture;
mod checks;
mod ends;
mod event_log;
mod idempotency;
mod instances;
mod kills;
mod load;
mod manners;
mod news;
mod orders;
mod outages;
mod payments;
mod pool;
mod races;
mod relay;
mod retention;
mod streams;
mod upgrade;
