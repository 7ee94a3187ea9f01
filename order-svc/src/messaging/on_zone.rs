//! Events of zones: the copies that pricing uses.

use async_trait::async_trait;
use pannier_contracts::zone::ZoneSnapshot;
use pannier_platform::consumer::{Effect, Handler};
use pannier_platform::{Cause, Conn, Refusal};

use crate::store;

/// The handler of `order.zone`.
#[derive(Debug)]
pub struct OnZone;

#[async_trait]
impl Handler for OnZone {
    type Snapshot = ZoneSnapshot;
    const QUEUE: &'static str = "order.zone";

    async fn handle(&self, conn: &mut Conn, _cause: &Cause, zone: &ZoneSnapshot) -> Result<Effect, Refusal> {
        store::zones::upsert(conn, zone).await?;
        Ok(Effect::Done)
    }
}
