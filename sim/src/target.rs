//! The platform that the bots talk to.

use std::sync::Arc;

/// Who a token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Somebody who orders; the subject is a `cus_…` id.
    Customer,
    /// A shop; the subject is a `mer_…` id.
    Merchant,
    /// Somebody who carries; the subject is an `rdr_…` id.
    Rider,
    /// Operations.
    Ops,
}

impl Role {
    /// The claim's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Merchant => "merchant",
            Self::Rider => "rider",
            Self::Ops => "ops",
        }
    }
}

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
