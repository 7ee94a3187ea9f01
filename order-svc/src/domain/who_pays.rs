//! Who pays when an order ends without being delivered: one table, from which refunds, previews and `docs/who-pays.md` come.

use std::fmt::Write as _;

use pannier_contracts::text_enum;
use serde::{Deserialize, Serialize};

use super::lifecycle::Trigger;

text_enum! {
    /// Why an order ended early.
    pub enum EndCause {
        /// It was not paid in time.
        NotPaid => "not_paid",
        /// The shop did not answer in time.
        ShopSilent => "shop_silent",
        /// The shop rejected it.
        ShopRejected => "shop_rejected",
        /// The customer cancelled before the shop accepted.
        CustomerCancelled => "customer_cancelled",
        /// The shop cancelled what it had accepted.
        ShopCancelled => "shop_cancelled",
        /// Operations cancelled it.
        OpsCancelled => "ops_cancelled",
        /// No rider was found.
        NoRider => "no_rider",
        /// Nobody came to the door.
        CustomerAbsent => "customer_absent",
        /// The customer gave another address than their own.
        AddressWrong => "address_wrong",
        /// The customer did not take it.
        CustomerRefused => "customer_refused",
        /// The food was not fit to be handed over.
        FoodSpoilt => "food_spoilt",
        /// The rider could not go on.
        RiderUnable => "rider_unable",
        /// The food was lost.
        FoodLost => "food_lost",
        /// The rider cannot be reached.
        RiderLost => "rider_lost",
    }
}

text_enum! {
    /// Who bears the loss.
    pub enum Party {
        /// Nobody has done anything yet.
        Nobody => "nobody",
        /// The customer.
        Customer => "customer",
        /// The shop.
        Shop => "shop",
        /// The platform.
        Platform => "platform",
    }
}

/// What each party gets, percent of what it would get for a delivered order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// Of what the customer paid: this is given back.
    pub refund: i16,
    /// Of the shop's pay.
    pub shop: i16,
    /// Of the rider's pay.
    pub rider: i16,
    /// Who bears it.
    pub borne_by: Party,
}

const fn shares(refund: i16, shop: i16, rider: i16, borne_by: Party) -> Option<Shares> {
    Some(Shares { refund, shop, rider, borne_by })
}

/// The rows: the cause, what it means before pickup, and after. `None` where it cannot happen.
const TABLE: &[(EndCause, Option<Shares>, Option<Shares>)] = &[
    (EndCause::NotPaid, shares(100, 0, 0, Party::Nobody), None),
    (EndCause::ShopSilent, shares(100, 0, 0, Party::Nobody), None),
    (EndCause::ShopRejected, shares(100, 0, 0, Party::Nobody), None),
    (EndCause::CustomerCancelled, shares(100, 0, 0, Party::Nobody), None),
    (EndCause::ShopCancelled, shares(100, 0, 0, Party::Shop), None),
    // The kitchen may have cooked already.
    (EndCause::OpsCancelled, shares(100, 100, 0, Party::Platform), shares(100, 100, 100, Party::Platform)),
    (EndCause::NoRider, shares(100, 100, 0, Party::Platform), None),
    (EndCause::CustomerAbsent, None, shares(0, 100, 100, Party::Customer)),
    (EndCause::AddressWrong, None, shares(0, 100, 100, Party::Customer)),
    (EndCause::CustomerRefused, None, shares(0, 100, 100, Party::Customer)),
    (EndCause::FoodSpoilt, None, shares(100, 100, 100, Party::Platform)),
    (EndCause::RiderUnable, None, shares(100, 100, 100, Party::Platform)),
    (EndCause::FoodLost, None, shares(100, 100, 0, Party::Platform)),
    (EndCause::RiderLost, None, shares(100, 100, 0, Party::Platform)),
];

/// Why an order ended early, and what that means for each party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoPays {
    /// The cause.
    pub cause: EndCause,
    /// Whether a rider had the food.
    pub after_pickup: bool,
    /// What each party gets.
    #[serde(flatten)]
    pub shares: Shares,
}

/// What the end of an order by this trigger means; `reason` is the delivery's, where the delivery ended it. `None` for a
/// trigger that is no end, or a good one.
#[must_use]
pub fn who_pays(trigger: Trigger, after_pickup: bool, reason: Option<&str>) -> Option<WhoPays> {
    let cause = match trigger {
        Trigger::ExpirePayment => EndCause::NotPaid,
        Trigger::ExpireAcceptance => EndCause::ShopSilent,
        Trigger::Reject => EndCause::ShopRejected,
        Trigger::CustomerCancel => EndCause::CustomerCancelled,
        Trigger::ShopCancel => EndCause::ShopCancelled,
        Trigger::OpsCancel => EndCause::OpsCancelled,
        Trigger::GiveUp if !after_pickup => EndCause::NoRider,
        // A reason that this version does not know must not take the customer's money.
        Trigger::GiveUp | Trigger::BringBack => {
            reason.and_then(|reason| reason.parse().ok()).unwrap_or(EndCause::OpsCancelled)
        }
        Trigger::Pay | Trigger::Accept | Trigger::MarkReady | Trigger::PickUp | Trigger::Deliver => return None,
    };
    let row = TABLE.iter().find(|(of, ..)| *of == cause)?;
    let shares = if after_pickup { row.2.or(row.1) } else { row.1.or(row.2) }?;
    Some(WhoPays { cause, after_pickup, shares })
}

/// The table as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "| cause | when | the customer gets back | the shop is paid | the rider is paid | who bears it |\n|---|---|---|---|---|---|\n",
    );
    for (cause, before, after) in TABLE {
        for (when, shares) in [("before pickup", before), ("after pickup", after)] {
            let Some(Shares { refund, shop, rider, borne_by }) = shares else { continue };
            let _ = writeln!(page, "| `{cause}` | {when} | {refund} % | {shop} % | {rider} % | {borne_by} |");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use pannier_contracts::Lifecycle as _;
    use pannier_contracts::delivery::{FailureReason, LossReason};
    use pannier_contracts::order::OrderState;

    use super::super::lifecycle::{OrderLifecycle, has_ended_early};
    use super::*;

    #[test]
    fn every_early_end_is_paid_by_somebody() {
        for state in OrderState::ALL {
            for trigger in Trigger::ALL {
                let Some(to) = OrderLifecycle::table(*state, *trigger) else { continue };
                let pays = who_pays(*trigger, *state == OrderState::Delivering, None);
                assert_eq!(pays.is_some(), has_ended_early(to), "{state} × {trigger}");
            }
        }
    }

    #[test]
    fn every_reason_of_a_delivery_has_its_row() {
        let reasons = FailureReason::ALL.iter().map(|r| r.as_str()).chain(LossReason::ALL.iter().map(|r| r.as_str()));
        for reason in reasons {
            for trigger in [Trigger::BringBack, Trigger::GiveUp] {
                let pays = who_pays(trigger, true, Some(reason)).expect("a row");
                assert_eq!(pays.cause.as_str(), reason);
            }
        }
        let unknown = who_pays(Trigger::BringBack, true, Some("called_back")).expect("a row");
        assert_eq!((unknown.cause, unknown.shares.refund), (EndCause::OpsCancelled, 100));
    }

    #[test]
    fn every_cause_has_one_row() {
        let rows: Vec<EndCause> = TABLE.iter().map(|(cause, ..)| *cause).collect();
        assert_eq!(rows, EndCause::ALL);
    }

    #[test]
    fn nobody_bears_only_what_costs_nothing() {
        for (cause, before, after) in TABLE {
            for shares in [before, after].into_iter().flatten() {
                let costs = shares.refund + shares.shop.max(shares.rider) > 100;
                assert_eq!(shares.borne_by == Party::Platform, costs, "{cause}: {shares:?}");
                assert_eq!(shares.borne_by == Party::Customer, shares.refund < 100, "{cause}: {shares:?}");
            }
        }
    }
}
