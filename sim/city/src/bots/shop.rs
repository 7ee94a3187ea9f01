//! A shop: accepts at once, is ready when it said.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use pannier_contracts::TicketId;
use pannier_contracts::ticket::{TicketSnapshot, TicketState};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::{Counters, Directory};
use crate::clock::instant_of;
use pannier_client::{CallError, Shop};

/// The stream is the quick way, this is the sure one.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// How long the shop waits to hear how long this order will take.
const ASK_THE_COOK: Duration = Duration::from_secs(10);
/// After a failure, this long until the next try.
const AGAIN: Duration = Duration::from_secs(1);

/// A shop's tablet and the person who taps it.
pub struct ShopBot {
    shop: Shop,
    directory: Arc<Directory>,
    counters: Arc<Counters>,
    /// How long it takes when nobody knows better.
    usual_prep: Duration,
    tickets: HashMap<TicketId, Cooking>,
}

struct Cooking {
    ticket: TicketSnapshot,
    /// When to look at it next: accept it again, or say that it is ready.
    due: Instant,
}

impl ShopBot {
    /// A shop that works.
    #[must_use]
    pub fn new(shop: Shop, directory: Arc<Directory>, counters: Arc<Counters>, usual_prep: Duration) -> Self {
        Self { shop, directory, counters, usual_prep, tickets: HashMap::new() }
    }

    /// Works until the run ends.
    pub async fn run(mut self) {
        let mut events = self.shop.watch();
        let phase = LOOK_EVERY.mul_f64(rand::random());
        let mut look = interval_at(Instant::now() + phase, LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.tickets.values().map(|c| c.due).min();
            let done = tokio::select! {
                event = events.recv() => match event {
                    None => Err(CallError::Stopped),
                    Some(event) => match serde_json::from_str(&event.data) {
                        Ok(ticket) => self.take(ticket).await,
                        Err(e) => {
                            self.counters.trouble(format!("A ticket stream told no ticket: {e}"));
                            Ok(())
                        }
                    },
                },
                _ = look.tick() => self.look().await,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.do_what_is_due().await,
            };
            match done {
                Err(CallError::Stopped) => return,
                Err(e) => self.counters.trouble(format!("A shop has trouble: {e}")),
                Ok(()) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), CallError> {
        let open = self.shop.open_tickets().await?;
        self.tickets.retain(|id, _| open.iter().any(|t| t.id == *id));
        for ticket in open {
            self.take(ticket).await?;
        }
        Ok(())
    }

    /// News of a ticket, from wherever.
    async fn take(&mut self, ticket: TicketSnapshot) -> Result<(), CallError> {
        if self.tickets.get(&ticket.id).is_some_and(|known| known.ticket.version >= ticket.version) {
            return Ok(());
        }
        let now = Instant::now();
        let due = match ticket.state {
            TicketState::AwaitingAcceptance => now,
            TicketState::Accepted => ticket.ready_at.map_or(now, instant_of),
            _ => {
                self.tickets.remove(&ticket.id);
                return Ok(());
            }
        };
        let (id, is_new) = (ticket.id, ticket.state == TicketState::AwaitingAcceptance);
        self.tickets.insert(id, Cooking { ticket, due });
        if is_new { self.work_on(id).await } else { Ok(()) }
    }

    async fn do_what_is_due(&mut self) -> Result<(), CallError> {
        let now = Instant::now();
        let due: Vec<_> = self.tickets.iter().filter(|(_, c)| c.due <= now).map(|(id, _)| *id).collect();
        for id in due {
            self.work_on(id).await?;
        }
        Ok(())
    }

    async fn work_on(&mut self, id: TicketId) -> Result<(), CallError> {
        let Some(cooking) = self.tickets.get_mut(&id) else { return Ok(()) };
        cooking.due = Instant::now() + AGAIN;
        let (ticket, version) = (cooking.ticket.clone(), cooking.ticket.version);
        let answer = if ticket.state == TicketState::AwaitingAcceptance {
            let told = self.directory.wait(ticket.order_id, ASK_THE_COOK).await;
            let usual = TimeDelta::from_std(self.usual_prep).unwrap_or_default();
            let ready_at = told.map_or_else(|| Utc::now() + usual, |t| t.ready_at);
            // Nobody promises the past.
            self.shop.accept(id, version, ready_at.max(Utc::now() + TimeDelta::milliseconds(500))).await
        } else {
            self.shop.ready(id, version).await
        };
        match answer {
            Ok(ticket) => self.remember(ticket),
            Err(CallError::Refused(problem)) => {
                // Another tablet, a customer who cancelled, news that came late: look at what it is now.
                tracing::debug!("Ticket {id}: {problem}");
                match self.shop.ticket(id).await {
                    Ok(ticket) => self.remember(ticket),
                    Err(CallError::Refused(_)) => drop(self.tickets.remove(&id)),
                    Err(e) => return Err(e),
                }
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn remember(&mut self, ticket: TicketSnapshot) {
        let again = Instant::now() + AGAIN;
        let due = match ticket.state {
            // Refused although it is still there to be done: not at once again.
            TicketState::AwaitingAcceptance => again,
            TicketState::Accepted => {
                let unchanged = self.tickets.get(&ticket.id).is_some_and(|c| c.ticket.version == ticket.version);
                let ready = ticket.ready_at.map_or(again, instant_of);
                if unchanged { ready.max(again) } else { ready }
            }
            _ => {
                self.tickets.remove(&ticket.id);
                return;
            }
        };
        self.tickets.insert(ticket.id, Cooking { ticket, due });
    }
}
