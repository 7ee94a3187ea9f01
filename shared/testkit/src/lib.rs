//! For tests only: a database per test, cloned from a migrated template; callers of APIs and streams; tokens; waiting for a
//! condition; moving deadlines closer.
//!
//! Tests run on real servers, which `./pannier test` starts and names in `PANNIER_TEST_*`. All tests share them. Each has a
//! namespace of its own: the name of its database and the prefix of its queues and keys.

pub mod caller;
pub mod certificates;
pub mod event;
pub mod eventually;
pub mod page;
pub mod servers;
pub mod service;
pub mod stream;
pub mod test_db;

pub use caller::{Answer, Caller, http_client};
pub use event::event_bytes;
pub use eventually::eventually;
pub use servers::Servers;
pub use stream::{Frame, Stream};
pub use test_db::TestDb;
