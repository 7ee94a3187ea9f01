//! dispatch-svc on a real database and a real Redis. There is no broker: events are handed to the consumer as bytes,
//! and no request of a rider needs one.

mod border;
mod deliveries;
mod dispatch;
mod fleet;
mod kitchens;
mod lifecycles;
mod off_duty;
mod offers;
mod ops;
mod ops_actions;
mod order_events;
mod races;
mod repair;
mod rider;
mod riders;
mod road;
mod why;
