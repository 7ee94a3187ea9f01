//! pannier-tests
