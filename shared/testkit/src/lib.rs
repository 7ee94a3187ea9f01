//! pannier-testkit
