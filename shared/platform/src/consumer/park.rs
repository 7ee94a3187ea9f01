//! Parks messages that failed: in the next retry queue, or in the end in the dead letter queue.

use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel};
use pannier_contracts::EventId;
use pannier_contracts::topology::{RETRY_LADDER_S, dead_queue, retry_queue};

use crate::Refusal;
use crate::broker::{self, ATTEMPTS, REASON};

/// Moves a message to the queue for its next attempt. Returns when it is stored there; the caller acknowledges it afterwards.
pub(super) async fn park(channel: &Channel, queue: &str, message: &Delivery, why: &Refusal) -> anyhow::Result<()> {
    let attempts = attempts(&message.properties);
    let reason = match why {
        Refusal::Bug(source) => format!("{source:#}"),
        other => other.to_string(),
    };
    let target = usize::try_from(attempts)
        .ok()
        .and_then(|n| RETRY_LADDER_S.get(n))
        .map_or_else(|| dead_queue(queue), |delay_s| retry_queue(queue, *delay_s));
    tracing::error!(queue, attempts, target, reason, "a message failed; it moves to {target}");
    let mut headers: FieldTable = message.properties.headers().clone().unwrap_or_default();
    headers.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(attempts + 1));
    headers.insert(REASON.into(), AMQPValue::LongString(LongString::from(reason)));
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_message_id(
            message.properties.message_id().clone().unwrap_or_else(|| EventId::generate().to_string().into()),
        )
        .with_headers(headers);
    broker::put(channel, &target, &message.data, properties).await
}

fn attempts(properties: &BasicProperties) -> i64 {
    match properties.headers().as_ref().and_then(|h| h.inner().get(ATTEMPTS)) {
        Some(AMQPValue::LongLongInt(n)) => *n,
        _ => 0,
    }
}
