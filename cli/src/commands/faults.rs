//! `pannier sim replay --fault …`: faults that are injected into a replayed day, which has to pass its checks all the same.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use tokio::time::{Instant, sleep_until};

use pannier_devenv::platform::Platform;
use pannier_devenv::process::{Signal, signal_family};
use pannier_devenv::servers::find;
use pannier_devenv::servers::rabbitmq;
use pannier_devenv::servers::server::Server;
use pannier_devenv::ui::Ui;

/// A fault that begins and ends by itself: `lock:merchant.tickets@60+300`, `freeze:postgres@400+60`, `alarm:rabbitmq@30+120`.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    what: What,
    after: Duration,
    lasts: Duration,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    /// A table is locked exclusively.
    Lock(String),
    /// A process, by its name in `status`, is stopped (`SIGSTOP`): it neither answers nor closes its connections.
    Freeze(String),
    /// The broker raises its disk alarm and blocks publishers.
    Alarm,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Lock(table) => write!(f, "lock:{table}")?,
            What::Freeze(process) => write!(f, "freeze:{process}")?,
            What::Alarm => f.write_str("alarm:rabbitmq")?,
        }
        write!(f, "@{}+{}", self.after.as_secs_f64(), self.lasts.as_secs_f64())
    }
}

impl FromStr for Fault {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not KIND:WHAT@AFTER+SECONDS, as in freeze:postgres@400+60");
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (what, when) = rest.split_once('@').ok_or_else(wrong)?;
        let (after, lasts) = when.split_once('+').ok_or_else(wrong)?;
        let seconds =
            |text: &str| text.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok()).ok_or_else(wrong);
        let is_word =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        let what = match (kind, what) {
            ("lock", table) if table.split('.').count() == 2 && table.split('.').all(is_word) => {
                What::Lock(table.to_owned())
            }
            ("lock", _) => return Err(format!("{what:?} is no table: merchant.tickets is one")),
            ("freeze", process) if is_word(process) => What::Freeze(process.to_owned()),
            ("alarm", "rabbitmq") => What::Alarm,
            _ => return Err("a fault is lock:SCHEMA.TABLE, freeze:PROCESS or alarm:rabbitmq".to_owned()),
        };
        Ok(Self { what, after: seconds(after)?, lasts: seconds(lasts)? })
    }
}

/// Injects each fault at its time and ends it again. Seconds count from the call.
///
/// # Errors
/// A fault could not be injected or ended: then the day proves nothing.
pub async fn run(faults: &[Fault], platform: &Platform, ui: &Ui) -> Result<()> {
    let began = Instant::now();
    let all = faults.iter().map(|fault| async move {
        sleep_until(began + fault.after).await;
        let done = fault.happen(platform, ui, began + fault.after + fault.lasts).await;
        done.with_context(|| format!("the fault {fault} did not happen"))
    });
    futures::future::try_join_all(all).await.map(drop)
}

impl Fault {
    async fn happen(&self, platform: &Platform, ui: &Ui, until: Instant) -> Result<()> {
        ui.note(&format!("{self} begins"));
        match &self.what {
            What::Lock(table) => {
                let mut database = AsyncPgConnection::establish(&platform.url("postgres")).await?;
                database.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await?;
                sleep_until(until).await;
                // A lost connection has released the lock too early.
                database.batch_execute("ROLLBACK").await?;
            }
            What::Freeze(process) => {
                let frozen = Frozen::new(pid(platform, process)?);
                sleep_until(until).await;
                drop(frozen);
            }
            What::Alarm => {
                let (data, shown) = (platform.data.clone(), ui.clone());
                let tools =
                    tokio::task::spawn_blocking(move || find::locate(&[Server::RabbitMq], &data, &shown)).await??;
                let (tool, node) = (tools.first().context("RabbitMQ is not there")?, pid(platform, "rabbitmq")?);
                anyhow::ensure!(rabbitmq::alarm(tool, node, true).await, "RabbitMQ took no order");
                sleep_until(until).await;
                anyhow::ensure!(
                    rabbitmq::alarm(tool, node, false).await,
                    "RabbitMQ took no order, and its alarm goes on"
                );
            }
        }
        ui.note(&format!("{self} is over"));
        Ok(())
    }
}

fn pid(platform: &Platform, process: &str) -> Result<u32> {
    let state = platform.data.state();
    let running = state.processes.get(process).map(|id| id.pid);
    running.ok_or_else(|| {
        let names: Vec<_> = state.processes.keys().map(String::as_str).collect();
        anyhow!("{process} is no process of this platform: {}", names.join(", "))
    })
}

/// A stopped process with its children. Dropping it lets them continue.
struct Frozen(u32);

impl Frozen {
    fn new(pid: u32) -> Self {
        signal_family(pid, Signal::STOP);
        Self(pid)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal_family(self.0, Signal::CONT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_is_written() {
        for text in ["lock:merchant.tickets@60+300", "freeze:order-svc-1@0.5+60", "alarm:rabbitmq@30+120"] {
            assert_eq!(text.parse::<Fault>().map(|fault| fault.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "lock:tickets@1+1",
            "lock:a.b;--@1+1",
            "freeze:@1+1",
            "alarm:redis@1+1",
            "freeze:redis@1",
            "lock:a.b@-1+2",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
