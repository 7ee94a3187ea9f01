//! What the platform promises, checked through its public APIs with real servers.

mod architecture;
mod batches;
mod blocked;
mod checks;
mod ends;
mod event_log;
mod faults;
mod idempotency;
mod instances;
mod kills;
mod load;
mod manners;
mod news;
mod night;
mod orders;
mod outages;
mod pool;
mod races;
mod relay;
mod restore;
mod retention;
mod rounds;
mod schema;
mod streams;
mod tls;
mod upgrade;
