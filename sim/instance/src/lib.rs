//! Days of orders in the format of Grubhub's public Meal Delivery Routing Problem library.
//!
//! A folder with four tab-separated files, each with one header line: `orders.txt`, `couriers.txt`, `restaurants.txt`,
//! `instance_parameters.txt`. Coordinates are metres on a plane, times are minutes of the day.

mod error;
mod format;
mod instance;
mod load;
mod point;
mod table;
mod write;

pub use error::InstanceError;
pub use instance::{Courier, Instance, Order, Parameters, Restaurant};
pub use point::Point;

#[cfg(test)]
mod tests;
