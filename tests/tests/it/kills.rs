//! A bad night: a recorded day is replayed through the real processes, two of each service, and each kind of them is
//! killed in the middle. Everything comes back by itself, and the day's proof is as clean as on a good one.

use std::process::Command;
use std::time::Duration;

use pannier_testkit::eventually;

use crate::night::Night;

/// Who is killed together, in this order, and with which signal: a whole service, or one of its two instances.
/// PostgreSQL's SIGQUIT is its *immediate* stop: no farewell, no checkpoint.
const NIGHT: [(&[&str], &str); 7] = [
    (&["order-svc-1", "order-svc-2"], "KILL"),
    (&["rabbitmq"], "KILL"),
    (&["merchant-svc-1"], "KILL"),
    (&["postgres"], "QUIT"),
    (&["dispatch-svc-1", "dispatch-svc-2"], "KILL"),
    (&["order-svc-1", "merchant-svc-2", "dispatch-svc-1"], "KILL"),
    (&["redis"], "KILL"),
];

/// The process groups: RabbitMQ is a shell and the machine below it.
async fn kill(night: &Night, names: &[&str], signal: &str) {
    let mut pids = Vec::new();
    for name in names {
        pids.push(eventually(&format!("{name} runs"), || async { night.pid(name) }).await);
    }
    let target = |pid: &u64| if signal == "KILL" { format!("-{pid}") } else { pid.to_string() };
    let killed = Command::new("kill").arg(format!("-{signal}")).arg("--").args(pids.iter().map(target)).status();
    assert!(killed.expect("kill runs").success(), "{names:?} could be killed");
    eprintln!("killed {names:?}");
    for (name, pid) in names.iter().zip(pids) {
        eventually(&format!("{name} is back"), || async { night.pid(name).filter(|again| *again != pid) }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_survives_the_death_of_every_kind_of_process() {
    let mut night = Night::start(&["--instances", "2"]);
    let mut seen = 0;
    for (names, signal) in NIGHT {
        // In the middle of the work: some calls further than at the last kill.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
        while night.acknowledged() < seen + 12 {
            assert!(night.goes_on(), "the replay ended before {names:?} were killed");
            assert!(tokio::time::Instant::now() < deadline, "the day goes on before {names:?} are killed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        kill(&night, names, signal).await;
        seen = night.acknowledged();
    }
    night.ends_clean().await;
}
