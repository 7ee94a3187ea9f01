//! Money: the port to the gateway, and the reconciler that moves a payment towards what its order wants.

pub mod gateway;
pub mod reconciler;
