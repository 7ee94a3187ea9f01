//! A whole platform inside a test: the three services and the gateway in one process, on real servers, through public doors.

pub mod city;

pub use city::TestCity;
pub use pannier_testkit::{Answer, Caller, Frame, Stream};
