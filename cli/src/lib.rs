//! pannier-cli
