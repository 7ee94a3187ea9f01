//! A minimal HTTP/1.1 client, written by hand on purpose: a load generator shares the machine with what it measures, so each
//! request must cost it microseconds. One write per request, pooled connections, bodies as bytes, no header maps. It reads
//! what the services send (`Content-Length` or chunked bodies) and is no general HTTP client; elsewhere, use
//! `pannier_client`.

mod chunked;
mod client;
mod connection;
mod message;

pub use self::client::{Client, Stream};
pub use self::message::{Answer, Request};
