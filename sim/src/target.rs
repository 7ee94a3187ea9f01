//! The platform that the bots talk to.

use std::sync::Arc;

pub use pannier_platform::auth::Role;

/// Makes a bearer token for a role and a subject.
pub type Minter = Arc<dyn Fn(Role, &str) -> String + Send + Sync>;

/// Where a platform is and how to speak to it. URLs have no path and no slash at their end.
#[derive(Clone)]
pub struct Target {
    /// order-svc.
    pub order_url: String,
    /// merchant-svc.
    pub merchant_url: String,
    /// dispatch-svc.
    pub dispatch_url: String,
    /// The payment gateway; its ledger is compared with ours.
    pub gateway_url: String,
    /// A login that reads the schemas `orders`, `merchant` and `dispatch`. Only a replay's checks use it.
    pub admin_database_url: String,
    /// Makes tokens.
    pub minter: Minter,
}
