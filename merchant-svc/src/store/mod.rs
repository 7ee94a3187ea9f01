//! All SQL of merchant-svc.
//!
//! An update names the version that it was decided on, and every change is stored with its event. All functions fail with
//! [`Refusal::Away`](pannier_platform::Refusal::Away) or [`Refusal::Bug`](pannier_platform::Refusal::Bug) from the
//! database; `# Errors` says what else.

pub mod gauges;
pub mod merchants;
pub mod schema;
pub mod tickets;

/// The newest migration in `migrations/merchant`; a test compares.
pub const MIGRATION: &str = "20261126100001";
