//! `pannier down`: stops the `up` of a data folder, or the processes that a killed `up` left running.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use pannier_devenv::data_dir::DataDir;
use pannier_devenv::process::{self, ProcessId, Signal};
use pannier_devenv::supervisor::end_leftovers;
use pannier_devenv::ui;

/// `up` itself stops everything within 20 s.
const PATIENCE: Duration = Duration::from_secs(25);

/// Stops what runs in a data folder.
///
/// # Errors
/// It is still running after the time that `up` needs to stop.
pub fn run(path: &Path) -> Result<()> {
    if let Some(up) = DataDir::at(path).state().up.filter(ProcessId::is_alive) {
        process::signal(up.pid, Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while up.is_alive() {
            if Instant::now() >= deadline {
                bail!("pid {} did not stop within {} s", up.pid, PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        ui::answer("stopped");
        return Ok(());
    }
    // The lock keeps another `up` from starting here meanwhile.
    let left = path.exists() && end_leftovers(&DataDir::lock(path)?);
    ui::answer(if left { "stopped what a killed `up` had left" } else { "nothing was running" });
    Ok(())
}
