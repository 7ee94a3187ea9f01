use std::collections::HashMap;
use std::path::Path;

use crate::error::InstanceError;
use crate::format::{COURIERS, ORDERS, PARAMETERS, RESTAURANTS};
use crate::instance::{Courier, Instance, Order, Parameters, Restaurant};
use crate::point::Point;
use crate::table::{Row, Table};

/// Limit for coordinates, metres: larger than any city, and the flat projection would become inaccurate beyond it.
const MAX_COORDINATE_M: f64 = 200_000.0;
/// Limit for times, minutes: a week. Larger values are typing errors and would make a replay endless.
const MAX_MINUTE: i64 = 7 * 24 * 60;

impl Instance {
    /// Reads the four files of a folder. The instance's name is the folder's.
    ///
    /// # Errors
    /// [`InstanceError`] with the first mistake found: a missing file, a malformed line, or contradicting values.
    pub fn load(dir: &Path) -> Result<Self, InstanceError> {
        let table = Table::read(dir, &RESTAURANTS)?;
        let mut restaurants = Vec::new();
        let mut index = HashMap::new();
        for row in table.rows() {
            if index.insert(row.text(0)?.to_owned(), restaurants.len()).is_some() {
                return Err(row.error(format!("restaurant {} is listed twice", row.text(0)?)));
            }
            restaurants.push(Restaurant { id: row.text(0)?.to_owned(), at: point(row)? });
        }
        let orders = orders(dir, &index)?;
        let couriers = couriers(dir)?;
        let parameters = parameters(dir)?;
        let name = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let name = name.file_name().map_or_else(|| "instance".into(), |n| n.to_string_lossy().into_owned());
        Ok(Self { name, orders, couriers, restaurants, parameters })
    }
}

fn orders(dir: &Path, restaurants: &HashMap<String, usize>) -> Result<Vec<Order>, InstanceError> {
    let table = Table::read(dir, &ORDERS)?;
    table.require_unique_ids()?;
    let read = |row: Row<'_>| {
        let (placement, ready) = (minute(row, 3)?, minute(row, 5)?);
        let restaurant = *restaurants
            .get(row.text(4)?)
            .ok_or_else(|| row.error(format!("restaurant {} is not in restaurants.txt", row.text(4).unwrap_or(""))))?;
        if ready < placement {
            return Err(row.error(format!("ready_time {ready} is before placement_time {placement}")));
        }
        Ok(Order { id: row.text(0)?.to_owned(), at: point(row)?, placement, restaurant, ready })
    };
    table.rows().map(read).collect()
}

fn couriers(dir: &Path) -> Result<Vec<Courier>, InstanceError> {
    let table = Table::read(dir, &COURIERS)?;
    table.require_unique_ids()?;
    let read = |row: Row<'_>| {
        let (on, off) = (minute(row, 3)?, minute(row, 4)?);
        if off < on {
            return Err(row.error(format!("off_time {off} is before on_time {on}")));
        }
        Ok(Courier { id: row.text(0)?.to_owned(), at: point(row)?, on, off })
    };
    table.rows().map(read).collect()
}

fn parameters(dir: &Path) -> Result<Parameters, InstanceError> {
    let table = Table::read(dir, &PARAMETERS)?;
    let row = table.only_row()?;
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
        // Half of the service precedes the pickup or drop-off, whose time is a whole minute.
        if (minutes / 2.0).fract() != 0.0 {
            return Err(row.error(format!("half of the {which} service minutes, {minutes}, is not a whole minute")));
        }
    }
    if parameters.pay_per_order < 0.0 || parameters.guaranteed_pay_per_hour < 0.0 {
        return Err(row.error("pay must not be negative".into()));
    }
    Ok(parameters)
}

fn minute(row: Row<'_>, column: usize) -> Result<i64, InstanceError> {
    let text = row.text(column)?;
    let minute = text.parse::<i64>().ok().filter(|n| (0..=MAX_MINUTE).contains(n));
    minute.ok_or_else(|| row.error(format!("{text:?} in column {} is not a minute of the day", column + 1)))
}

/// The coordinates, which all files have in their second and third column.
fn point(row: Row<'_>) -> Result<Point, InstanceError> {
    let point = Point { x: row.number(1)?, y: row.number(2)? };
    if point.x.abs() > MAX_COORDINATE_M || point.y.abs() > MAX_COORDINATE_M {
        return Err(row.error(format!("{}, {} is more than 200 km away from the origin", point.x, point.y)));
    }
    Ok(point)
}
