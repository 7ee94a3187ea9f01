//! dispatch-svc
