//! What the engine looks at: everything it may know, at one moment.

use pannier_contracts::{DeliveryId, MerchantId, RiderId};
use serde::{Deserialize, Serialize};

use crate::travel::{City, Point};

/// One moment of one zone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// The moment, milliseconds since 1970: the only clock the engine has.
    pub now_ms: i64,
    /// How ways take time here.
    pub city: City,
    /// Every delivery that is not picked up yet, in any order: those that want a rider, and those whose rider has not
    /// been at the counter.
    pub deliveries: Vec<Delivery>,
    /// Every rider who might take one, in any order. If one is listed twice, the newest fix counts.
    pub riders: Vec<Rider>,
    /// Where orders are to be expected.
    pub outlook: Outlook,
    /// The routes of the plan before this one: where the search starts. Empty is right, only slower to become good.
    pub previous: Vec<Route>,
}

/// An order that wants a rider, or waits for the one it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Which delivery.
    pub id: DeliveryId,
    /// Whose counter: what is picked up together comes from one shop.
    pub shop: MerchantId,
    /// The shop's counter.
    pub pickup: Point,
    /// The customer's door.
    pub dropoff: Point,
    /// When the kitchen will be done, milliseconds since 1970: one moment, or equally likely ones, sorted.
    pub ready: Ready,
    /// What the customer was promised, milliseconds since 1970.
    pub promise_at_ms: i64,
    /// Since when dispatch knows it, milliseconds since 1970.
    pub opened_at_ms: i64,
    /// Riders who declined it, or let their offer expire, in this attempt.
    pub excluded: Vec<RiderId>,
    /// How many more offers of it may be out; 0 also when it has a rider.
    pub offers_wanted: u32,
    /// Riders who have an open offer of it.
    pub offered_to: Vec<RiderId>,
}

/// When food will be ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ready(Vec<i64>);

impl Ready {
    /// Exactly then, milliseconds since 1970.
    #[must_use]
    pub fn at(ms: i64) -> Self {
        Self(vec![ms])
    }

    /// Any of these, equally likely, milliseconds since 1970. None at all: at 0.
    #[must_use]
    pub fn one_of(moments_ms: &[i64]) -> Self {
        let mut moments = moments_ms.to_vec();
        moments.sort_unstable();
        if moments.is_empty() { Self::at(0) } else { Self(moments) }
    }

    /// The moments, sorted; at least one.
    #[must_use]
    pub fn moments_ms(&self) -> &[i64] {
        &self.0
    }

    /// The mean of them, milliseconds since 1970.
    #[must_use]
    pub fn mean_ms(&self) -> i64 {
        let first = self.0.first().copied().unwrap_or(0);
        let beyond: i64 = self.0.iter().map(|m| m.saturating_sub(first)).fold(0, i64::saturating_add);
        first.saturating_add(beyond / i64::try_from(self.0.len().max(1)).unwrap_or(1))
    }
}

/// Somebody who might carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rider {
    /// Which rider.
    pub id: RiderId,
    /// Their newest fix.
    pub place: Point,
    /// How old that fix is, milliseconds.
    pub fix_age_ms: i64,
    /// How fast they usually go, metres per second.
    pub speed_mps: f64,
    /// On shift and taking offers?
    pub available: bool,
    /// Silent for too long?
    pub stale: bool,
    /// Orders they carry or are about to, plus open offers.
    pub load: u32,
    /// The most that `load` may be.
    pub capacity: u32,
    /// When they are done with everything that cannot be changed any more, milliseconds since 1970; in the past when
    /// they already are. For somebody under way to a counter or at one: when they arrive, or have arrived.
    pub free_at_ms: i64,
    /// Where that is.
    pub free_place: Point,
    /// The shop whose counter that is, if it is one.
    pub at_counter: Option<MerchantId>,
    /// What they have accepted and not picked up, in this order. More may be added from the same shop.
    pub committed: Vec<Trip>,
    /// After this they pick nothing up, milliseconds since 1970.
    pub shift_end_ms: i64,
    /// Since when they have had nothing to do, milliseconds since 1970. Means nothing while `load` is above 0.
    pub idle_since_ms: i64,
    /// How many of a thousand offers they accept.
    pub acceptance_permille: u32,
    /// Their rating: 1,000 is the best.
    pub rating_permille: u32,
}

/// To one counter, then to doors in this sequence.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trip {
    /// Which shop.
    pub shop: MerchantId,
    /// What is picked up there, in the sequence of the drop-offs.
    pub deliveries: Vec<DeliveryId>,
}

/// What a rider is to do, trip by trip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Who.
    pub rider: RiderId,
    /// In sequence.
    pub trips: Vec<Trip>,
}

/// Where orders are to be expected.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Outlook {
    /// The shops that customers order from, in any order.
    pub shops: Vec<ShopOutlook>,
    /// Orders a minute in the whole zone, lately.
    pub orders_per_minute: f64,
    /// How long kitchens take from the order on: equally likely durations, milliseconds, sorted.
    pub takes_ms: Vec<i64>,
    /// Riders on shift, also those whom the snapshot does not list.
    pub riders_on_shift: u32,
}

/// One shop's share of what is to be expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShopOutlook {
    /// Which shop.
    pub shop: MerchantId,
    /// Its counter.
    pub place: Point,
    /// Orders a minute, lately.
    pub orders_per_minute: f64,
}

impl Snapshot {
    /// The deliveries by id, each once.
    pub(crate) fn deliveries_by_id(&self) -> Vec<&Delivery> {
        let mut all: Vec<&Delivery> = self.deliveries.iter().collect();
        // The text only breaks the tie between two versions of one id, so that list order never decides.
        all.sort_by(|a, b| a.id.cmp(&b.id).then_with(|| text(a).cmp(&text(b))));
        all.dedup_by_key(|d| d.id);
        all
    }

    /// The riders by id, each once: their newest fix.
    pub(crate) fn riders_by_id(&self) -> Vec<&Rider> {
        let mut all: Vec<&Rider> = self.riders.iter().collect();
        all.sort_by(|a, b| {
            a.id.cmp(&b.id).then_with(|| a.fix_age_ms.cmp(&b.fix_age_ms)).then_with(|| text(a).cmp(&text(b)))
        });
        all.dedup_by_key(|r| r.id);
        all
    }
}

fn text(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}
