//! The result of a run. [`Report::json`] has fixed keys for programs, [`Report::rows`] is a table for people.

mod json;
mod table;

use serde::Serialize;

use super::growth::Growth;
use super::ladder::Lives;
use super::placing::Placing;
use super::positions::Positions;
use super::step::LoadStep;
use super::streams::Streams;

/// Searches for riders, ring by ring and in one GEO set: a line that the program `bench_fleet` prints.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
pub struct Searches {
    /// Number of riders in the city.
    pub riders: u64,
    /// Whole searches a second, ring by ring as the dispatcher makes them.
    pub ring_per_s: f64,
    /// GEOSEARCH a second in one set of all riders.
    pub one_key_per_s: f64,
}

/// All measurements. Parts that were not requested, or could not be measured, are none.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Placing alone.
    pub placing: Option<Placing>,
    /// Whole order lives.
    pub lives: Option<Lives>,
    /// Open streams.
    pub streams: Option<Streams>,
    /// Positions over HTTP.
    pub positions: Option<Positions>,
    /// Searches for riders.
    pub searches: Vec<Searches>,
    /// Cost at higher loads and over a history.
    pub growth: Option<Growth>,
}

impl Report {
    /// The load step at the rate of comparison.
    fn compared(&self) -> Option<&LoadStep> {
        self.lives.as_ref()?.compared.as_ref()
    }

    /// The load step at the highest rate.
    fn peak(&self) -> Option<&LoadStep> {
        self.lives.as_ref()?.peak.as_ref()
    }
}
