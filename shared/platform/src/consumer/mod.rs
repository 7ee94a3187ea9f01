//! From the broker to a change: newest wins, effect and `applied` row in one transaction, failures told apart.

mod apply;
mod intake;
mod park;

use std::time::Duration;

use async_trait::async_trait;
use pannier_contracts::event::Snapshot;

pub use self::apply::process;
pub use self::intake::run;
use crate::{Cause, Conn, Refusal};

/// What a service does about events of one foreign aggregate: one file, one handler.
///
/// A handler never reacts to the event's name. It reads the snapshot's state and asks what should be true here now.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The snapshot it reads.
    type Snapshot: Snapshot;
    /// Its queue, as in the topology: `dispatch.order`.
    const QUEUE: &'static str;
    /// Two batches begin at least so far apart: news comes in crowds, and a transaction costs more than a message. Longer
    /// where nobody waits for the effect.
    const LINGER: Duration = Duration::from_millis(10);

    /// Makes true here what the news implies, in the given transaction.
    ///
    /// # Errors
    /// `Conflict`: reload and decide again. `Away`: a dependency is away, the message waits. Anything else: retry ladder, then dead.
    async fn handle(&self, conn: &mut Conn, cause: &Cause, news: &Self::Snapshot) -> Result<Effect, Refusal>;

    /// [`Self::handle`] for several aggregates in one transaction, sorted by their ids: for handlers that can do many
    /// with one statement. Locks are taken in this order.
    ///
    /// # Errors
    /// As [`Self::handle`]; then each is handled by itself.
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

/// A message that is newer than what was applied, inside a batch.
#[derive(Debug)]
pub struct Message<'a, S> {
    /// Who does this, in which trace.
    pub cause: &'a Cause,
    /// The aggregate after its newest change.
    pub snapshot: &'a S,
}

/// What news led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Something changed here, or everything was as it should be already.
    Done,
    /// The local state has passed this news: counted, nothing changes.
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
