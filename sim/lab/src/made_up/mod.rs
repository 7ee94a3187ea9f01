//! Dispatch policies on made-up cities, without a platform: are the figures of the library's days also those of a city that
//! nobody has seen, where riders decline and fall silent, and kitchens are late?
//!
//! A **city** ([`City`]) is a file of settings; a day of it follows from the city and a seed ([`draw`]) and is an instance
//! like the library's, so the benchmark's driver, check, measures and files serve here too. Two policies that are
//! **compared** ([`compare`]) work the same days with the same mishaps (common random numbers), and what counts is the
//! difference per day.

pub mod compare;
mod draw;
mod files;
mod paired;
pub mod run;
mod settings;

pub use draw::draw;
pub use paired::Paired;
pub use settings::City;

#[cfg(test)]
mod tests;
