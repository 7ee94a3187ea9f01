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
}

impl Relay {
    /// A relay from `log` into `exchange`.
    #[must_use]
    pub fn new(db: Db, log: EventLog, broker: Broker, exchange: &'static str) -> Self {
        Self { db, log, broker, exchange, blocked: Blocked::default() }
    }

    /// Whether the broker accepts messages; it changes while the relay runs.
    #[must_use]
    pub fn blocked(&self) -> Blocked {
        self.blocked.clone()
    }

    /// Publishes whenever `holder` holds the lease `relay`, until `stop`.
    pub async fn run(self, holder: Instance, stop: Stop) {
        Lease::new(self.db.clone(), "relay", holder).run(stop, |held| self.clone().publish_while(held)).await;
    }

    async fn publish_while(self, held: Stop) {
        retry::until_ok(&held, "the relay", || async {
            let (blocked, stop) = (self.blocked.clone(), held.clone());
            let publisher = Publisher::connect(&self.broker, self.exchange, blocked, stop).await?;
            let mut session = Session::start(self.db.clone(), &self.log, publisher).await?;
            tracing::info!("the relay publishes into {}", self.exchange);
            let ended = session.publish(&held).await;
            session.close().await;
            ended
        })
        .await;
    }
}
