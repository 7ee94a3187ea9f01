//! order-svc on a real database, with a scripted payment gateway and without a broker: events are handed over as bytes.

mod alarms;
mod corrections;
mod docs;
mod money;
mod news;
mod orders;
mod payments;
mod rules;
mod scripted_gateway;
mod service;
mod test_gateway;
