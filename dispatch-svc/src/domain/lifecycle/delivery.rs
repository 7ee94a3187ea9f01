//! The lifecycle of a delivery.

use pannier_contracts::{lifecycle, text_enum};

use crate::domain::deadlines::kind;

text_enum! {
    /// What can happen to a delivery. The words complete "a delivery that is scheduled cannot …".
    pub enum Trigger {
        /// The search for a rider begins.
        Search => "be_searched_for",
        /// Offers were sent to riders.
        SendOffer => "be_offered",
        /// No offer is open any more, and none was accepted.
        LoseOffers => "be_left_without_offers",
        /// A rider accepted an offer, or operations gave it to a rider.
        Accept => "be_assigned",
        /// The rider arrived at the shop.
        ArriveAtPickup => "be_waited_for_at_the_shop",
        /// The rider took the food.
        PickUp => "be_picked_up",
        /// The rider arrived at the customer's door.
        ArriveAtDropoff => "arrive_at_the_door",
        /// The food was handed over.
        Deliver => "be_delivered",
        /// The rider or the open offers are withdrawn, to search again.
        Reassign => "be_reassigned",
        /// The order ended before pickup.
        Cancel => "be_cancelled",
        /// No rider was found in time.
        GiveUp => "be_given_up",
        /// The food goes back to the shop: the order ended on the road, the rider cannot hand it over, or operations say so.
        TurnBack => "be_brought_back",
        /// The food is back at the shop.
        ArriveBack => "arrive_back_at_the_shop",
        /// The food is lost, or its rider is.
        Fail => "fail",
    }
}

lifecycle! {
    /// The lifecycle of a delivery.
    pub struct DeliveryLifecycle is "delivery";
    states pannier_contracts::delivery::DeliveryState;
    triggers crate::domain::lifecycle::Trigger;
    table delivery_table begins Scheduled;

    Scheduled {
        moves {
            Search => Searching,
            Cancel => Cancelled,
            GiveUp => Unassignable,
        }
        waits {
            kind::SEARCH: at "`ready_at` − `search_lead_ms`" => Search,
            kind::AT_RISK: at "`ready_at` + `at_risk_ms`" => alarm "no rider yet, and the food is ready",
            kind::GIVE_UP: at "`ready_at` + `give_up_ms`" => GiveUp,
        }
        exits {
            ops "assign" => Search SendOffer Accept,
        }
    }
    Searching {
        moves {
            SendOffer => Offered,
            Cancel => Cancelled,
            GiveUp => Unassignable,
        }
        waits {
            kind::AT_RISK: at "`ready_at` + `at_risk_ms`" => alarm "no rider yet, and the food is ready",
            kind::GIVE_UP: at "`ready_at` + `give_up_ms`" => GiveUp,
        }
        exits {
            ops "assign" => SendOffer Accept,
        }
    }
    Offered {
        moves {
            Accept => Assigned,
            LoseOffers => Searching,
            // Operations withdraw the offers: a concurrent acceptance is either before this or refused.
            Reassign => Searching,
            Cancel => Cancelled,
            GiveUp => Unassignable,
        }
        waits {
            kind::AT_RISK: at "`ready_at` + `at_risk_ms`" => alarm "no rider yet, and the food is ready",
            kind::GIVE_UP: at "`ready_at` + `give_up_ms`" => GiveUp,
        }
        exits {
            ops "assign" => Accept,
            ops "reassign" => Reassign,
        }
    }
    Assigned {
        moves {
            ArriveAtPickup => AtPickup,
            Reassign => Searching,
            Cancel => Cancelled,
        }
        waits {
            kind::NO_MOVEMENT: after 5 min => watch "its rider has not moved for five minutes",
        }
        exits {
            rider "at_pickup" => ArriveAtPickup,
            rider "picked_up" => ArriveAtPickup PickUp,
            ops "reassign" => Reassign,
        }
    }
    AtPickup {
        moves {
            PickUp => PickedUp,
            Reassign => Searching,
            Cancel => Cancelled,
        }
        waits {
            kind::AT_PICKUP: after 20 min => alarm "its rider has waited at the shop for 20 minutes",
        }
        exits {
            rider "picked_up" => PickUp,
            ops "reassign" => Reassign,
        }
    }
    // A rider has the food: it is delivered, brought back or lost, and cannot be cancelled.
    PickedUp {
        moves {
            ArriveAtDropoff => AtDropoff,
            TurnBack => Returning,
            Fail => Failed,
        }
        waits {
            kind::RIDE: after 45 min => alarm "the food has been on the road for 45 minutes",
        }
        exits {
            rider "at_dropoff" => ArriveAtDropoff,
            rider "delivered" => ArriveAtDropoff Deliver,
            rider "failed" => TurnBack,
            ops "return" => TurnBack,
            ops "settle" => Fail | ArriveAtDropoff Deliver | TurnBack ArriveBack,
        }
    }
    AtDropoff {
        moves {
            Deliver => Delivered,
            TurnBack => Returning,
            Fail => Failed,
        }
        waits {
            kind::AT_DROPOFF: after 20 min => alarm "its rider has been at the door for 20 minutes",
        }
        exits {
            rider "delivered" => Deliver,
            rider "failed" => TurnBack,
            ops "return" => TurnBack,
            ops "settle" => Fail | Deliver | TurnBack ArriveBack,
        }
    }
    Returning {
        moves {
            ArriveBack => Returned,
            // A hand-over that is reported late, with the customer's PIN, stands. No app offers it: it is no exit of a rider.
            Deliver => Delivered,
            Fail => Failed,
        }
        waits {
            kind::RETURN: after 60 min => alarm "the food has been on its way back for 60 minutes",
        }
        exits {
            rider "returned" => ArriveBack,
            ops "returned" => ArriveBack,
            ops "settle" => Fail | Deliver | ArriveBack,
        }
    }
}
