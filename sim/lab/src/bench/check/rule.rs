use std::fmt;

/// The feasibility rules. Each variant is documented by its violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// An index that the instance does not have.
    Unknown,
    /// An assignment without an order.
    NoOrder,
    /// An order is in two assignments.
    Twice,
    /// An assignment has orders of two restaurants.
    TwoRestaurants,
    /// Assigned before the order's placement.
    Reveal,
    /// Picked up before the food was ready.
    Ready,
    /// Picked up before the assignment became final.
    Final,
    /// Picked up less than half a service after the arrival at the restaurant.
    PickupService,
    /// Left less than half a service after the pickup.
    LeavesRestaurant,
    /// Picked up elsewhere than at the restaurant.
    WrongPlace,
    /// Dropped off less than half a service after the arrival at the customer.
    DropoffService,
    /// Left less than half a service after the drop-off.
    LeavesCustomer,
    /// The moves do not visit the customers in the assignment's sequence.
    Sequence,
    /// Picked up before the previous assignment was completed.
    OneAtATime,
    /// A move begins elsewhere than the previous one ended.
    Continuity,
    /// A move begins before the previous one ended.
    Diverted,
    /// A move begins before the shift.
    BeforeShift,
    /// A pickup after the shift.
    AfterShift,
    /// The orders of an assignment became final after the courier's departure to the restaurant.
    Committed,
    /// A courier moved to a restaurant without an order, and repositioning is off.
    EmptyMove,
}

impl Rule {
    /// The requirement, in words.
    #[must_use]
    pub fn requirement(self) -> &'static str {
        match self {
            Self::Unknown => "everything named is in the instance",
            Self::NoOrder => "an assignment has an order",
            Self::Twice => "an order is in one assignment only",
            Self::TwoRestaurants => "one restaurant per assignment",
            Self::Reveal => "no assignment before the order's placement",
            Self::Ready => "no pickup before the food is ready",
            Self::Final => "no pickup before the final assignment",
            Self::PickupService => "half a service between arrival and pickup",
            Self::LeavesRestaurant => "half a service between pickup and departure",
            Self::WrongPlace => "pickups at the restaurant",
            Self::DropoffService => "half a service between arrival and drop-off",
            Self::LeavesCustomer => "half a service between drop-off and departure",
            Self::Sequence => "drop-offs in the assignment's sequence",
            Self::OneAtATime => "one assignment at a time",
            Self::Continuity => "a move begins where the last one ended",
            Self::Diverted => "no move begins before the last one has ended",
            Self::BeforeShift => "no move before the shift",
            Self::AfterShift => "no pickup after the shift",
            Self::Committed => "orders final before the courier leaves for the restaurant",
            Self::EmptyMove => "no move to a restaurant without an order",
        }
    }
}

/// A violated rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The violated rule.
    pub rule: Rule,
    /// Id of the courier concerned, if any.
    pub courier: Option<String>,
    /// Id of the order concerned, if any.
    pub order: Option<String>,
    /// What the solution does instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(courier) = &self.courier {
            write!(f, "courier {courier}, ")?;
        }
        if let Some(order) = &self.order {
            write!(f, "order {order}, ")?;
        }
        write!(f, "{} (rule: {})", self.what, self.rule.requirement())
    }
}
