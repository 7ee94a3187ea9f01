use pannier_contracts::Place;
use pannier_contracts::place::InvalidPlace;
use uuid::Uuid;

use crate::point::Point;

/// Degrees of longitude over which instances are spread, east of the origin.
const MERIDIANS: u128 = 250;

/// One day of orders.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Name of the instance's folder.
    pub name: String,
    /// In the order of `orders.txt`.
    pub orders: Vec<Order>,
    /// In the order of `couriers.txt`.
    pub couriers: Vec<Courier>,
    /// In the order of `restaurants.txt`.
    pub restaurants: Vec<Restaurant>,
    /// Speed, service times, targets and pay of the whole day.
    pub parameters: Parameters,
}

/// An order of one customer from one restaurant.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Identifier in `orders.txt`.
    pub id: String,
    /// Drop-off location.
    pub at: Point,
    /// Minute of the day at which the order is placed. It is unknown before.
    pub placement: i64,
    /// Index into [`Instance::restaurants`].
    pub restaurant: usize,
    /// Minute of the day at which the food is ready for pickup.
    pub ready: i64,
}

/// A courier with one shift.
#[derive(Debug, Clone, PartialEq)]
pub struct Courier {
    /// Identifier in `couriers.txt`.
    pub id: String,
    /// Location at the start of the shift.
    pub at: Point,
    /// First minute of the shift.
    pub on: i64,
    /// Last minute of the shift. No pickup is allowed after it; drop-offs are.
    pub off: i64,
}

/// A pickup location.
#[derive(Debug, Clone, PartialEq)]
pub struct Restaurant {
    /// Identifier in `restaurants.txt`.
    pub id: String,
    /// Pickup location.
    pub at: Point,
}

/// Parameters of the whole day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Speed of all couriers in a straight line.
    pub metres_per_minute: f64,
    /// Service minutes at the restaurant: half before the pickup, half after it.
    pub pickup_service: f64,
    /// Service minutes at the customer: half before the drop-off, half after it.
    pub dropoff_service: f64,
    /// Target for the minutes from placement to drop-off.
    pub target_click_to_door: f64,
    /// Upper limit for the minutes from placement to drop-off.
    pub maximum_click_to_door: f64,
    /// Pay of a courier per delivered order, dollars.
    pub pay_per_order: f64,
    /// Guaranteed pay of a courier per hour of shift, dollars.
    pub guaranteed_pay_per_hour: f64,
}

impl Parameters {
    /// Service minutes between arrival at the restaurant and pickup, and again between pickup and departure.
    #[must_use]
    pub fn half_pickup(&self) -> i64 {
        (self.pickup_service / 2.0) as i64
    }

    /// Service minutes between arrival at the customer and drop-off, and again between drop-off and departure.
    #[must_use]
    pub fn half_dropoff(&self) -> i64 {
        (self.dropoff_service / 2.0) as i64
    }
}

impl Instance {
    /// Travel time in whole minutes, rounded up. Computed with the operations of the library's evaluator: `hypot` can
    /// differ in the last digit, and rounding up would turn that into a minute.
    #[must_use]
    pub fn travel_minutes(&self, from: Point, to: Point) -> i64 {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        ((dx * dx + dy * dy).sqrt() / self.parameters.metres_per_minute).ceil() as i64
    }

    /// Minute of the first placement or shift start, whichever is earlier; 0 for an empty instance.
    #[must_use]
    pub fn first_minute(&self) -> i64 {
        let orders = self.orders.iter().map(|o| o.placement);
        orders.chain(self.couriers.iter().map(|c| c.on)).min().unwrap_or(0)
    }

    /// Minute at which the last shift ends; 0 without couriers.
    #[must_use]
    pub fn last_off(&self) -> i64 {
        self.couriers.iter().map(|c| c.off).max().unwrap_or(0)
    }

    /// Whether the order is ready only after the last shift has ended.
    #[must_use]
    pub fn is_undeliverable(&self, order: &Order) -> bool {
        order.ready > self.last_off()
    }

    /// An id derived from the name: instances of the same name have the same id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("pannier:instance:{}", self.name).as_bytes())
    }

    /// Projects a point of this instance onto the earth. The meridian follows from [`Instance::id`] and is at least one
    /// degree east of [`Point::place`], so that the zones of several instances do not overlap.
    ///
    /// # Errors
    /// [`InvalidPlace`] when the result is outside the range of latitudes or longitudes.
    pub fn place(&self, point: Point) -> Result<Place, InvalidPlace> {
        point.place_east(1.0 + (self.id().as_u128() % MERIDIANS) as f64)
    }

    /// South-west and north-east corner of the bounding box of all locations.
    #[must_use]
    pub fn bounds(&self) -> (Point, Point) {
        let orders = self.orders.iter().map(|o| o.at);
        let all = orders.chain(self.couriers.iter().map(|c| c.at)).chain(self.restaurants.iter().map(|r| r.at));
        let start = (Point { x: f64::MAX, y: f64::MAX }, Point { x: f64::MIN, y: f64::MIN });
        all.fold(start, |(a, b), p| {
            (Point { x: a.x.min(p.x), y: a.y.min(p.y) }, Point { x: b.x.max(p.x), y: b.y.max(p.y) })
        })
    }
}
