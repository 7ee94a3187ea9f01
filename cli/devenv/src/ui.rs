//! What the user sees on stderr: notes that stay, and one line that lives. Plain lines when it is not a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The terminal. Clones share the living line.
#[derive(Debug, Clone)]
pub struct Ui {
    /// There while something is being waited for. A line that was taken away cannot be shown again: the next is new.
    line: Arc<Mutex<Option<ProgressBar>>>,
    is_terminal: bool,
}

impl Default for Ui {
    fn default() -> Self {
        Self::new()
    }
}

impl Ui {
    /// A user interface on stderr.
    pub fn new() -> Self {
        Self { line: Arc::default(), is_terminal: io::stderr().is_terminal() }
    }

    /// Prints a line that stays.
    pub fn note(&self, text: &str) {
        match &*self.line() {
            Some(line) => line.suspend(|| print(text)),
            None => print(text),
        }
    }

    /// Says what is being waited for: the living line on a terminal, a line of its own elsewhere.
    pub fn doing(&self, text: &str) {
        if !self.is_terminal {
            print(text);
            return;
        }
        self.line().get_or_insert_with(spinner).set_message(text.to_owned());
    }

    /// Prints what was asked for, on stdout.
    pub fn answer(&self, text: &str) {
        match &*self.line() {
            Some(line) => line.suspend(|| answer(text)),
            None => answer(text),
        }
    }

    /// Whether stderr is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Removes the living line.
    pub fn clear(&self) {
        if let Some(line) = self.line().take() {
            line.finish_and_clear();
        }
    }

    fn line(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spinner() -> ProgressBar {
    let line = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        line.set_style(style);
    }
    line.enable_steady_tick(Duration::from_millis(120));
    line
}

/// A terminal that has gone away must not keep us from stopping what we started.
fn print(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints an error.
pub fn error(text: &str) {
    print(text);
}

/// Prints what was asked for, on stdout. A reader that has seen enough (`| head`) is no error.
pub fn answer(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
}
