//! The rider's stream: every change of their offers and of their deliveries.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use async_trait::async_trait;
use futures::FutureExt as _;
use pannier_contracts::delivery::DeliverySnapshot;
use pannier_contracts::offer::OfferSnapshot;
use pannier_contracts::{DeliveryId, OfferId, RiderId};
use pannier_platform::event_log::{EventLog, LoggedEvent};
use pannier_platform::http::feed::{self, Feed, Record};
use pannier_platform::http::{Rider, sse};
use pannier_platform::{Conn, Db, Refusal, Stop};

use super::views::{DeliveryRecord, OfferRecord};
use crate::store;
use crate::store::offers::audience;

/// Offers and deliveries of the caller, as they change.
pub async fn stream(
    who: Rider,
    db: Data<Db>,
    log: Data<EventLog>,
    stop: Data<Stop>,
    request: HttpRequest,
) -> HttpResponse {
    let (db, log) = (db.get_ref().clone(), log.get_ref().clone());
    let (feed, cursor) = (RiderFeed { rider: who.id }, sse::cursor(&request));
    sse::stream(&who.token.claims, &stop, move |sender| feed::run(db, log, feed, cursor, sender))
}

struct RiderFeed {
    rider: RiderId,
}

#[async_trait]
impl Feed for RiderFeed {
    fn audience(&self) -> String {
        audience(self.rider)
    }

    async fn present(&self, conn: &mut Conn) -> Result<Vec<Record>, Refusal> {
        let mut records = Vec::new();
        for offer in store::offers::open_of_rider(conn, self.rider).await? {
            let delivery = store::deliveries::load(conn, offer.delivery_id).await?;
            let why = store::rounds::why(conn, &offer).await?;
            records.push(Record::of("offer", &OfferRecord { offer: offer.snapshot(&delivery), why })?);
        }
        for delivery in store::deliveries::carried_by(conn, self.rider).await? {
            records.push(Record::of("delivery", &DeliveryRecord::of(delivery.snapshot(), &delivery))?);
        }
        Ok(records)
    }

    async fn render(&self, db: &Db, event: &LoggedEvent) -> Result<Option<Record>, Refusal> {
        match event.aggregate.as_str() {
            "offer" => {
                let offer: OfferSnapshot = event.snapshot()?;
                let id = OfferId(event.aggregate_id);
                let why = db.read(move |conn| why(conn, id).boxed()).await?;
                Record::of("offer", &OfferRecord { offer, why }).map(Some)
            }
            "delivery" => {
                let snapshot: DeliverySnapshot = event.snapshot()?;
                let id = DeliveryId(event.aggregate_id);
                let row = db.read(move |conn| store::deliveries::load(conn, id).boxed()).await?;
                Record::of("delivery", &DeliveryRecord::of(snapshot, &row)).map(Some)
            }
            _ => Ok(None),
        }
    }
}

async fn why(conn: &mut Conn, id: OfferId) -> Result<Option<String>, Refusal> {
    match store::offers::find(conn, id).await? {
        Some(offer) => store::rounds::why(conn, &offer).await,
        None => Ok(None),
    }
}
