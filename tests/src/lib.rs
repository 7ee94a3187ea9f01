//! A whole platform inside a test: the three services and the payment gateway run in the process of the test, on a real
//! PostgreSQL, Redis and RabbitMQ. Tests call the public HTTP APIs.

pub mod balanced;
pub mod city;
pub mod gateway;
mod processes;
mod services;

pub use balanced::Balanced;
pub use city::TestCity;
pub use pannier_testkit::{Answer, Caller, Frame, Stream};
