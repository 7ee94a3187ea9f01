//! The gateway over HTTP, as a running server: what an order service may rely on, and how it misbehaves.

mod callbacks;
mod contract;
mod control;
mod journal;
mod misbehaviour;
mod process;
mod server;
