//! A whole platform inside a test: the three services and the gateway in one process, on real servers, through public doors.

pub mod caller;
pub mod city;
pub mod stream;

pub use caller::{Answer, Caller};
pub use city::TestCity;
pub use stream::{Frame, Stream};
