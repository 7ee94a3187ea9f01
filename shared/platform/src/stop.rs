//! How a process ends: a signal to all long-lived tasks, then waiting for them.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The signal to stop. Every long-lived task has a clone.
pub type Stop = CancellationToken;

/// The long-lived tasks of a process. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: Stop,
}

impl Tasks {
    /// No tasks yet; `stop` ends them.
    #[must_use]
    pub fn new(stop: Stop) -> Self {
        Self { tracker: TaskTracker::new(), stop }
    }

    /// The signal that ends them.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Spawns a task that has to run until `stop`. If it ends or panics earlier, that is logged and the process stops.
    pub fn essential(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.until_stop(name, self.stop.clone(), task);
    }

    /// The same for a task that has to run until another signal.
    pub fn until_stop(&self, name: &'static str, stop: Stop, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(async move {
            // In a task of its own, so that a panic can be seen here.
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

    /// Waits until all have ended, at most `patience`.
    pub async fn finish(self, patience: Duration) {
        self.tracker.close();
        if tokio::time::timeout(patience, self.tracker.wait()).await.is_err() {
            tracing::warn!(left = self.tracker.len(), "tasks still running after {patience:?} are aborted");
        }
    }
}

/// The end of a process, in two stages. While it drains it is not ready, has no task that another instance could do, and
/// still answers requests, because balancers notice late. Then it stops.
///
/// To stop without draining, cancel the signal that the service was built with.
#[derive(Debug, Clone)]
pub struct Ending {
    pub(crate) draining: Stop,
    pub(crate) stop: Stop,
    pub(crate) time: Duration,
}

impl Ending {
    /// Drains and stops when the process gets SIGTERM or Ctrl-C. A second signal ends the draining.
    pub async fn on_request(self) {
        shutdown_requested().await;
        tracing::info!(seconds = self.time.as_secs(), "draining: not ready any more, still answering");
        self.draining.cancel();
        tokio::select! {
            () = tokio::time::sleep(self.time) => {}
            () = shutdown_requested() => {}
        }
        self.stop.cancel();
    }
}

/// Resolves when the process gets SIGTERM or Ctrl-C.
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
