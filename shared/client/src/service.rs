//! The services that have public APIs.

/// A service with a public API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Orders and payments; the customer API.
    Order,
    /// Shops and tickets; the merchant API.
    Merchant,
    /// Riders and deliveries; the rider API.
    Dispatch,
}

impl Service {
    /// All services, in the order in which an order passes them.
    pub const ALL: [Self; 3] = [Self::Order, Self::Merchant, Self::Dispatch];

    /// Name of the service's program, process and log file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "order-svc",
            Self::Merchant => "merchant-svc",
            Self::Dispatch => "dispatch-svc",
        }
    }
}
