//! An order, live. The newest record is always sent, older ones may be skipped.
//!
//! After the first look everything comes from the event log in memory: the order's own events, its payment's, its
//! progress. No watcher reads the database again unless it lagged behind.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use futures::FutureExt as _;
use pannier_contracts::event::Snapshot as _;
use pannier_contracts::order::OrderSnapshot;
use pannier_contracts::payment::PaymentSnapshot;
use pannier_contracts::{CustomerId, OrderId, Version};
use pannier_platform::event_log::{EventLog, LoggedEvent, Missed};
use pannier_platform::http::sse::{self, Frame, Sender};
use pannier_platform::http::{Customer, Problem};
use pannier_platform::{Db, Refusal, Stop};

use super::view::{OrderView, Reader};
use crate::store::orders::{self, Of, Order};
use crate::store::progress::{Progress, ProgressSnapshot};

/// The customer watches an order.
pub(super) async fn watch(
    request: HttpRequest,
    who: Customer,
    db: Data<Db>,
    log: Data<EventLog>,
    stop: Data<Stop>,
    id: Path<OrderId>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    // Listening begins before reading, so nothing falls in between.
    let heard = log.subscribe(id.0.to_string());
    // Unknown or foreign: a problem, not an empty stream.
    let order = read(&db, who.id, id).await?;
    // A cursor that is none of this order's begins with the present.
    let seen = sse::cursor(&request).as_deref().and_then(Seen::read).filter(|seen| seen.is_within(Seen::of(&order)));
    let db = db.get_ref().clone();
    let watcher = Watcher { db, customer: who.id, order, seen: seen.unwrap_or_default() };
    Ok(sse::stream(&who.token.claims, &stop, move |frames| async move {
        // The stream ends, and its client comes back: it is gone, or its order cannot be read.
        let _ = watcher.follow(heard, frames).await;
    }))
}

async fn read(db: &Db, customer: CustomerId, id: OrderId) -> Result<Order, Refusal> {
    db.read(move |conn| orders::load(conn, id, Of::Customer(customer)).boxed()).await
}

/// What a watcher has seen: the versions of the order, its progress and its payment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen([i64; 3]);

impl Seen {
    fn of(order: &Order) -> Self {
        Self([order.version.0, order.progress.version.0, order.payment.version.0])
    }

    fn is_within(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(mine, theirs)| *mine <= theirs)
    }

    /// Opaque to clients.
    fn write(self) -> String {
        self.0.map(|n| n.to_string()).join("-")
    }

    fn read(cursor: &str) -> Option<Self> {
        let versions: Vec<i64> = cursor.split('-').map(str::parse).collect::<Result<_, _>>().ok()?;
        versions.try_into().ok().map(Self)
    }
}

struct Watcher {
    db: Db,
    customer: CustomerId,
    order: Order,
    seen: Seen,
}

/// Nobody listens any more, or there is nothing to tell.
struct End;

impl Watcher {
    async fn follow(mut self, mut heard: pannier_platform::event_log::Subscription, frames: Sender) -> Result<(), End> {
        loop {
            let now = Seen::of(&self.order);
            if now != self.seen {
                self.seen = now;
                let mut view = OrderView::of(&self.order, Reader::Customer).map_err(|_| End)?;
                view.allowed_actions = None;
                let data = serde_json::to_string(&view).map_err(|_| End)?;
                frames.send(Frame { id: now.write(), event: "order", data }).await.map_err(|_| End)?;
            }
            match heard.next().await {
                Ok(heard) => heard.events.iter().try_for_each(|event| self.apply(event)).map_err(|_| End)?,
                Err(Missed) => self.order = read(&self.db, self.customer, self.order.id).await.map_err(|_| End)?,
            }
        }
    }

    /// Takes over what an event says, if it is newer.
    fn apply(&mut self, event: &LoggedEvent) -> Result<(), Refusal> {
        let version = Version(event.version);
        match event.aggregate.as_str() {
            OrderSnapshot::AGGREGATE if version > self.order.version => {
                let now: OrderSnapshot = event.snapshot()?;
                self.order.version = version;
                self.order.state = now.state;
                self.order.ready_at = now.ready_at;
                self.order.promise_at = now.promise_at;
                self.order.reason = now.reason;
            }
            ProgressSnapshot::AGGREGATE if version > self.order.progress.version => {
                let ProgressSnapshot { ticket, delivery, .. } = event.snapshot()?;
                self.order.progress = Progress { version, ticket, delivery };
            }
            PaymentSnapshot::AGGREGATE if version > self.order.payment.version => {
                let now: PaymentSnapshot = event.snapshot()?;
                self.order.payment.state = now.state;
                self.order.payment.version = version;
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_others_are_unknown() {
        let seen = Seen([4, 12, 3]);
        assert_eq!(Seen::read(&seen.write()), Some(seen));
        assert!(seen.is_within(Seen([4, 13, 3])) && !seen.is_within(Seen([5, 11, 3])));
        for other in ["", "4", "4-12", "4-12-3-1", "nonsense", "99999999"] {
            assert_eq!(Seen::read(other), None, "{other}");
        }
    }
}
