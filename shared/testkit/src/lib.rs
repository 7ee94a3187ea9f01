//! For tests only: databases cloned from a migrated template, callers of APIs and streams, tokens, waiting for a
//! condition, and time that passes on demand.
//!
//! The servers are real and private: `./pannier test` starts them and names them in `PANNIER_TEST_*`. Tests share them
//! and are kept apart by one word, the namespace: it names the database and prefixes queues and keys.

pub mod caller;
pub mod eventually;
pub mod servers;
pub mod service;
pub mod stream;
pub mod test_db;

pub use caller::{Answer, Caller};
pub use eventually::eventually;
pub use servers::Servers;
pub use stream::{Frame, Stream};
pub use test_db::TestDb;
