//! The lifecycle of an offer.

use pannier_contracts::{lifecycle, text_enum};

use crate::domain::deadlines::kind;

text_enum! {
    /// What can happen to an offer.
    pub enum OfferTrigger {
        /// The rider accepted.
        Accept => "be_accepted",
        /// The rider declined.
        Decline => "be_declined",
        /// No answer came in time.
        Expire => "expire",
        /// Dispatch withdrew it.
        Revoke => "be_revoked",
    }
}

lifecycle! {
    /// The lifecycle of an offer.
    pub struct OfferLifecycle is "offer";
    states pannier_contracts::offer::OfferState;
    triggers crate::domain::lifecycle::OfferTrigger;
    table offer_table begins Sent;

    Sent {
        moves {
            Accept => Accepted,
            Decline => Declined,
            Expire => Expired,
            Revoke => Revoked,
        }
        waits {
            kind::EXPIRY: after 20 s => Expire,
        }
        exits {
            rider "accept" => Accept,
            rider "decline" => Decline,
        }
    }
}
