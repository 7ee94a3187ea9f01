//! Customers, shops and riders. They use the public APIs, the city's [clock](crate::clock), and a [`SideChannel`] for
//! what people would tell each other at the counter or the door.

mod counters;
mod customer;
mod jobs;
mod motion;
mod rider;
mod route;
#[cfg(test)]
mod samples;
mod shop;
mod side_channel;

pub use self::counters::Counters;
pub use self::customer::{OrderRequest, follow, place};
pub use self::rider::{RiderBot, ServiceTimes};
pub use self::shop::ShopBot;
pub use self::side_channel::{OrderFacts, SideChannel};
