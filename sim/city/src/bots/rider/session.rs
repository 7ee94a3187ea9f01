//! A rider's app during a shift: receives offers and deliveries, reports positions, and confirms steps.

use std::time::Duration;

use chrono::Utc;
use pannier_contracts::offer::{OfferSnapshot, OfferState};
use pannier_contracts::{DeliveryId, OfferId, Place, RiderId};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, interval_at, sleep_until};

use super::super::counters::Counters;
use super::super::jobs::Jobs;
use super::super::motion::Motion;
use pannier_client::{CallError, DeliveryView, Rider, Tap, sse};

/// Interval of positions while driving, in real time: the platform's time is not compressed.
const POSITION_EVERY: Duration = Duration::from_secs(1);
/// Interval of positions while standing; less than the 60 s after which the platform regards a rider as silent.
const IDLE_POSITION_EVERY: Duration = Duration::from_secs(10);
/// Offers and deliveries are read again this often, in case the stream has missed some.
const POLL_EVERY: Duration = Duration::from_secs(10);
/// Delay after a refused or failed call.
pub(super) const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The run was stopped.
pub(super) struct Stopped;

/// How a wait ended.
#[derive(PartialEq)]
pub(super) enum Wait {
    /// At its time.
    Elapsed,
    /// Early: its reason no longer applies.
    Obsolete,
}

pub(super) struct Session<'b> {
    app: &'b Rider,
    rider: RiderId,
    counters: &'b Counters,
    shift_end: Instant,
    events: mpsc::Receiver<sse::Event>,
    position_timer: Interval,
    poll_timer: Interval,
    position_sent_at: Instant,
    pub(super) jobs: Jobs,
    pub(super) motion: Motion,
    /// Set at the end of the shift: no more offers are accepted.
    pub(super) is_paused: bool,
}

impl<'b> Session<'b> {
    pub(super) fn start(
        app: &'b Rider,
        rider: RiderId,
        counters: &'b Counters,
        motion: Motion,
        shift_end: Instant,
    ) -> Self {
        let first_poll = Instant::now() + POLL_EVERY.mul_f64(rand::random());
        let (mut position_timer, mut poll_timer) = (interval(POSITION_EVERY), interval_at(first_poll, POLL_EVERY));
        position_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        poll_timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            app,
            rider,
            counters,
            shift_end,
            events: app.watch(),
            position_timer,
            poll_timer,
            position_sent_at: Instant::now(),
            jobs: Jobs::of(rider),
            motion,
            is_paused: false,
        }
    }

    pub(super) fn here(&self) -> Place {
        self.motion.place(Instant::now())
    }

    /// Waits for a fixed time.
    pub(super) async fn wait(&mut self, time: Duration) -> Result<(), Stopped> {
        self.wait_while(Instant::now() + time, |_| true).await.map(drop)
    }

    /// Waits until a delivery is assigned, or the shift ends.
    pub(super) async fn wait_for_a_job(&mut self) -> Result<(), Stopped> {
        self.wait_while(self.shift_end, Jobs::is_empty).await.map(drop)
    }

    /// Waits until `until`, or until `condition` is false. Meanwhile it handles events, polls, reports positions, and
    /// pauses at the end of the shift.
    pub(super) async fn wait_while(
        &mut self,
        until: Instant,
        condition: impl Fn(&Jobs) -> bool,
    ) -> Result<Wait, Stopped> {
        let stop = self.app.api().stop().clone();
        loop {
            if !condition(&self.jobs) {
                return Ok(Wait::Obsolete);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(Stopped),
                () = sleep_until(self.shift_end), if !self.is_paused => self.pause().await?,
                () = sleep_until(until) => return Ok(Wait::Elapsed),
                event = self.events.recv() => match event {
                    Some(event) => self.handle_event(&event).await?,
                    None => return Err(Stopped),
                },
                _ = self.poll_timer.tick() => self.poll().await?,
                _ = self.position_timer.tick() => {
                    let is_moving = Instant::now() < self.motion.arrival();
                    if is_moving || self.position_sent_at.elapsed() >= IDLE_POSITION_EVERY {
                        self.send_position().await?;
                    }
                }
            }
        }
    }

    async fn pause(&mut self) -> Result<(), Stopped> {
        self.is_paused = true;
        self.warn_on_error(self.app.pause().await, "pause").map(drop)
    }

    pub(super) async fn send_position(&mut self) -> Result<(), Stopped> {
        self.position_sent_at = Instant::now();
        match self.app.locate(Utc::now().timestamp_millis(), self.here()).await {
            Err(CallError::Stopped) => Err(Stopped),
            Err(CallError::Refused(problem)) => {
                self.counters.warn(format!("Rider {}'s position: {problem}", self.rider));
                Ok(())
            }
            // The next position replaces one that was not received.
            _ => Ok(()),
        }
    }

    /// The stream has deliveries and offers; the fields tell which.
    async fn handle_event(&mut self, event: &sse::Event) -> Result<(), Stopped> {
        if let Ok(view) = serde_json::from_str::<DeliveryView>(&event.data) {
            self.jobs.apply(&view);
            return Ok(());
        }
        match serde_json::from_str::<OfferSnapshot>(&event.data) {
            Ok(offer) if offer.state == OfferState::Sent => self.accept(offer.id).await,
            Ok(_) => Ok(()),
            Err(e) => {
                self.counters.warn(format!(
                    "An event of a rider's stream is neither an offer nor a delivery: {e}: {}",
                    event.data
                ));
                Ok(())
            }
        }
    }

    async fn accept(&mut self, offer: OfferId) -> Result<(), Stopped> {
        if self.is_paused {
            return Ok(());
        }
        match self.app.accept(offer).await {
            Ok(view) => self.jobs.apply(&view),
            Err(CallError::Stopped) => return Err(Stopped),
            // Expired, revoked, or over the rider's capacity: expected.
            Err(CallError::Refused(problem)) => tracing::debug!("Offer {offer}: {problem}"),
            Err(e) => self.counters.warn(format!("Offer {offer}: {e}")),
        }
        Ok(())
    }

    /// Reads all open deliveries and offers.
    pub(super) async fn poll(&mut self) -> Result<(), Stopped> {
        let deliveries = self.app.deliveries().await;
        if let Some(open) = self.warn_on_error(deliveries, "deliveries")? {
            open.iter().for_each(|view| self.jobs.apply(view));
            let missing: Vec<_> =
                self.jobs.iter().map(|j| j.id).filter(|id| !open.iter().any(|v| v.delivery.id == *id)).collect();
            for id in missing {
                self.read(id).await?;
            }
        }
        if !self.is_paused {
            let offers = self.app.offers().await;
            for offer in self.warn_on_error(offers, "offers")?.unwrap_or_default() {
                if offer.state == OfferState::Sent {
                    self.accept(offer.id).await?;
                }
            }
        }
        Ok(())
    }

    async fn read(&mut self, id: DeliveryId) -> Result<(), Stopped> {
        let answer = self.app.delivery(id).await;
        match self.warn_on_error(answer, "delivery")? {
            Some(Some(view)) => self.jobs.apply(&view),
            Some(None) => self.jobs.remove(id),
            None => {}
        }
        Ok(())
    }

    /// Confirms a step. False when it was refused: then the delivery has been read again.
    pub(super) async fn confirm(&mut self, id: DeliveryId, tap: Tap<'_>) -> Result<bool, Stopped> {
        match self.app.tap(id, tap).await {
            Ok(view) => {
                self.jobs.apply(&view);
                return Ok(true);
            }
            Err(CallError::Stopped) => return Err(Stopped),
            Err(e) => {
                // Cancelled, reassigned, or confirmed by an earlier attempt without an answer: expected.
                let is_expected = matches!(e.status(), Some(404 | 409 | 412));
                let message = format!("Delivery {id}, {tap:?}: {e}");
                if is_expected { tracing::debug!("{message}") } else { self.counters.warn(message) }
            }
        }
        self.read(id).await?;
        self.wait(RETRY_DELAY).await?;
        Ok(false)
    }

    fn warn_on_error<T>(&self, answer: Result<T, CallError>, what: &str) -> Result<Option<T>, Stopped> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(CallError::Stopped) => Err(Stopped),
            Err(e) => {
                self.counters.warn(format!("Rider {}, {what}: {e}", self.rider));
                Ok(None)
            }
        }
    }
}
