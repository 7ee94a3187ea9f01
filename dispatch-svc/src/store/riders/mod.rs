//! Riders: profile, shift, load, and where they were last seen. PostgreSQL is the truth about their load.

mod load;
mod positions;
mod queries;
mod row;
mod write;

pub use self::load::{add_delivery, add_open_offers, count_unaccepted, remove_delivery, remove_open_offers};
pub use self::positions::{CoarsePosition, is_silent, record, set_place, silent};
pub use self::queries::{by_ids, find, load, lock, on_shift, page};
pub use self::row::{Rider, audience};
pub use self::write::{insert, update};
