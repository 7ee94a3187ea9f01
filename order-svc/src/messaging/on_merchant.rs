//! Events of shops: the copies that pricing uses.

use async_trait::async_trait;
use pannier_contracts::merchant::MerchantSnapshot;
use pannier_platform::consumer::{Effect, Handler};
use pannier_platform::{Cause, Conn, Refusal};

use crate::store;

/// The handler of `order.merchant`.
#[derive(Debug)]
pub struct OnMerchant;

#[async_trait]
impl Handler for OnMerchant {
    type Snapshot = MerchantSnapshot;
    const QUEUE: &'static str = "order.merchant";

    async fn handle(&self, conn: &mut Conn, _cause: &Cause, merchant: &MerchantSnapshot) -> Result<Effect, Refusal> {
        store::merchants::upsert(conn, merchant).await?;
        Ok(Effect::Done)
    }
}
