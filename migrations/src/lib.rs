//! pannier-migrations
