//! Where a platform is.

use std::sync::Arc;

use pannier_contracts::Role;

/// Makes a bearer token for a role and a subject.
pub type Minter = Arc<dyn Fn(Role, &str) -> String + Send + Sync>;

/// The addresses of a platform's APIs, and its tokens. URLs have no path and no slash at their end.
#[derive(Clone)]
pub struct Target {
    /// order-svc.
    pub order_url: String,
    /// merchant-svc.
    pub merchant_url: String,
    /// dispatch-svc.
    pub dispatch_url: String,
    /// Makes the tokens with which it is called.
    pub minter: Minter,
}

impl Target {
    /// Where a service answers.
    #[must_use]
    pub fn url(&self, service: crate::Service) -> &str {
        match service {
            crate::Service::Order => &self.order_url,
            crate::Service::Merchant => &self.merchant_url,
            crate::Service::Dispatch => &self.dispatch_url,
        }
    }
}
