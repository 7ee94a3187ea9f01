//! Gauges that are read from the database when metrics are asked for: they are right after a restart, and the same on every
//! instance. What changes them need not count.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pannier_contracts::topology::{self, ROUTES};
use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, Opts};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::db::functions::statement_timestamp;
use crate::schema::{alarms, dead_letters, leases, set_aside, timers};
use crate::{Conn, Db, Refusal, relay};

/// What was read is shown so long, however many ask.
const FRESH: Duration = Duration::from_secs(5);
/// A timer that should have fired so long ago is overdue, as in `GET /v1/ops/stuck`.
const OVERDUE_S: i32 = 10;

/// One gauge as it was read: its series by their label values.
#[derive(Debug, Clone)]
pub struct Gauge {
    /// `pannier_orders`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// The names of the labels.
    pub labels: &'static [&'static str],
    /// For each series the values of its labels, and its own.
    pub series: Vec<(Vec<String>, f64)>,
}

/// Reads gauges; in a service's `store/gauges.rs`.
pub type Read = for<'c> fn(&'c mut Conn) -> BoxFuture<'c, Result<Vec<Gauge>, Refusal>>;

/// The gauges of one process.
#[derive(Clone)]
pub struct Gauges {
    db: Db,
    service: &'static str,
    own: Read,
    last: Arc<Mutex<Option<Reading>>>,
}

/// What was read, and when.
struct Reading {
    at: Instant,
    families: Vec<MetricFamily>,
}

impl Gauges {
    /// The gauges that every service has, and its own.
    #[must_use]
    pub fn new(db: Db, service: &'static str, own: Read) -> Self {
        Self { db, service, own, last: Arc::default() }
    }

    /// Reads them, or gives what was read within the last five seconds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read(&self) -> Result<Vec<MetricFamily>, Refusal> {
        // Held while reading: a second reader would only repeat the statements.
        let mut last = self.last.lock().await;
        if let Some(reading) = last.as_ref().filter(|reading| reading.at.elapsed() < FRESH) {
            return Ok(reading.families.clone());
        }
        let (service, own) = (self.service, self.own);
        let gauges = self.db.read(move |conn| {
            async move {
                let mut gauges = of_every_service(conn, service).await?;
                gauges.extend(own(conn).await?);
                Ok(gauges)
            }
            .boxed()
        });
        let families: Vec<_> = gauges.await?.iter().flat_map(Gauge::families).collect();
        *last = Some(Reading { at: Instant::now(), families: families.clone() });
        Ok(families)
    }
}

impl Gauge {
    /// In the form in which metrics are written out.
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let Ok(vec) = GaugeVec::new(Opts::new(self.name, self.help), self.labels) else { return Vec::new() };
        for (labels, value) in &self.series {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            vec.with_label_values(&labels).set(*value);
        }
        vec.collect()
    }
}

/// Counts as a gauge's value.
#[must_use]
pub fn count(rows: i64) -> f64 {
    rows as f64
}

async fn of_every_service(conn: &mut Conn, service: &'static str) -> Result<Vec<Gauge>, Refusal> {
    let of = |value: f64| (vec![service.to_owned()], value);
    let by = |name: &str, value: f64| (vec![service.to_owned(), name.to_owned()], value);

    let backlog = relay::backlog(conn, topology::subscribed_patterns()).await?;
    let lag = backlog.since.map_or(0.0, |since| (Utc::now() - since).as_seconds_f64().max(0.0));
    let aside: i64 = set_aside::table.select(count_star()).first(conn).await?;
    let letters: Vec<(String, i64)> = dead_letters::table
        .filter(dead_letters::settled_at.is_null())
        .group_by(dead_letters::queue)
        .select((dead_letters::queue, count_star()))
        .load(conn)
        .await?;
    let since = crate::db::functions::add_interval(statement_timestamp(), seconds(-OVERDUE_S));
    let overdue: i64 = timers::table.filter(timers::fire_at.lt(since)).select(count_star()).first(conn).await?;
    let open_alarms: Vec<(String, i64)> = alarms::table
        .filter(alarms::resolved_at.is_null())
        .filter(alarms::snoozed_until.is_null().or(alarms::snoozed_until.lt(statement_timestamp().nullable())))
        .group_by(alarms::kind)
        .select((alarms::kind, count_star()))
        .load(conn)
        .await?;
    let held: Vec<(String, chrono::DateTime<Utc>, chrono::DateTime<Utc>)> =
        leases::table.select((leases::name, leases::until, statement_timestamp())).load(conn).await?;

    let dead: i64 = letters.iter().map(|(_, letters)| letters).sum();
    let unpublished = i64::from(lag > f64::from(OVERDUE_S)) + aside;
    let mut stuck = vec![
        by("timer_overdue", count(overdue)),
        by("dead_letter", count(dead)),
        by("event_unpublished", count(unpublished)),
    ];
    stuck.extend(open_alarms.iter().map(|(kind, open)| by(kind, count(*open))));
    // A queue without dead letters shows 0, so that its alert can be seen to be clear.
    let own_queues = ROUTES
        .iter()
        .map(|route| route.queue)
        .filter(|queue| queue.split('.').next().is_some_and(|consumer| service.starts_with(consumer)));
    let mut dead_by_queue: std::collections::BTreeMap<String, i64> =
        own_queues.map(|queue| (queue.to_owned(), 0)).collect();
    dead_by_queue.extend(letters);
    let gauge = |name, help, labels, series| Gauge { name, help, labels, series };
    const SERVICE: &[&str] = &["service"];
    Ok(vec![
        gauge("pannier_event_log_lag_seconds", "Age of the oldest unpublished event", SERVICE, vec![of(lag)]),
        gauge("pannier_event_log_backlog", "Events that are not published", SERVICE, vec![of(count(backlog.events))]),
        gauge("pannier_events_set_aside", "Events that the broker refuses", SERVICE, vec![of(count(aside))]),
        gauge(
            "pannier_dead_letters",
            "Unsettled dead letters",
            &["service", "queue"],
            dead_by_queue.iter().map(|(queue, letters)| by(queue, count(*letters))).collect(),
        ),
        gauge("pannier_timers_overdue", "Timers that should have fired", SERVICE, vec![of(count(overdue))]),
        gauge("pannier_stuck", "What needs an operator, by rule", &["service", "rule"], stuck),
        gauge(
            "pannier_alarms",
            "Open alarms",
            &["service", "kind"],
            open_alarms.iter().map(|(kind, open)| by(kind, count(*open))).collect(),
        ),
        gauge(
            "pannier_lease_remaining_seconds",
            "Until the lease expires",
            &["service", "lease"],
            held.iter().map(|(name, until, now)| by(name, (*until - *now).as_seconds_f64())).collect(),
        ),
    ])
}

fn seconds(seconds: i32) -> diesel::pg::data_types::PgInterval {
    use diesel::dsl::IntervalDsl as _;
    seconds.seconds()
}
