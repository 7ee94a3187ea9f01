//! Days of orders in the format of Grubhub's public Meal Delivery Routing Problem library.
//!
//! A folder with four tab-separated files, each with one header line: `orders.txt`, `couriers.txt`, `restaurants.txt`,
//! `instance_parameters.txt`. Places are metres on a plane, times are minutes of the day.

mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pannier_contracts::Place;
use pannier_contracts::place::InvalidPlace;
use uuid::Uuid;

use self::table::{Row, Table};

/// An input file that cannot be used: says which, where and why.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {what}", file.display(), line.map(|n| format!(":{n}")).unwrap_or_default())]
pub struct InstanceError {
    /// Which file.
    pub file: PathBuf,
    /// Which line, from 1; none when it is the file as a whole.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub what: String,
}

/// Metres east and north of the plane's origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Metres east.
    pub x: f64,
    /// Metres north.
    pub y: f64,
}

/// Somebody wants something.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Its name in the file.
    pub id: String,
    /// Where the customer is.
    pub at: Point,
    /// Minute of the customer's tap; nothing is known before.
    pub placement: i64,
    /// Index into [`Instance::restaurants`].
    pub restaurant: usize,
    /// Minute when the kitchen is done.
    pub ready: i64,
}

/// Somebody who carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Courier {
    /// Their name in the file.
    pub id: String,
    /// Where they start.
    pub at: Point,
    /// First minute of their shift.
    pub on: i64,
    /// Last minute of their shift: pickups until then, drop-offs also later.
    pub off: i64,
}

/// A kitchen.
#[derive(Debug, Clone, PartialEq)]
pub struct Restaurant {
    /// Its name in the file.
    pub id: String,
    /// Where it is.
    pub at: Point,
}

/// What holds for the whole day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// How fast couriers go, in a straight line.
    pub metres_per_minute: f64,
    /// Minutes at the counter, half before and half after the pickup.
    pub pickup_service: f64,
    /// Minutes at the door, half before and half after the drop-off.
    pub dropoff_service: f64,
    /// Click-to-door minutes to aim at.
    pub target_click_to_door: f64,
    /// Click-to-door minutes not to exceed.
    pub maximum_click_to_door: f64,
    /// What a courier earns for one delivery, in the library's dollars.
    pub pay_per_order: f64,
    /// What a courier earns at least per hour of their shift, in the library's dollars.
    pub guaranteed_pay_per_hour: f64,
}

/// A whole day.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The folder's name.
    pub name: String,
    /// In the order of the file.
    pub orders: Vec<Order>,
    /// In the order of the file.
    pub couriers: Vec<Courier>,
    /// In the order of the file.
    pub restaurants: Vec<Restaurant>,
    /// What holds for the whole day.
    pub parameters: Parameters,
}

impl Parameters {
    /// Minutes at the counter before the pickup, and again after it.
    #[must_use]
    pub fn half_pickup(&self) -> i64 {
        (self.pickup_service / 2.0) as i64
    }

    /// Minutes at the door before the drop-off, and again after it.
    #[must_use]
    pub fn half_dropoff(&self) -> i64 {
        (self.dropoff_service / 2.0) as i64
    }
}

impl Instance {
    /// Reads a folder.
    ///
    /// # Errors
    /// The first thing that is wrong, with file and line.
    pub fn load(dir: &Path) -> Result<Self, InstanceError> {
        let table = Table::read(dir, "restaurants.txt", &["restaurant", "x", "y"])?;
        let mut restaurants = Vec::new();
        let mut index = HashMap::new();
        for row in table.rows() {
            if index.insert(row.text(0)?.to_owned(), restaurants.len()).is_some() {
                return Err(row.error(format!("restaurant {} is listed twice", row.text(0)?)));
            }
            restaurants.push(Restaurant { id: row.text(0)?.to_owned(), at: row.point()? });
        }
        let orders = Self::orders(dir, &index)?;
        let couriers = Self::couriers(dir)?;
        let parameters = Self::parameters(dir)?;
        let name = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let name = name.file_name().map_or_else(|| "instance".into(), |n| n.to_string_lossy().into_owned());
        Ok(Self { name, orders, couriers, restaurants, parameters })
    }

    fn orders(dir: &Path, restaurants: &HashMap<String, usize>) -> Result<Vec<Order>, InstanceError> {
        let header = ["order", "x", "y", "placement_time", "restaurant", "ready_time"];
        let table = Table::read(dir, "orders.txt", &header)?;
        table.unique()?;
        let read = |row: Row<'_>| {
            let (placement, ready) = (row.minute(3)?, row.minute(5)?);
            let restaurant = *restaurants.get(row.text(4)?).ok_or_else(|| {
                row.error(format!("restaurant {} is not in restaurants.txt", row.text(4).unwrap_or("")))
            })?;
            if ready < placement {
                return Err(row.error(format!("ready_time {ready} is before placement_time {placement}")));
            }
            Ok(Order { id: row.text(0)?.to_owned(), at: row.point()?, placement, restaurant, ready })
        };
        table.rows().map(read).collect()
    }

    fn couriers(dir: &Path) -> Result<Vec<Courier>, InstanceError> {
        let table = Table::read(dir, "couriers.txt", &["courier", "x", "y", "on_time", "off_time"])?;
        table.unique()?;
        let read = |row: Row<'_>| {
            let (on, off) = (row.minute(3)?, row.minute(4)?);
            if off < on {
                return Err(row.error(format!("off_time {off} is before on_time {on}")));
            }
            Ok(Courier { id: row.text(0)?.to_owned(), at: row.point()?, on, off })
        };
        table.rows().map(read).collect()
    }

    fn parameters(dir: &Path) -> Result<Parameters, InstanceError> {
        let header = [
            "meters_per_minute",
            "pickup service minutes",
            "dropoff service minutes",
            "target click-to-door",
            "maximum click-to-door",
            "pay per order",
            "guaranteed pay per hour",
        ];
        let table = Table::read(dir, "instance_parameters.txt", &header)?;
        let row = table.only()?;
        let parameters = Parameters {
            metres_per_minute: row.number(0)?,
            pickup_service: row.number(1)?,
            dropoff_service: row.number(2)?,
            target_click_to_door: row.number(3)?,
            maximum_click_to_door: row.number(4)?,
            pay_per_order: row.number(5)?,
            guaranteed_pay_per_hour: row.number(6)?,
        };
        if parameters.metres_per_minute <= 0.0 || parameters.pickup_service < 0.0 || parameters.dropoff_service < 0.0 {
            return Err(row.error("the speed must be positive and the service minutes not negative".into()));
        }
        for (which, minutes) in [("pickup", parameters.pickup_service), ("dropoff", parameters.dropoff_service)] {
            // Half of it is before and half after the moment that counts, and every moment is a whole minute.
            if (minutes / 2.0).fract() != 0.0 {
                return Err(row.error(format!("half of the {which} service minutes, {minutes}, is not a whole minute")));
            }
        }
        if parameters.pay_per_order < 0.0 || parameters.guaranteed_pay_per_hour < 0.0 {
            return Err(row.error("pay must not be negative".into()));
        }
        Ok(parameters)
    }

    /// Whole minutes from one point to another, rounded up. Squares and root as the library's evaluator takes them:
    /// another way to the distance could round up once too often.
    #[must_use]
    pub fn travel_minutes(&self, from: Point, to: Point) -> i64 {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        ((dx * dx + dy * dy).sqrt() / self.parameters.metres_per_minute).ceil() as i64
    }

    /// The first minute in which something happens.
    #[must_use]
    pub fn first_minute(&self) -> i64 {
        let orders = self.orders.iter().map(|o| o.placement);
        orders.chain(self.couriers.iter().map(|c| c.on)).min().unwrap_or(0)
    }

    /// When the last courier goes home.
    #[must_use]
    pub fn last_off(&self) -> i64 {
        self.couriers.iter().map(|c| c.off).max().unwrap_or(0)
    }

    /// Nobody is left to carry it: it is ready after the last courier's shift.
    #[must_use]
    pub fn is_undeliverable(&self, order: &Order) -> bool {
        order.ready > self.last_off()
    }

    /// Tells instances apart by their names: the same name, the same id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("pannier:instance:{}", self.name).as_bytes())
    }

    /// Where a point of this instance is on the earth. Each instance lies at a meridian of its own, away from the demo
    /// city's, so that one platform can have several without one zone covering another.
    ///
    /// # Errors
    /// When the point is so far out that it is not on the earth.
    pub fn place(&self, point: Point) -> Result<Place, InvalidPlace> {
        point.place_east(1.0 + (self.id().as_u128() % MERIDIANS) as f64)
    }

    /// South-west and north-east corner of everything in the instance.
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

/// Mean radius of the earth as [`Place::distance_m`] uses it.
const EARTH_M: f64 = 6_371_008.8;
/// Quito. So near the equator a degree is the same length in both directions and stays it over a whole city,
/// so straight-line metres of the plane are metres of the platform to within a thousandth of a percent.
const ORIGIN: (f64, f64) = (-0.22, -78.51);

/// Degrees east of the origin that instances are spread over.
const MERIDIANS: u128 = 250;

impl Point {
    /// Where the point is on the earth.
    ///
    /// # Errors
    /// When it is so far out that it is not on the earth.
    pub fn place(self) -> Result<Place, InvalidPlace> {
        self.place_east(0.0)
    }

    fn place_east(self, degrees: f64) -> Result<Place, InvalidPlace> {
        let lat = ORIGIN.0 + (self.y / EARTH_M).to_degrees();
        let lng = ORIGIN.1 + degrees + (self.x / (EARTH_M * ORIGIN.0.to_radians().cos())).to_degrees();
        Place::new(lat, lng)
    }

    /// Metres in a straight line.
    #[must_use]
    pub fn distance_m(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }
}

#[cfg(test)]
mod tests;
