//! Progress of the day: a bar on a terminal, otherwise a line every ten seconds.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use pannier_city::bots::Counters;
use pannier_city::clock::Clock;

/// Seconds between two lines without a terminal.
const LINE_EVERY_S: u64 = 10;

/// A progress display.
pub struct Progress {
    bar: Option<ProgressBar>,
    orders: u64,
    clock: Clock,
    end: f64,
    counters: Arc<Counters>,
    seconds: AtomicU64,
}

impl Progress {
    /// Starts a display of `orders` orders; `end` is the last city minute.
    pub fn new(orders: u64, clock: Clock, end: f64, counters: Arc<Counters>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(orders);
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, orders, clock, end, counters, seconds: AtomicU64::new(0) }
    }

    /// Waits a second, then updates the display.
    pub async fn tick(&self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let second = self.seconds.fetch_add(1, Ordering::Relaxed) + 1;
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let (now, c) = (self.clock.now().max(0.0), &self.counters);
        let (hours, minutes) = ((now / 60.0) as u64, (now % 60.0) as u64);
        let left = self.clock.real(self.end - now).as_secs();
        let text = format!(
            "{hours:02}:{minutes:02} in the city, {} open, {} on shift, {left} s to go",
            c.open(),
            get(&c.on_shift)
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(get(&c.delivered) + get(&c.ended));
                bar.set_message(text);
            }
            None if second.is_multiple_of(LINE_EVERY_S) => {
                let (placed, delivered, ended) = (get(&c.placed), get(&c.delivered), get(&c.ended));
                println!("{text}; {placed}/{} placed, {delivered} delivered, {ended} ended otherwise", self.orders);
            }
            None => {}
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
