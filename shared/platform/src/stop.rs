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
    /// Ends those that another instance can do.
    draining: Stop,
    /// Ends the process.
    stop: Stop,
}

impl Tasks {
    /// No tasks yet. `draining` ends them; when one ends earlier, `stop` is cancelled.
    #[must_use]
    pub fn new(draining: Stop, stop: Stop) -> Self {
        Self { tracker: TaskTracker::new(), draining, stop }
    }

    /// Spawns a task that has to run until the process drains. If it ends or panics earlier, that is logged and the process
    /// stops.
    pub fn essential(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name, self.draining.clone(), task);
    }

    /// The same for a task that has to run until the process stops.
    pub fn until_stop(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name, self.stop.clone(), task);
    }

    fn spawn(&self, name: &'static str, until: Stop, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            // In a task of its own, so that a panic can be seen here.
            let outcome = tokio::spawn(task).await;
            if !until.is_cancelled() {
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
    /// Drains, then stops. A second signal ends the draining.
    async fn begin(self) {
        tracing::info!(seconds = self.time.as_secs(), "draining: not ready any more, still answering");
        self.draining.cancel();
        tokio::select! {
            () = tokio::time::sleep(self.time) => {}
            () = shutdown_requested() => {}
        }
        self.stop.cancel();
    }
}

/// Runs a program: builds it, runs it, and ends it when the process gets SIGTERM or Ctrl-C. While it is being built, which
/// may mean waiting for its schema, it ends at once and with success.
///
/// # Errors
/// Why it cannot be built or run.
pub async fn run_program<A>(
    build: impl AsyncFnOnce(Stop) -> anyhow::Result<A>,
    ending: impl FnOnce(&A) -> Ending,
    run: impl AsyncFnOnce(A) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let app = tokio::select! {
        app = build(Stop::new()) => app?,
        () = shutdown_requested() => return Ok(()),
    };
    let ending = ending(&app);
    tokio::spawn(async move {
        shutdown_requested().await;
        ending.begin().await;
    });
    run(app).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_essential_task_that_ends_early_stops_the_process() {
        let stop = Stop::new();
        let tasks = Tasks::new(stop.child_token(), stop.clone());
        tasks.essential("relay", async { panic!("a bug") });
        stop.cancelled().await;
    }

    #[tokio::test]
    async fn tasks_that_end_when_the_process_drains_do_not_stop_it() {
        let stop = Stop::new();
        let draining = stop.child_token();
        let tasks = Tasks::new(draining.clone(), stop.clone());
        let until = draining.clone();
        tasks.essential("relay", async move { until.cancelled().await });
        draining.cancel();
        tasks.finish(Duration::from_secs(5)).await;
        assert!(!stop.is_cancelled());
    }
}
