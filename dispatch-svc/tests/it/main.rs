//! dispatch-svc on a real database and a real Redis, without a broker: news is handed over as bytes, and nothing that a
//! rider does may need one.

mod border;
mod deliveries;
mod dispatch;
mod fleet;
mod kitchens;
mod news;
mod offers;
mod ops;
mod repair;
mod riders;
mod why;
