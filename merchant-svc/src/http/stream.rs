//! The stream of a shop's tickets.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use async_trait::async_trait;
use pannier_contracts::MerchantId;
use pannier_contracts::event::Snapshot as _;
use pannier_contracts::ticket::TicketSnapshot;
use pannier_platform::event_log::{EventLog, LoggedEvent};
use pannier_platform::http::feed::{self, Feed, Record};
use pannier_platform::http::{Merchant, Problem, sse};
use pannier_platform::{Conn, Db, Refusal, Stop};

use crate::store::tickets::{self, Filter};

const KIND: &str = "ticket";

/// `GET /v1/merchant/tickets/stream`: the open tickets, then every change of any ticket of the shop.
pub(super) async fn watch(
    request: HttpRequest,
    who: Merchant,
    db: Data<Db>,
    log: Data<EventLog>,
    stop: Data<Stop>,
) -> Result<HttpResponse, Problem> {
    let cursor = sse::cursor(&request);
    let (db, log, metrics) = (db.get_ref().clone(), log.get_ref().clone(), db.metrics().clone());
    let tickets = Tickets { shop: who.id };
    let produce = move |sender| feed::run(db, log, tickets, cursor, sender);
    Ok(sse::stream(&who.token.claims, &stop, &metrics, "tickets", produce))
}

struct Tickets {
    shop: MerchantId,
}

#[async_trait]
impl Feed for Tickets {
    fn audience(&self) -> String {
        tickets::audience(self.shop)
    }

    async fn present(&self, conn: &mut Conn) -> Result<Vec<Record>, Refusal> {
        let filter = Filter { shop: Some(self.shop), open: true, ..Default::default() };
        let open = tickets::list(conn, filter, None, None).await?;
        open.iter().map(|ticket| Record::of(KIND, ticket)).collect()
    }

    async fn render(&self, _: &Db, event: &LoggedEvent) -> Result<Option<Record>, Refusal> {
        if event.aggregate != TicketSnapshot::AGGREGATE {
            return Ok(None);
        }
        Ok(Some(Record { kind: KIND, data: event.data.clone() }))
    }
}
