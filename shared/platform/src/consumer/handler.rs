//! What a service implements to consume a queue.

use std::time::Duration;

use async_trait::async_trait;
use pannier_contracts::event::Snapshot;

use crate::{Cause, Conn, Refusal};

/// What a service does about the events of one aggregate of another service: one file, one handler.
///
/// A handler never looks at an event's name. It reads the snapshot's state and decides what should be true here now.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The snapshot that its events carry.
    type Snapshot: Snapshot;
    /// Its queue, as in the topology: `dispatch.order`.
    const QUEUE: &'static str;
    /// The least time between the starts of two batches. A transaction costs more than a message in it, so a longer time is
    /// cheaper where nobody waits for the effect.
    const LINGER: Duration = Duration::from_millis(10);

    /// Applies one snapshot in the given transaction. It may be called again with the same one.
    ///
    /// # Errors
    /// [`Refusal::Conflict`]: it is called again. [`Refusal::Away`]: the message is held until the dependency answers.
    /// Anything else: the message goes to the retry queues, in the end to the dead letters.
    async fn handle(&self, conn: &mut Conn, cause: &Cause, snapshot: &Self::Snapshot) -> Result<Effect, Refusal>;

    /// [`Self::handle`] for several aggregates in one transaction, for handlers that can do many with one statement. The
    /// messages are sorted by aggregate id, one for each; locks have to be taken in this order. Returns one effect for each.
    ///
    /// # Errors
    /// As [`Self::handle`]; then each message is handled by itself.
    async fn handle_all(
        &self,
        conn: &mut Conn,
        messages: &[Message<'_, Self::Snapshot>],
    ) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::with_capacity(messages.len());
        for message in messages {
            effects.push(self.handle(conn, message.cause, message.snapshot).await?);
        }
        Ok(effects)
    }
}

/// One message of a batch: newer than what was applied of its aggregate.
#[derive(Debug)]
pub struct Message<'a, S> {
    /// The consumer as the actor, in the trace of the message.
    pub cause: &'a Cause,
    /// The aggregate after its newest change.
    pub snapshot: &'a S,
}

/// What a snapshot led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Something changed here, or everything was as it should be.
    Done,
    /// The local state is past what the snapshot implies. Nothing changes; it is counted in `late_events` with this detail.
    Late(String),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processed {
    /// Its effect is committed.
    Applied,
    /// Not newer than what was applied: dropped.
    Obsolete,
}
