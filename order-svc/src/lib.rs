//! order-svc
