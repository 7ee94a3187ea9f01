//! Dispatch policies on synthetic cities: do the results on the library's days carry over to a city without recorded
//! data, where riders decline or stop responding and kitchens run late?
//!
//! A [`City`] is a file of settings. [`generate`] derives a day from the city and a seed, as an instance in the
//! library's format plus disruptions, so the benchmark's simulation, check, metrics and files apply. [`compare`]
//! evaluates two policies on the same days with the same disruptions (common random numbers) by the difference per day.

pub mod compare;
mod generate;
pub mod run;
mod sampling;
mod settings;

pub use generate::generate;
pub use settings::City;

#[cfg(test)]
mod tests;
