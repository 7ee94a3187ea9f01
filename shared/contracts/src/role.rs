//! What a caller may do at all.

text_enum! {
    /// The role that a token carries. Which objects its bearer sees is decided per query.
    pub enum Role {
        /// Places orders and sees their own.
        Customer => "customer",
        /// Runs one shop.
        Merchant => "merchant",
        /// Carries deliveries.
        Rider => "rider",
        /// Operates the platform: sees every order.
        Ops => "ops",
    }
}
