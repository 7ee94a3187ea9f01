//! The town's plan, drawn from a seed. Pure: the same options give the same plan.

use pannier_contracts::merchant::MenuItem;
use pannier_contracts::place::InvalidPlace;
use pannier_contracts::{CustomerId, MerchantId, Money, Place, RiderId, ZoneId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use pannier_instance::Point;

/// Size and speed of the demo city.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CityOptions {
    /// Seed of the plan and of all ids.
    pub seed: u64,
    /// Number of shops.
    pub shops: usize,
    /// Number of riders.
    pub riders: usize,
    /// City time per real time.
    pub speed: f64,
}

impl Default for CityOptions {
    fn default() -> Self {
        Self { seed: 7, shops: 32, riders: 60, speed: 30.0 }
    }
}

/// A shop of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopPlan {
    /// Follows from the seed.
    pub id: MerchantId,
    /// Unique in the town.
    pub name: String,
    /// Metres from the middle of the town.
    pub at: Point,
    /// The same as coordinates.
    pub place: Place,
    /// Items with their prices.
    pub menu: Vec<MenuItem>,
}

/// A rider of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct RiderPlan {
    /// Follows from the seed.
    pub id: RiderId,
    /// Shown to operators.
    pub name: String,
    /// Where the first shift starts.
    pub home: Place,
}

/// City minutes of a shift and of the break after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShiftMinutes {
    /// On shift.
    pub work: f64,
    /// Off shift.
    pub rest: f64,
}

/// The plan of the whole town.
#[derive(Debug, Clone, PartialEq)]
pub struct Town {
    /// The seed that it was drawn from.
    pub seed: u64,
    /// Id of the zone that covers the town.
    pub zone: ZoneId,
    /// The zone's outline.
    pub polygon: Vec<Place>,
    /// All shops.
    pub shops: Vec<ShopPlan>,
    /// All riders.
    pub riders: Vec<RiderPlan>,
    /// The customers who place the town's orders.
    pub customers: Vec<CustomerId>,
    /// Speed of riders, metres per second of city time.
    pub speed_mps: f64,
}

/// Half the side of the square in which shops lie, metres.
const HALF_M: f64 = 2_500.0;
/// Largest distance between a shop and its customers, metres.
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
    /// Draws the plan.
    ///
    /// # Errors
    /// Never in practice: all places of a town of this size are valid.
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
        let zone = format!("city-{seed}").parse().unwrap_or_else(|_| unreachable!("city-N is a zone id"));
        Ok(Self { seed, zone, polygon, shops, riders, customers, speed_mps: 5.0 })
    }

    /// The durations of a rider's `shift`-th shift. First shifts have various lengths, so that riders do not pause together.
    pub fn shift_minutes(&self, rider: usize, shift: u32) -> ShiftMinutes {
        let mut rng = StdRng::seed_from_u64(self.seed ^ ((rider as u64) << 32) ^ u64::from(shift).rotate_left(17));
        let work = if shift == 0 { 60.0 + rng.random_range(0.0..240.0) } else { rng.random_range(180.0..300.0) };
        ShiftMinutes { work, rest: rng.random_range(15.0..30.0) }
    }

    /// Draws a customer's place near a shop. `share` is the largest distance, as a share of the usual one.
    ///
    /// # Errors
    /// Never in practice: all places of the town are valid.
    pub fn door(rng: &mut impl RngExt, shop: &ShopPlan, share: f64) -> Result<Place, InvalidPlace> {
        let Point { x, y } = somewhere(rng, shop.at, REACH_M * share);
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
    fn a_seed_gives_one_town() {
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
