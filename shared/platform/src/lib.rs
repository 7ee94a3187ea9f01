//! pannier-platform
