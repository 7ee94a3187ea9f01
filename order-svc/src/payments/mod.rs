//! Money: the gateway, and the reconciler that moves each payment to where its order wants it. Nothing else moves money.

pub mod callback;
pub mod gateway;
pub mod outcome;
pub mod reconciler;
