//! merchant-svc
