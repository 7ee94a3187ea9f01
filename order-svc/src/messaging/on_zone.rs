//! Zones as they are published: our copy, for what is promised where.

use async_trait::async_trait;
use pannier_contracts::zone::ZoneSnapshot;
use pannier_platform::consumer::{Effect, Handler};
use pannier_platform::{Cause, Conn, Refusal};

use crate::store::copies;

/// Handler of `order.zone`.
#[derive(Debug)]
pub struct OnZone;

#[async_trait]
impl Handler for OnZone {
    type Snapshot = ZoneSnapshot;
    const QUEUE: &'static str = "order.zone";

    async fn handle(&self, conn: &mut Conn, _cause: &Cause, zone: &ZoneSnapshot) -> Result<Effect, Refusal> {
        copies::keep_zone(conn, zone).await?;
        Ok(Effect::Done)
    }
}
