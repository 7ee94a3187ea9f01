//! A shop: accepts tickets at once and marks the food ready at the expected time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use pannier_contracts::TicketId;
use pannier_contracts::ticket::{TicketSnapshot, TicketState};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::counters::Counters;
use super::side_channel::SideChannel;
use crate::clock::instant_of;
use pannier_client::{CallError, Shop};

/// Tickets are read again this often, in case the stream has missed some.
const POLL_EVERY: Duration = Duration::from_secs(15);
/// How long the shop waits for the order's ready time; after that it uses its usual preparation time.
const FACTS_TIMEOUT: Duration = Duration::from_secs(10);
/// Delay after a refused or failed call.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A shop and its tablet.
pub struct ShopBot {
    shop: Shop,
    channel: Arc<SideChannel>,
    counters: Arc<Counters>,
    /// Preparation time of orders without a published ready time.
    usual_prep: Duration,
    tickets: HashMap<TicketId, OpenTicket>,
}

struct OpenTicket {
    ticket: TicketSnapshot,
    /// When to call next: accept it again, or mark it ready.
    due: Instant,
}

impl ShopBot {
    /// A shop without tickets. `usual_prep` is the preparation time of orders without a published ready time.
    #[must_use]
    pub fn new(shop: Shop, channel: Arc<SideChannel>, counters: Arc<Counters>, usual_prep: Duration) -> Self {
        Self { shop, channel, counters, usual_prep, tickets: HashMap::new() }
    }

    /// Works until the API's stop token is cancelled.
    pub async fn run(mut self) {
        let mut events = self.shop.watch();
        let first_poll = Instant::now() + POLL_EVERY.mul_f64(rand::random());
        let mut poll_timer = interval_at(first_poll, POLL_EVERY);
        poll_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.tickets.values().map(|c| c.due).min();
            let done = tokio::select! {
                event = events.recv() => match event {
                    None => Err(CallError::Stopped),
                    Some(event) => match serde_json::from_str(&event.data) {
                        Ok(ticket) => self.apply(ticket).await,
                        Err(e) => {
                            self.counters.warn(format!("An event of a ticket stream is not a ticket: {e}"));
                            Ok(())
                        }
                    },
                },
                _ = poll_timer.tick() => self.poll().await,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.process_due().await,
            };
            match done {
                Err(CallError::Stopped) => return,
                Err(e) => self.counters.warn(format!("A shop's call failed: {e}")),
                Ok(()) => {}
            }
        }
    }

    async fn poll(&mut self) -> Result<(), CallError> {
        let open = self.shop.open_tickets().await?;
        self.tickets.retain(|id, _| open.iter().any(|t| t.id == *id));
        for ticket in open {
            self.apply(ticket).await?;
        }
        Ok(())
    }

    /// Applies a ticket's record, unless the same or a newer version is known.
    async fn apply(&mut self, ticket: TicketSnapshot) -> Result<(), CallError> {
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
        self.tickets.insert(id, OpenTicket { ticket, due });
        if is_new { self.process(id).await } else { Ok(()) }
    }

    async fn process_due(&mut self) -> Result<(), CallError> {
        let now = Instant::now();
        let due: Vec<_> = self.tickets.iter().filter(|(_, c)| c.due <= now).map(|(id, _)| *id).collect();
        for id in due {
            self.process(id).await?;
        }
        Ok(())
    }

    async fn process(&mut self, id: TicketId) -> Result<(), CallError> {
        let Some(open) = self.tickets.get_mut(&id) else { return Ok(()) };
        open.due = Instant::now() + RETRY_DELAY;
        let (ticket, version) = (open.ticket.clone(), open.ticket.version);
        let answer = if ticket.state == TicketState::AwaitingAcceptance {
            let facts = self.channel.wait(ticket.order_id, FACTS_TIMEOUT).await;
            let usual = TimeDelta::from_std(self.usual_prep).unwrap_or_default();
            let ready_at = facts.map_or_else(|| Utc::now() + usual, |f| f.ready_at);
            // A ready time in the past is refused.
            self.shop.accept(id, version, ready_at.max(Utc::now() + TimeDelta::milliseconds(500))).await
        } else {
            self.shop.ready(id, version).await
        };
        match answer {
            Ok(ticket) => self.store(ticket),
            Err(CallError::Refused(problem)) => {
                // A concurrent update won: read the ticket's current state.
                tracing::debug!("Ticket {id}: {problem}");
                match self.shop.ticket(id).await {
                    Ok(ticket) => self.store(ticket),
                    Err(CallError::Refused(_)) => drop(self.tickets.remove(&id)),
                    Err(e) => return Err(e),
                }
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn store(&mut self, ticket: TicketSnapshot) {
        let retry_at = Instant::now() + RETRY_DELAY;
        let due = match ticket.state {
            // Refused, and still to be accepted: try again later.
            TicketState::AwaitingAcceptance => retry_at,
            TicketState::Accepted => {
                let unchanged = self.tickets.get(&ticket.id).is_some_and(|c| c.ticket.version == ticket.version);
                let ready = ticket.ready_at.map_or(retry_at, instant_of);
                if unchanged { ready.max(retry_at) } else { ready }
            }
            _ => {
                self.tickets.remove(&ticket.id);
                return;
            }
        };
        self.tickets.insert(ticket.id, OpenTicket { ticket, due });
    }
}
