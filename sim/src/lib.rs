//! The city around the platform: customers, shops and riders as bots that know nothing but the public HTTP APIs.
//!
//! A **replay** ([`replay`]) plays a day of recorded orders against a platform and then checks, from the platform's
//! own tables and the gateway's ledger, that nothing was lost, doubled or stuck. The **demo city** ([`city`]) never
//! ends and is made up from a seed. Both compress the *city* by a speed: minutes of the city pass in seconds, riders
//! drive faster, kitchens cook faster. The platform knows nothing of it and runs in real time.
//!
//! A **benchmark** ([`load`]) has another aim: what one order costs. Its people know the same APIs, and tap at once.
//!
//! *Minutes* are minutes of the city; whatever is real time is a `Duration`, an `Instant` or a `DateTime`.

pub mod api;
pub mod bench;
pub mod bots;
pub mod city;
pub mod clock;
pub mod dispatch;
pub mod instance;
pub mod journal;
pub mod load;
pub mod replay;
pub mod target;

pub use target::{Minter, Role, Target};
