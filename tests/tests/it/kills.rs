//! A recorded day is replayed through the real processes, two of each service, and each kind of process is killed in
//! the middle. Every process is restarted by the supervisor, and the checks at the end find no violation.

use std::process::Command;
use std::time::Duration;

use pannier_testkit::eventually;

use crate::night::Night;

/// Processes that are killed together, with the signal, in this order. PostgreSQL stops on SIGQUIT in its *immediate*
/// mode: it aborts all sessions and writes no checkpoint.
const NIGHT: [(&[&str], &str); 7] = [
    (&["order-svc-1", "order-svc-2"], "KILL"),
    (&["rabbitmq"], "KILL"),
    (&["merchant-svc-1"], "KILL"),
    (&["postgres"], "QUIT"),
    (&["dispatch-svc-1", "dispatch-svc-2"], "KILL"),
    (&["order-svc-1", "merchant-svc-2", "dispatch-svc-1"], "KILL"),
    (&["redis"], "KILL"),
];

/// Kills these processes and waits until they run again. SIGKILL goes to the process group, because RabbitMQ is a shell
/// with the Erlang VM as its child.
async fn kill(night: &Night, names: &[&str], signal: &str) {
    let mut pids = Vec::new();
    for name in names {
        pids.push(eventually(&format!("{name} runs"), || async { night.pid(name) }).await);
    }
    let target = |pid: &u64| if signal == "KILL" { format!("-{pid}") } else { pid.to_string() };
    let killed = Command::new("kill").arg(format!("-{signal}")).arg("--").args(pids.iter().map(target)).status();
    assert!(killed.expect("kill runs").success(), "{names:?} can be killed");
    eprintln!("killed {names:?}");
    for (name, pid) in names.iter().zip(pids) {
        eventually(&format!("{name} runs again"), || async { night.pid(name).filter(|again| *again != pid) }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_survives_the_death_of_every_kind_of_process() {
    let mut night = Night::start(&["--instances", "2"]);
    let mut seen = 0;
    for (names, signal) in NIGHT {
        // Kill in the middle of the work: after twelve more calls than at the last kill.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
        while night.acknowledged() < seen + 12 {
            assert!(night.goes_on(), "the replay ended before {names:?} were killed");
            assert!(
                tokio::time::Instant::now() < deadline,
                "twelve calls are acknowledged before {names:?} are killed"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        kill(&night, names, signal).await;
        seen = night.acknowledged();
    }
    night.ends_clean().await;
}
