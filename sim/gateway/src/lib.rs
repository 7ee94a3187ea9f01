//! pannier-gateway
