//! What the user sees on stderr: notes that stay, and one line that lives. Plain lines when it is not a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The terminal. Clones share the living line.
#[derive(Debug, Clone)]
pub struct Ui {
    line: ProgressBar,
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
        let is_terminal = std::io::stderr().is_terminal();
        let line = if is_terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            line.set_style(style);
        }
        Self { line, is_terminal }
    }

    /// Prints a line that stays.
    pub fn note(&self, text: &str) {
        if self.is_terminal {
            self.line.suspend(|| print(text));
        } else {
            print(text);
        }
    }

    /// Says what is being waited for: the living line on a terminal, a line of its own elsewhere.
    pub fn doing(&self, text: &str) {
        if self.is_terminal {
            self.line.enable_steady_tick(Duration::from_millis(120));
            self.line.set_message(text.to_owned());
        } else {
            print(text);
        }
    }

    /// Whether stderr is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Removes the living line.
    pub fn clear(&self) {
        self.line.disable_steady_tick();
        self.line.finish_and_clear();
    }
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
