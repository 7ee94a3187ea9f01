//! What the town looks like: from a seed, always the same. Pure.

use pannier_contracts::merchant::MenuItem;
use pannier_contracts::place::InvalidPlace;
use pannier_contracts::{CustomerId, MerchantId, Money, Place, RiderId, ZoneId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use pannier_instance::Point;

/// How big and how fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CityOptions {
    /// Everything follows from it.
    pub seed: u64,
    /// Shops in town.
    pub shops: usize,
    /// Riders who work in town.
    pub riders: usize,
    /// How many times faster than real time the city lives.
    pub speed: f64,
}

impl Default for CityOptions {
    fn default() -> Self {
        Self { seed: 7, shops: 32, riders: 60, speed: 30.0 }
    }
}

/// A shop to be.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopPlan {
    /// Which shop.
    pub id: MerchantId,
    /// What it is called.
    pub name: String,
    /// Where it is on the plane.
    pub at: Point,
    /// Where it is on the earth.
    pub place: Place,
    /// What it sells.
    pub menu: Vec<MenuItem>,
}

/// A rider to be.
#[derive(Debug, Clone, PartialEq)]
pub struct RiderPlan {
    /// Which rider.
    pub id: RiderId,
    /// What they are called.
    pub name: String,
    /// Where they start.
    pub home: Place,
}

/// The whole town.
#[derive(Debug, Clone, PartialEq)]
pub struct Town {
    /// Its seed.
    pub seed: u64,
    /// Its zone.
    pub zone: ZoneId,
    /// The zone's outline.
    pub polygon: Vec<Place>,
    /// Its shops.
    pub shops: Vec<ShopPlan>,
    /// Its riders.
    pub riders: Vec<RiderPlan>,
    /// Those who order.
    pub customers: Vec<CustomerId>,
    /// How fast riders go in the city, metres per second of the city.
    pub speed_mps: f64,
}

/// Half the side of the square town, metres.
const HALF_M: f64 = 2_500.0;
/// Homes are this far from the shops that they order from, at most.
const REACH_M: f64 = 2_000.0;
const CUSTOMERS: usize = 200;
const DISHES: [(&str, &str, i64); 12] = [
    ("margherita", "Pizza Margherita", 950),
    ("diavola", "Pizza Diavola", 1_150),
    ("ramen", "Shoyu Ramen", 1_290),
    ("gyoza", "Gyoza, six", 690),
    ("falafel", "Falafel Plate", 880),
    ("hummus", "Hummus and Bread", 620),
    ("burger", "House Burger", 1_090),
    ("fries", "Fries", 390),
    ("curry", "Red Curry", 1_190),
    ("rice", "Jasmine Rice", 250),
    ("tacos", "Three Tacos", 990),
    ("salad", "Market Salad", 840),
];
const KINDS: [&str; 8] = ["Kitchen", "Grill", "Corner", "Table", "Oven", "Garden", "Counter", "House"];
const WORDS: [&str; 16] = [
    "Amber", "Birch", "Copper", "Dune", "Ember", "Fern", "Gull", "Harbour", "Iris", "Juniper", "Kite", "Lantern",
    "Maple", "North", "Olive", "Pepper",
];

impl Town {
    /// Draws the town.
    ///
    /// # Errors
    /// When a place is not on the earth, which no town of this size is.
    pub fn plan(options: &CityOptions) -> Result<Self, InvalidPlace> {
        let seed = options.seed;
        let id = |kind: &str, n: usize| {
            Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("pannier:city:{seed}:{kind}:{n}").as_bytes())
        };
        let mut rng = StdRng::seed_from_u64(seed);
        let corners = [(-1.2, -1.2), (1.2, -1.2), (1.2, 1.2), (-1.2, 1.2)];
        let corners = corners.map(|(x, y)| Point { x: x * HALF_M, y: y * HALF_M });
        let polygon = corners.into_iter().map(Point::place).collect::<Result<_, _>>()?;
        let mut shops = Vec::new();
        for n in 0..options.shops {
            // Most shops are in the middle of town.
            let spread = if n % 3 == 0 { HALF_M } else { HALF_M * 0.5 };
            let at = somewhere(&mut rng, Point { x: 0.0, y: 0.0 }, spread);
            let name = format!("{} {}", WORDS[n % WORDS.len()], KINDS[(n / WORDS.len() + n * 5) % KINDS.len()]);
            shops.push(ShopPlan { id: MerchantId(id("shop", n)), name, at, place: at.place()?, menu: menu(&mut rng) });
        }
        let mut riders = Vec::new();
        for n in 0..options.riders {
            let near = shops.get(n % shops.len().max(1)).map_or(Point { x: 0.0, y: 0.0 }, |s| s.at);
            let home = somewhere(&mut rng, near, 400.0).place()?;
            riders.push(RiderPlan { id: RiderId(id("rider", n)), name: format!("Rider {}", n + 1), home });
        }
        let customers = (0..CUSTOMERS).map(|n| CustomerId(id("customer", n))).collect();
        // An id of text that is a number fits a zone's name.
        let zone = format!("city-{seed}").parse().unwrap_or_else(|_| unreachable!("city-N is a zone id"));
        Ok(Self { seed, zone, polygon, shops, riders, customers, speed_mps: 5.0 })
    }

    /// City minutes of a rider's shift and of the break after it. First shifts end at different times.
    pub fn shift_minutes(&self, rider: usize, shift: u32) -> (f64, f64) {
        let mut rng = StdRng::seed_from_u64(self.seed ^ ((rider as u64) << 32) ^ u64::from(shift).rotate_left(17));
        let work = if shift == 0 { 60.0 + rng.random_range(0.0..240.0) } else { rng.random_range(180.0..300.0) };
        (work, rng.random_range(15.0..30.0))
    }

    /// A door near a shop, inside the town; how near at most is a part of the usual reach.
    ///
    /// # Errors
    /// When the place is not on the earth, which no place of the town is.
    pub fn door(rng: &mut impl RngExt, shop: &ShopPlan, part: f64) -> Result<Place, InvalidPlace> {
        let Point { x, y } = somewhere(rng, shop.at, REACH_M * part);
        let inside = |m: f64| m.clamp(-HALF_M * 1.15, HALF_M * 1.15);
        Point { x: inside(x), y: inside(y) }.place()
    }
}

fn somewhere(rng: &mut impl RngExt, around: Point, reach_m: f64) -> Point {
    let (turn, out) = (rng.random_range(0.0..std::f64::consts::TAU), rng.random_range(0.0..1.0_f64).sqrt() * reach_m);
    Point { x: around.x + out * turn.cos(), y: around.y + out * turn.sin() }
}

fn menu(rng: &mut impl RngExt) -> Vec<MenuItem> {
    let (first, size) = (rng.random_range(0..DISHES.len()), rng.random_range(3..6));
    let dishes = (0..size).map(|n| DISHES[(first + n) % DISHES.len()]);
    let euro = "EUR".parse().unwrap_or_else(|_| unreachable!("EUR is a currency"));
    dishes
        .map(|(sku, name, cents)| MenuItem {
            sku: sku.into(),
            name: name.into(),
            price: Money::new(cents, euro),
            available: true,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_town_is_its_seed() {
        let options = CityOptions::default();
        let town = Town::plan(&options).unwrap();
        assert_eq!(town, Town::plan(&options).unwrap());
        assert_ne!(town.shops[0].id, Town::plan(&CityOptions { seed: 8, ..options }).unwrap().shops[0].id);
        assert!(town.shops.len() >= 30 && town.riders.len() == 60);
        assert_eq!(town.shift_minutes(3, 1), town.shift_minutes(3, 1));
        let names: std::collections::HashSet<_> = town.shops.iter().map(|s| &s.name).collect();
        assert_eq!(names.len(), town.shops.len(), "no two shops of one name");
    }
}
