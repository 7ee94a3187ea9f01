//! Addresses and tokens of a platform.

use std::sync::Arc;

use pannier_contracts::Role;
use pannier_tls::Tls;

/// Issues a bearer token for a role and a subject.
pub type Minter = Arc<dyn Fn(Role, &str) -> String + Send + Sync>;

/// The platform to call. URLs are `http://host:port` or `https://host:port`, without a path.
#[derive(Clone)]
pub struct Target {
    /// Base URL of order-svc.
    pub order_url: String,
    /// Base URL of merchant-svc.
    pub merchant_url: String,
    /// Base URL of dispatch-svc.
    pub dispatch_url: String,
    /// Issues the tokens for all callers.
    pub minter: Minter,
    /// How `https://` is spoken.
    pub tls: Tls,
}

impl Target {
    /// Base URL of a service.
    #[must_use]
    pub fn url(&self, service: crate::Service) -> &str {
        match service {
            crate::Service::Order => &self.order_url,
            crate::Service::Merchant => &self.merchant_url,
            crate::Service::Dispatch => &self.dispatch_url,
        }
    }
}
