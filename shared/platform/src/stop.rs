//! How a process ends: everybody is told, everybody is waited for.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The signal to stop. Cloned into every long-lived task; cancelled once.
pub type Stop = CancellationToken;

/// The long-lived tasks of a process. If an essential one ends early, the process stops and says which.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: Stop,
}

impl Tasks {
    /// Tasks that end with `stop`.
    #[must_use]
    pub fn new(stop: Stop) -> Self {
        Self { tracker: TaskTracker::new(), stop }
    }

    /// The signal that ends them.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Runs an essential task: it must go on until it is told to stop.
    pub fn essential(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            // Spawned again, so that a panic is seen here and takes the process down instead of the task alone.
            let outcome = tokio::spawn(task).await;
            if !stop.is_cancelled() {
                tracing::error!(
                    task = name,
                    panicked = outcome.is_err(),
                    "essential task {name} ended; the process stops"
                );
                stop.cancel();
            }
        });
    }

    /// Waits for all of them, at most `patience`.
    pub async fn finish(self, patience: Duration) {
        self.tracker.close();
        if tokio::time::timeout(patience, self.tracker.wait()).await.is_err() {
            tracing::warn!(left = self.tracker.len(), "tasks still running after {patience:?}; leaving them");
        }
    }
}

/// Resolves on SIGTERM or Ctrl-C.
pub async fn shutdown_requested() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut term) => tokio::select! {
            _ = term.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}
