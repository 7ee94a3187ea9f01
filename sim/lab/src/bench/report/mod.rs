//! The report of a run: one self-contained HTML page without scripts, with a light and a dark theme.

mod cards;
mod day_curves;
mod page;
mod pictures;
mod plot;
mod reference;
mod worst;

pub use page::page;
pub use reference::{Comparison, Reference};
