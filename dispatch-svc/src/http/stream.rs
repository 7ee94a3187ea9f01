//! The caller's stream: every change of their offers and deliveries.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use async_trait::async_trait;
use futures::FutureExt as _;
use pannier_contracts::delivery::DeliverySnapshot;
use pannier_contracts::offer::OfferSnapshot;
use pannier_contracts::{DeliveryId, Place, RiderId};
use pannier_platform::event_log::{EventLog, LoggedEvent};
use pannier_platform::http::feed::{self, Feed, Record};
use pannier_platform::http::{Rider, sse};
use pannier_platform::{Conn, Db, Refusal, Stop};

use super::views::DeliveryRecord;
use crate::store;
use crate::store::offers::LoggedOffer;
use crate::store::riders::audience;

/// Streams the offers and deliveries of the caller: first as they are, then every change.
pub async fn stream(
    who: Rider,
    db: Data<Db>,
    log: Data<EventLog>,
    stop: Data<Stop>,
    request: HttpRequest,
) -> HttpResponse {
    let (db, log, metrics) = (db.get_ref().clone(), log.get_ref().clone(), db.metrics().clone());
    let (feed, cursor) = (RiderFeed { rider: who.id, remembered: Mutex::default() }, sse::cursor(&request));
    sse::stream(&who.token.claims, &stop, &metrics, "rider", move |sender| feed::run(db, log, feed, cursor, sender))
}

/// The most deliveries that a stream remembers.
const MOST_REMEMBERED: usize = 64;

struct RiderFeed {
    rider: RiderId,
    /// What deliveries never change, so that most of their events need no query.
    remembered: Mutex<HashMap<DeliveryId, Addresses>>,
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
        let deliveries = store::deliveries::by_ids(conn, &ids).await?;
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
                let OfferSnapshot { merchant_name, pickup, dropoff, .. } = offer;
                self.remembered().insert(offer.delivery_id, Addresses { merchant_name, pickup, dropoff });
                // The log keeps an offer as the stream shows it.
                Ok(Some(Record { kind: "offer", data: event.data.clone() }))
            }
            "delivery" => {
                let delivery: DeliverySnapshot = event.snapshot()?;
                let id = DeliveryId(event.aggregate_id);
                let known = self.remembered().get(&id).cloned();
                let Addresses { merchant_name, pickup, dropoff } = match known {
                    Some(addresses) => addresses,
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

/// What a record of a delivery has beside its snapshot. It never changes.
#[derive(Debug, Clone)]
struct Addresses {
    merchant_name: String,
    pickup: Place,
    dropoff: Place,
}

impl RiderFeed {
    fn remembered(&self) -> MutexGuard<'_, HashMap<DeliveryId, Addresses>> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        // A rider works on few at a time; what is cleared is read again.
        if remembered.len() > MOST_REMEMBERED {
            remembered.clear();
        }
        remembered
    }

    fn remember(&self, row: &store::Delivery) -> Addresses {
        let addresses =
            Addresses { merchant_name: row.merchant_name.clone(), pickup: row.pickup, dropoff: row.dropoff };
        self.remembered().insert(row.id, addresses.clone());
        addresses
    }
}
