//! The relay: publishes committed events to the broker in order, and moves its cursor only behind what the broker has
//! confirmed.
//!
//! An event that the broker refuses is set aside with its reason and the time of its next try; events behind it are
//! published. A crash at any line costs a duplicate, never a loss, and consumers drop duplicates by version.

mod blocked;
mod cursor;
mod publisher;
mod session;
mod set_aside;

pub use self::blocked::Blocked;
pub(crate) use self::cursor::backlog;
use self::publisher::Publisher;
use self::session::Session;
use crate::broker::Broker;
use crate::event_log::EventLog;
use crate::leases::Lease;
use crate::telemetry::stages::LogMeter;
use crate::{Db, Instance, Stop, retry};

/// Publishes the events of one service.
#[derive(Debug, Clone)]
pub struct Relay {
    db: Db,
    log: EventLog,
    broker: Broker,
    /// The service's exchange: `order`.
    exchange: &'static str,
    blocked: Blocked,
    meter: LogMeter,
}

impl Relay {
    /// A relay from `log` into `exchange`. While it publishes, `meter` counts.
    #[must_use]
    pub fn new(db: Db, log: EventLog, broker: Broker, exchange: &'static str, meter: LogMeter) -> Self {
        Self { db, log, broker, exchange, blocked: Blocked::default(), meter }
    }

    /// Whether the broker accepts messages; it changes while the relay runs.
    #[must_use]
    pub fn blocked(&self) -> Blocked {
        self.blocked.clone()
    }

    /// Publishes whenever `holder` holds the lease `relay`, until `stop`.
    pub async fn run(self, holder: Instance, stop: Stop) {
        let job = |held: Stop| {
            let this = self.clone();
            async move {
                tokio::join!(this.meter.run(&this.log, &held), this.clone().publish_while(held.clone()));
            }
        };
        Lease::new(self.db.clone(), "relay", holder).run(stop, job).await;
    }

    async fn publish_while(self, held: Stop) {
        retry::until_ok(&held, "the relay", || async {
            let (blocked, stop) = (self.blocked.clone(), held.clone());
            let metrics = self.db.metrics().clone();
            let publisher = Publisher::connect(&self.broker, self.exchange, blocked, metrics, stop).await?;
            let mut session = Session::start(self.db.clone(), &self.log, publisher).await?;
            tracing::info!("the relay publishes into {}", self.exchange);
            let ended = session.publish(&held).await;
            session.close().await;
            ended
        })
        .await;
    }
}
