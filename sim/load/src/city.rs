//! The place where the load happens: one zone, some shops close together, customers around them; and what they did.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use pannier_contracts::merchant::{MenuItem, MerchantStatus};
use pannier_contracts::zone::Policy;
use pannier_contracts::{CustomerId, MerchantId, Money, Place, RiderId, ZoneId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Stage;
use super::client::Client;
use pannier_client::Role;
use pannier_client::{Api, Ops};
use pannier_instance::Point;

/// What every shop sells.
pub const SKU: &str = "meal";
/// Orders that one rider carries at a time.
pub const CAPACITY: u32 = 2;
/// Shops that accept at once.
const SHOPS: usize = 20;
/// Customers take turns: an order does not come from somebody new each time.
const CUSTOMERS: usize = 500;
/// Everybody is within this distance of the middle, metres.
const REACH_M: f64 = 1_000.0;
/// How many set-up calls are under way at once.
const AT_ONCE: usize = 8;
/// How long order-svc may take to learn about all shops.
const LEARN_WITHIN: Duration = Duration::from_secs(60);

/// Somebody with an id, a token and a place.
#[derive(Debug, Clone)]
pub struct Person {
    /// `mer_…`, `rdr_…`, `cus_…`.
    pub id: String,
    /// Lives longer than any run.
    pub token: String,
    /// Where they are.
    pub place: Place,
}

/// The zone with its people. They work until the stage's `stop` is cancelled.
pub struct City {
    /// order-svc.
    pub orders: Client,
    /// merchant-svc.
    pub merchants: Client,
    /// dispatch-svc.
    pub dispatch: Client,
    /// Shops that accept at once.
    pub shops: Vec<Person>,
    /// A shop that never answers: its orders stay open until they expire after 8 min.
    pub silent_shop: Person,
    /// Who orders.
    pub customers: Vec<Person>,
    /// What happened since it was last taken.
    pub tally: Tally,
    /// For typed calls outside the measured windows.
    pub api: Arc<Api>,
    /// Ends everybody in the city.
    pub stop: CancellationToken,
    run: String,
    count: AtomicU64,
    /// What customers tell at the door, and since when they wait, by order.
    pins: Mutex<HashMap<String, (String, Instant)>>,
}

/// What the clients saw.
#[derive(Debug, Default)]
pub struct Tally {
    /// Orders that were acknowledged with 201.
    pub placed: AtomicU64,
    /// Deliveries whose last tap was acknowledged.
    pub delivered: AtomicU64,
    /// From the wish to order until the acknowledgement, milliseconds.
    pub place_ms: Mutex<Vec<f64>>,
    /// From the wish to order until the last tap at the door, milliseconds.
    pub door_ms: Mutex<Vec<f64>>,
    /// What should not happen, and how often it did.
    pub troubles: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    /// Something that should not happen.
    pub fn trouble(&self, what: String) {
        *self.troubles.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
    }

    /// Notes how long something took.
    pub fn note(list: &Mutex<Vec<f64>>, ms: f64) {
        list.lock().unwrap_or_else(PoisonError::into_inner).push(ms);
    }

    /// Takes what was noted, and begins anew.
    pub fn take<T: Default>(list: &Mutex<T>) -> T {
        std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl City {
    /// Makes the zone and its shops, and waits until customers can order everywhere.
    ///
    /// # Errors
    /// The platform refuses or does not answer.
    pub async fn set_up(stage: &Stage) -> Result<Arc<Self>> {
        stage.say("making a zone and its shops");
        let stop = stage.stop.clone();
        let api = Api::new(stage.target.clone(), None, stop.clone())?;
        put_zone(&api).await.context("the zone cannot be made")?;
        let person = |role: Role, id: String, place: Place| {
            let token = (stage.target.minter)(role, &id);
            Person { id, token, place }
        };
        let shop = |n: usize| person(Role::Merchant, MerchantId::generate().to_string(), around(n));
        let shops: Vec<Person> = (0..=SHOPS).map(shop).collect();
        futures::stream::iter(shops.iter().map(|shop| open_shop(&api, shop)))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
            .context("a shop cannot be made")?;
        wait_for_copies(&api, &shops).await?;
        let (silent_shop, shops) = shops.split_last().context("there are shops")?;
        let customer = |n: usize| person(Role::Customer, CustomerId::generate().to_string(), around(n + 7_000));
        Ok(Arc::new(Self {
            orders: Client::new(&stage.target.order_url),
            merchants: Client::new(&stage.target.merchant_url),
            dispatch: Client::new(&stage.target.dispatch_url),
            shops: shops.to_vec(),
            silent_shop: silent_shop.clone(),
            customers: (0..CUSTOMERS).map(customer).collect(),
            tally: Tally::default(),
            api,
            stop,
            run: uuid::Uuid::now_v7().simple().to_string(),
            count: AtomicU64::new(0),
            pins: Mutex::default(),
        }))
    }

    /// Somebody who may ride here, not on shift.
    ///
    /// # Errors
    /// The platform refuses or does not answer.
    pub async fn hire(&self, n: usize) -> Result<Person> {
        let id = RiderId::generate().to_string();
        // Fast enough that the engine expects them soon: they are there as soon as they are asked.
        pannier_client::Rider::new(&self.api, &id).put_profile(&format!("Rider {n}"), 10.0, CAPACITY).await?;
        let token = (self.api.target().minter)(Role::Rider, &id);
        Ok(Person { id, token, place: around(n + 40_000) })
    }

    /// A number that nobody else has in this run.
    pub fn number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// A fresh Idempotency-Key.
    pub fn key(&self) -> String {
        format!("{}-{}", self.run, self.number())
    }

    /// A customer who waits since then knows what to tell at the door.
    pub fn remember_pin(&self, order: String, pin: String, since: Instant) {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).insert(order, (pin, since));
    }

    /// What the customer tells, once they have heard it themselves: riders may be faster than an answer.
    pub async fn ask_pin(&self, order: &str) -> Option<(String, Instant)> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let told = self.pins.lock().unwrap_or_else(PoisonError::into_inner).remove(order);
            if told.is_some() || Instant::now() > until {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The n-th of places that lie evenly around the middle.
#[must_use]
pub fn around(n: usize) -> Place {
    // Sunflower seeds: the golden angle and a radius that grows with the root fill a disc evenly.
    const GOLDEN: f64 = 2.399_963_229_728_653;
    let (turn, share) = (n as f64 * GOLDEN, ((n % 997) as f64 / 997.0).sqrt());
    let point = Point { x: REACH_M * share * turn.cos(), y: REACH_M * share * turn.sin() };
    point.place().unwrap_or_else(|_| unreachable!("a kilometre from the origin is on the earth"))
}

async fn put_zone(api: &Arc<Api>) -> Result<()> {
    let edge = 3.0 * REACH_M;
    let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
    let polygon: Result<Vec<Place>, _> =
        corners.into_iter().map(|(x, y)| Point { x: x * edge, y: y * edge }.place()).collect();
    // The default policy searches from acceptance on, because the food is ready then; nothing is held.
    let (id, policy): (ZoneId, _) = ("bench".parse()?, Policy::default());
    Ops::new(api, "bench").put_zone(&id, "Benchmark", &polygon?, &policy).await?;
    Ok(())
}

async fn open_shop(api: &Arc<Api>, shop: &Person) -> Result<()> {
    let tablet = pannier_client::Shop::new(api, &shop.id);
    let made = tablet.put_profile("Kitchen", shop.place, 60_000, None).await?;
    let price = Money::new(1_250, "EUR".parse()?);
    let meal = MenuItem { sku: SKU.into(), name: "Meal".into(), price, available: true };
    let made = tablet.put_menu(&[meal], made.version).await?;
    if made.status != MerchantStatus::Open {
        tablet.open(made.version).await?;
    }
    Ok(())
}

/// order-svc knows shops and zones from news: ready is when a customer sees them all open.
async fn wait_for_copies(api: &Arc<Api>, shops: &[Person]) -> Result<()> {
    let customer = pannier_client::Customer::new(api, &CustomerId::generate().to_string());
    let until = Instant::now() + LEARN_WITHIN;
    loop {
        let seen = customer.merchants(around(0)).await?;
        let open = seen.iter().filter(|m| m.status == MerchantStatus::Open).map(|m| m.id.to_string());
        let open: Vec<String> = open.collect();
        if shops.iter().all(|shop| open.contains(&shop.id)) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < until, "customers still do not see all shops: does the news reach order-svc?");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
