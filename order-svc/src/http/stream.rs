//! The stream of one order. A frame has the whole order; the newest is always sent, older ones may be skipped.
//!
//! After the first look everything comes from the event log in memory: events of the order, of its payment and of its
//! progress. The database is read again only after events were missed.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use futures::FutureExt as _;
use pannier_contracts::event::Snapshot as _;
use pannier_contracts::order::OrderSnapshot;
use pannier_contracts::payment::PaymentSnapshot;
use pannier_contracts::{CustomerId, OrderId, Version};
use pannier_platform::event_log::{EventLog, Lagged, LoggedEvent, Subscription};
use pannier_platform::http::sse::{self, Frame, Sender};
use pannier_platform::http::{Customer, Problem};
use pannier_platform::{Db, Refusal, Stop};

use super::view::{OrderView, Reader};
use crate::store::Order;
use crate::store::orders::{self, VisibleTo};
use crate::store::progress::{Progress, ProgressSnapshot};

/// Streams an order to its customer.
pub(super) async fn watch(
    request: HttpRequest,
    who: Customer,
    db: Data<Db>,
    log: Data<EventLog>,
    stop: Data<Stop>,
    id: Path<OrderId>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    // Subscribed before the order is read, so that no event is missed in between.
    let events = log.subscribe(id.0.to_string());
    // Read before the stream begins, so that an unknown order is a problem and not an empty stream.
    let order = read(&db, who.id, id).await?;
    // A cursor that this order cannot have sent is ignored.
    let sent = sse::cursor(&request).as_deref().and_then(Cursor::parse);
    let sent = sent.filter(|sent| sent.is_within(Cursor::of(&order))).unwrap_or_default();
    let watcher = Watcher { db: db.get_ref().clone(), customer: who.id, order, sent };
    Ok(sse::stream(&who.token.claims, &stop, db.metrics(), "order", move |frames| async move {
        // Ends when the client is gone or the order cannot be read; then the client reconnects.
        let _ = watcher.run(events, frames).await;
    }))
}

async fn read(db: &Db, customer: CustomerId, id: OrderId) -> Result<Order, Refusal> {
    db.read(move |conn| orders::load(conn, id, VisibleTo::Customer(customer)).boxed()).await
}

/// The versions of an order, its progress and its payment in a frame. The id of the frame, opaque to clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cursor([i64; 3]);

impl Cursor {
    fn of(order: &Order) -> Self {
        Self([order.version.0, order.progress_version().0, order.payment.version.0])
    }

    fn is_within(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(mine, theirs)| *mine <= theirs)
    }

    fn parse(text: &str) -> Option<Self> {
        let versions: Vec<i64> = text.split('-').map(str::parse).collect::<Result<_, _>>().ok()?;
        versions.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self([order, progress, payment]) = self;
        write!(f, "{order}-{progress}-{payment}")
    }
}

struct Watcher {
    db: Db,
    customer: CustomerId,
    order: Order,
    /// The newest frame that was sent.
    sent: Cursor,
}

/// The stream is over.
struct Ended;

impl Watcher {
    async fn run(mut self, mut events: Subscription, frames: Sender) -> Result<(), Ended> {
        loop {
            let cursor = Cursor::of(&self.order);
            if cursor != self.sent {
                self.sent = cursor;
                let mut view = OrderView::of(&self.order, Reader::Customer);
                view.allowed_actions = None;
                let data = serde_json::to_string(&view).map_err(|_| Ended)?;
                frames.send(Frame { id: cursor.to_string(), event: "order", data }).await.map_err(|_| Ended)?;
            }
            match events.next().await {
                Ok(batch) => batch.events.iter().try_for_each(|event| self.apply(event)).map_err(|_| Ended)?,
                Err(Lagged) => self.order = read(&self.db, self.customer, self.order.id).await.map_err(|_| Ended)?,
            }
        }
    }

    /// Brings the order up to date with an event, unless that is older.
    fn apply(&mut self, event: &LoggedEvent) -> Result<(), Refusal> {
        let version = Version(event.version);
        match event.aggregate.as_str() {
            OrderSnapshot::AGGREGATE if version > self.order.version => {
                let order: OrderSnapshot = event.snapshot()?;
                self.order.version = version;
                self.order.state = order.state;
                self.order.ready_at = order.ready_at;
                self.order.promise_at = order.promise_at;
                self.order.reason = order.reason;
            }
            ProgressSnapshot::AGGREGATE if version > self.order.progress_version() => {
                let ProgressSnapshot { ticket, delivery, .. } = event.snapshot()?;
                self.order.progress = Some(Progress { version, ticket, delivery });
            }
            PaymentSnapshot::AGGREGATE if version > self.order.payment.version => {
                let payment: PaymentSnapshot = event.snapshot()?;
                self.order.payment.state = payment.state;
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
        let cursor = Cursor([4, 12, 3]);
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        assert!(cursor.is_within(Cursor([4, 13, 3])) && !cursor.is_within(Cursor([5, 11, 3])));
        for other in ["", "4", "4-12", "4-12-3-1", "nonsense", "99999999"] {
            assert_eq!(Cursor::parse(other), None, "{other}");
        }
    }
}
