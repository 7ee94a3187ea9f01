//! Output on stderr: notes, and one status line that is rewritten in place. Plain lines when stderr is not a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Output of a command. Clones share the status line.
#[derive(Debug, Clone)]
pub struct Ui {
    /// Present while a status is shown. A cleared bar cannot be drawn again, so the next status gets a new one.
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

    /// Prints a line above the status line.
    pub fn note(&self, text: &str) {
        match &*self.line() {
            Some(line) => line.suspend(|| print(text)),
            None => print(text),
        }
    }

    /// Shows a status: in the status line on a terminal, in a line of its own elsewhere.
    pub fn doing(&self, text: &str) {
        if !self.is_terminal {
            print(text);
            return;
        }
        self.line().get_or_insert_with(spinner).set_message(text.to_owned());
    }

    /// Prints the command's result on stdout.
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

    /// Removes the status line.
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

/// Write errors are ignored: a closed terminal must not keep the command from stopping its processes.
fn print(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints an error.
pub fn error(text: &str) {
    print(text);
}

/// Prints the command's result on stdout. A closed pipe (`| head`) is no error.
pub fn answer(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
}
