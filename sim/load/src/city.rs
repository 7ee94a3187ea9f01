//! The city that is loaded: one zone with shops and customers close together, and a tally of what its bots did.

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

use super::http::Client;
use super::system::SystemUnderTest;
use pannier_client::{Api, Ops, Role};
use pannier_instance::Point;

/// The only item of every menu.
pub const SKU: &str = "meal";
/// Orders that a rider carries at a time.
pub const CAPACITY: u32 = 2;
/// Shops that accept orders.
const SHOPS: usize = 20;
/// Customers, who place orders in turn.
const CUSTOMERS: usize = 500;
/// Radius of the disc in which all places lie, metres.
const RADIUS_M: f64 = 1_000.0;
/// Set-up calls in flight at a time.
const CONCURRENCY: usize = 8;
/// How long order-svc may take to receive the events of all shops.
const COPIES_WITHIN: Duration = Duration::from_secs(60);

/// A shop, rider or customer.
#[derive(Debug, Clone)]
pub struct Account {
    /// `mer_…`, `rdr_…` or `cus_…`.
    pub id: String,
    /// A bearer token that is valid for the whole run.
    pub token: String,
    /// The account's place.
    pub place: Place,
}

/// What a rider needs at the customer's door, and when the order was due.
#[derive(Debug, Clone)]
pub struct Handover {
    /// The order's PIN.
    pub pin: String,
    /// When the order was due in the open loop.
    pub due: Instant,
}

/// The zone with its accounts. Shared by all bots, which work until `stop` is cancelled.
pub struct City {
    /// Client of order-svc.
    pub orders: Client,
    /// Client of merchant-svc.
    pub merchants: Client,
    /// Client of dispatch-svc.
    pub dispatch: Client,
    /// Shops that accept orders.
    pub shops: Vec<Account>,
    /// A shop without a bot: its orders stay open until they expire after 8 min.
    pub silent_shop: Account,
    /// All customers.
    pub customers: Vec<Account>,
    /// What the bots did since it was last reset.
    pub tally: Tally,
    /// For typed calls outside the measured windows.
    pub api: Arc<Api>,
    /// Ends all bots of the city.
    pub stop: CancellationToken,
    run: String,
    numbers: AtomicU64,
    /// By order, from the customer's answer to the handover.
    handovers: Mutex<HashMap<String, Handover>>,
}

/// Counts and durations that the clients saw.
#[derive(Debug, Default)]
pub struct Tally {
    /// Orders that were acknowledged with 201.
    pub placed: AtomicU64,
    /// Deliveries whose last step was acknowledged.
    pub delivered: AtomicU64,
    /// From an order's due time to its acknowledgement, milliseconds.
    pub place_ms: Mutex<Vec<f64>>,
    /// From an order's due time to its handover, milliseconds.
    pub door_ms: Mutex<Vec<f64>>,
    /// Errors and how often each occurred.
    pub errors: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    /// Counts an error.
    pub fn record_error(&self, what: String) {
        *self.errors.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
    }

    /// Adds a duration to a list.
    pub fn record(list: &Mutex<Vec<f64>>, ms: f64) {
        list.lock().unwrap_or_else(PoisonError::into_inner).push(ms);
    }

    /// Takes a list's content and leaves it empty.
    pub fn take<T: Default>(list: &Mutex<T>) -> T {
        std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl City {
    /// Creates the zone and its shops, and waits until customers can order at all of them.
    ///
    /// # Errors
    /// The platform refuses or does not answer.
    pub async fn set_up(system: &SystemUnderTest) -> Result<Arc<Self>> {
        system.log("making a zone and its shops");
        let stop = system.stop.clone();
        let api = Api::new(system.target.clone(), None, stop.clone())?;
        put_zone(&api).await.context("the zone cannot be made")?;
        let account = |role: Role, id: String, place: Place| {
            let token = (system.target.minter)(role, &id);
            Account { id, token, place }
        };
        let shop = |n: usize| account(Role::Merchant, MerchantId::generate().to_string(), nth_place(n));
        let shops: Vec<Account> = (0..=SHOPS).map(shop).collect();
        futures::stream::iter(shops.iter().map(|shop| open_shop(&api, shop)))
            .buffer_unordered(CONCURRENCY)
            .try_collect::<()>()
            .await
            .context("a shop cannot be made")?;
        wait_for_copies(&api, &shops).await?;
        let (silent_shop, shops) = shops.split_last().context("there are shops")?;
        let customer = |n: usize| account(Role::Customer, CustomerId::generate().to_string(), nth_place(n + 7_000));
        Ok(Arc::new(Self {
            orders: Client::new(&system.target.order_url),
            merchants: Client::new(&system.target.merchant_url),
            dispatch: Client::new(&system.target.dispatch_url),
            shops: shops.to_vec(),
            silent_shop: silent_shop.clone(),
            customers: (0..CUSTOMERS).map(customer).collect(),
            tally: Tally::default(),
            api,
            stop,
            run: uuid::Uuid::now_v7().simple().to_string(),
            numbers: AtomicU64::new(0),
            handovers: Mutex::default(),
        }))
    }

    /// Creates a rider, not on shift.
    ///
    /// # Errors
    /// The platform refuses or does not answer.
    pub async fn create_rider(&self, n: usize) -> Result<Account> {
        let id = RiderId::generate().to_string();
        // A speed at which the engine expects them soon, because these riders confirm their arrival at once.
        pannier_client::Rider::new(&self.api, &id).put_profile(&format!("Rider {n}"), 10.0, CAPACITY).await?;
        let token = (self.api.target().minter)(Role::Rider, &id);
        Ok(Account { id, token, place: nth_place(n + 40_000) })
    }

    /// The next number of this run; each is returned once.
    pub fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A fresh Idempotency-Key.
    pub fn next_key(&self) -> String {
        format!("{}-{}", self.run, self.next_number())
    }

    /// Stores what the order's rider will need at the door.
    pub fn publish_pin(&self, order: String, handover: Handover) {
        self.handovers.lock().unwrap_or_else(PoisonError::into_inner).insert(order, handover);
    }

    /// Takes an order's PIN. Waits up to 20 s: an offer can reach its rider before the answer reaches the customer.
    pub async fn wait_for_pin(&self, order: &str) -> Option<Handover> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let handover = self.handovers.lock().unwrap_or_else(PoisonError::into_inner).remove(order);
            if handover.is_some() || Instant::now() > deadline {
                return handover;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The `n`-th of places that fill a disc around the origin evenly.
#[must_use]
pub fn nth_place(n: usize) -> Place {
    // Fermat's spiral: the golden angle, and a radius that grows with the square root.
    const GOLDEN: f64 = 2.399_963_229_728_653;
    let (turn, share) = (n as f64 * GOLDEN, ((n % 997) as f64 / 997.0).sqrt());
    let point = Point { x: RADIUS_M * share * turn.cos(), y: RADIUS_M * share * turn.sin() };
    point.place().unwrap_or_else(|_| unreachable!("a place near the origin is valid"))
}

async fn put_zone(api: &Arc<Api>) -> Result<()> {
    let edge = 3.0 * RADIUS_M;
    let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
    let polygon: Result<Vec<Place>, _> =
        corners.into_iter().map(|(x, y)| Point { x: x * edge, y: y * edge }.place()).collect();
    // With the default policy the search starts at acceptance, because the food is ready then.
    let (id, policy): (ZoneId, _) = ("bench".parse()?, Policy::default());
    Ops::new(api, "bench").put_zone(&id, "Benchmark", &polygon?, &policy).await?;
    Ok(())
}

async fn open_shop(api: &Arc<Api>, shop: &Account) -> Result<()> {
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

/// order-svc receives shops and zones as events: waits until a customer sees all shops open.
async fn wait_for_copies(api: &Arc<Api>, shops: &[Account]) -> Result<()> {
    let customer = pannier_client::Customer::new(api, &CustomerId::generate().to_string());
    let deadline = Instant::now() + COPIES_WITHIN;
    loop {
        let seen = customer.merchants(nth_place(0)).await?;
        let open = seen.iter().filter(|m| m.status == MerchantStatus::Open).map(|m| m.id.to_string());
        let open: Vec<String> = open.collect();
        if shops.iter().all(|shop| open.contains(&shop.id)) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "customers still do not see all shops: do events reach order-svc?");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
