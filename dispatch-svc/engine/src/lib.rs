//! pannier-engine
