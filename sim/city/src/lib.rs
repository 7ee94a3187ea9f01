//! A city of bots around a platform: customers, shops and riders that know only the public HTTP APIs.
//!
//! [`demo`] is the demo city: a town from a seed, with continuous demand. A replay of a recorded day uses the same [`bots`].
//! Both compress the *city* by a speed: minutes of the city pass in seconds, riders drive faster, kitchens cook faster
//! ([`clock`]). The platform runs in real time. *Minutes* are minutes of the city; real time is a `Duration`, an `Instant`
//! or a `DateTime`.

pub mod bots;
pub mod clock;
pub mod demo;
