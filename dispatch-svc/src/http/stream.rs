//! The rider's stream: every change of their offers and of their deliveries.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use async_trait::async_trait;
use futures::FutureExt as _;
use pannier_contracts::delivery::DeliverySnapshot;
use pannier_contracts::{DeliveryId, Place, RiderId};
use pannier_platform::event_log::{EventLog, LoggedEvent};
use pannier_platform::http::feed::{self, Feed, Record};
use pannier_platform::http::{Rider, sse};
use pannier_platform::{Conn, Db, Refusal, Stop};

use super::views::DeliveryRecord;
use crate::store;
use crate::store::offers::{LoggedOffer, audience};

/// Offers and deliveries of the caller, as they change.
pub async fn stream(
    who: Rider,
    db: Data<Db>,
    log: Data<EventLog>,
    stop: Data<Stop>,
    request: HttpRequest,
) -> HttpResponse {
    let (db, log) = (db.get_ref().clone(), log.get_ref().clone());
    let (feed, cursor) = (RiderFeed { rider: who.id, shown: Mutex::default() }, sse::cursor(&request));
    sse::stream(&who.token.claims, &stop, move |sender| feed::run(db, log, feed, cursor, sender))
}

/// Deliveries that a stream remembers.
const MOST_SHOWN: usize = 64;

struct RiderFeed {
    rider: RiderId,
    /// Deliveries that this stream has shown: most of their events need nothing from the database.
    shown: Mutex<HashMap<DeliveryId, Shown>>,
}

#[async_trait]
impl Feed for RiderFeed {
    fn audience(&self) -> String {
        audience(self.rider)
    }

    async fn present(&self, conn: &mut Conn) -> Result<Vec<Record>, Refusal> {
        let mut records = Vec::new();
        let offers = store::offers::open_of_rider(conn, self.rider).await?;
        let ids: Vec<_> = offers.iter().map(|offer| offer.delivery_id).collect();
        let deliveries = store::deliveries::these(conn, &ids).await?;
        for offer in &offers {
            if let Some(delivery) = deliveries.iter().find(|d| d.id == offer.delivery_id) {
                records.push(Record::of("offer", &offer.logged(delivery))?);
            }
        }
        for delivery in store::deliveries::carried_by(conn, self.rider).await? {
            self.remember(&delivery);
            records.push(Record::of("delivery", &DeliveryRecord::of(delivery.snapshot(), &delivery))?);
        }
        Ok(records)
    }

    async fn render(&self, db: &Db, event: &LoggedEvent) -> Result<Option<Record>, Refusal> {
        match event.aggregate.as_str() {
            "offer" => {
                let LoggedOffer { offer, .. } = event.snapshot()?;
                let shown = Shown { merchant_name: offer.merchant_name, pickup: offer.pickup, dropoff: offer.dropoff };
                self.shown().insert(offer.delivery_id, shown);
                // The log keeps an offer as the stream shows it.
                Ok(Some(Record { kind: "offer", data: event.data.clone() }))
            }
            "delivery" => {
                let delivery: DeliverySnapshot = event.snapshot()?;
                let id = DeliveryId(event.aggregate_id);
                let known = self.shown().get(&id).cloned();
                let Shown { merchant_name, pickup, dropoff } = match known {
                    Some(shown) => shown,
                    None => {
                        let row = db.read(move |conn| store::deliveries::load(conn, id).boxed()).await?;
                        self.remember(&row)
                    }
                };
                Record::of("delivery", &DeliveryRecord { delivery, merchant_name, pickup, dropoff }).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// What a rider is shown of a delivery beside its snapshot; it never changes.
#[derive(Debug, Clone)]
struct Shown {
    merchant_name: String,
    pickup: Place,
    dropoff: Place,
}

impl RiderFeed {
    fn shown(&self) -> MutexGuard<'_, HashMap<DeliveryId, Shown>> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        // A rider works on a few at a time; what is forgotten is read again.
        if shown.len() > MOST_SHOWN {
            shown.clear();
        }
        shown
    }

    fn remember(&self, row: &store::Delivery) -> Shown {
        let shown = Shown { merchant_name: row.merchant_name.clone(), pickup: row.pickup, dropoff: row.dropoff };
        self.shown().insert(row.id, shown.clone());
        shown
    }
}
