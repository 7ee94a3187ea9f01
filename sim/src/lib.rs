//! pannier-sim
