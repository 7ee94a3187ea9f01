//! A typed client of the public HTTP APIs and event streams, for services that may be killed while they answer.
//!
//! A call without an answer, or with a 5xx, is retried **with the same Idempotency-Key** until its patience ends, so it
//! takes effect at most once however often it is sent. Acknowledged writing calls can be recorded in a [`journal`].
//!
//! Bots, load generators, the command line and tests use it. It depends on the contracts and HTTP only: not on a database,
//! a broker or the engine.

mod answers;
mod api;
mod call;
mod customer;
pub mod journal;
mod ops;
mod paging;
mod problem;
mod rider;
mod service;
mod shop;
pub mod sse;
mod target;

pub use pannier_contracts::Role;

pub use self::answers::{DeliveryView, MerchantView, OrderView, Page, QuoteView, RoundView, ShopView};
pub use self::api::{Api, Caller};
pub use self::call::Call;
pub use self::customer::Customer;
pub use self::ops::{CandidateView, Ops, Settlement};
pub use self::problem::{CallError, Problem};
pub use self::rider::{Rider, Tap};
pub use self::service::Service;
pub use self::shop::Shop;
pub use self::target::{Minter, Target};
