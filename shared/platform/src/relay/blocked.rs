//! Whether the broker accepts messages.

use std::sync::Arc;

use tokio::sync::watch;

/// Whether the broker refuses messages because of a disk or memory alarm (`connection.blocked`). Clones share the value.
#[derive(Debug, Clone)]
pub struct Blocked(Arc<watch::Sender<bool>>);

impl Default for Blocked {
    fn default() -> Self {
        Self(Arc::new(watch::channel(false).0))
    }
}

impl Blocked {
    /// True while the broker refuses messages.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        *self.0.borrow()
    }

    pub(super) fn set(&self, is_blocked: bool) {
        if self.0.send_replace(is_blocked) != is_blocked {
            if is_blocked {
                tracing::warn!("the broker has an alarm and accepts no messages; the relay waits");
            } else {
                tracing::info!("the broker accepts messages again");
            }
        }
    }
}
