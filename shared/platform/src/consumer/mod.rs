//! From the broker to a change: the newest version wins, the effect and its row in `applied` commit together, and outages
//! are told from bugs.

mod apply;
mod handler;
mod park;
mod session;

pub use self::apply::process;
pub use self::handler::{Effect, Handler, Message, Processed};
pub use self::session::run;
