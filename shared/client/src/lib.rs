//! A typed client of the public HTTP APIs and streams, made for services that may be killed while they answer.
//!
//! A call that got no answer, or a 5xx, is tried again **with the same Idempotency-Key** until its patience ends, so
//! that it happens once however often it was sent. Every acknowledged writing call can go into a [`journal`].
//!
//! Bots, load generators, the command line and tests use it. It knows contracts and HTTP only: no database, no broker, no
//! engine.

mod answers;
mod api;
mod call;
mod customer;
pub mod journal;
mod ops;
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
pub use self::ops::Ops;
pub use self::problem::{CallError, Problem};
pub use self::rider::{Rider, Tap};
pub use self::service::Service;
pub use self::shop::Shop;
pub use self::target::{Minter, Target};
