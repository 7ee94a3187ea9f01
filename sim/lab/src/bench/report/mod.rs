//! The report of a run: one page that carries everything it shows, needs no script, and follows the reader's choice of
//! light or dark.

mod day_curves;
mod page;
mod pictures;
mod plot;
mod reference;
mod worst;

pub use page::page;
pub use reference::{Comparison, Reference};
pub(super) use worst::which as worst_orders;

/// A minute of the day as people write it; after midnight it counts on.
pub(super) fn clock(minute: i64) -> String {
    format!("{:02}:{:02}", minute.div_euclid(60), minute.rem_euclid(60))
}

/// Text that is safe between tags and in quoted attributes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
