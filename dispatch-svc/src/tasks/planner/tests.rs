use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use super::*;

fn zone() -> ZoneId {
    "test".parse().unwrap()
}

/// A planner whose `horizon` waits for the channel before it answers, and the step limits that it was given.
fn slow_planner(budget: Duration) -> (Planner, mpsc::Sender<()>, Arc<AtomicU32>) {
    let (go, wait) = mpsc::channel();
    let (wait, budgets) = (Mutex::new(wait), Arc::new(AtomicU32::new(0)));
    let seen = Arc::clone(&budgets);
    let engine: Engine = Arc::new(move |snapshot, policy| {
        if policy.algorithm == DispatchAlgorithm::Horizon {
            seen.store(policy.horizon.steps_most, Ordering::SeqCst);
            let _ = wait.lock().unwrap().recv();
        }
        engine::plan(snapshot, policy)
    });
    (Planner::with(budget, engine, &Metrics::default()), go, budgets)
}

async fn ask(planner: &Planner) -> Answer {
    planner.plan(&zone(), Snapshot::default(), Policy::default(), Utc::now()).await
}

#[tokio::test]
async fn a_late_plan_is_discarded_and_greedy_decides() {
    let (planner, go, budgets) = slow_planner(Duration::from_millis(1));
    let first = ask(&planner).await;
    assert_eq!((first.plan.report.algorithm, first.fallback), (DispatchAlgorithm::Greedy, Some(Fallback::Late)));
    assert_eq!(first.metadata().fallback, Some(Fallback::Late));
    // Its search goes on, and no second one is started.
    let second = ask(&planner).await;
    assert_eq!(
        (second.plan.report.algorithm, second.fallback),
        (DispatchAlgorithm::Greedy, Some(Fallback::StillPlanning))
    );
    let stats = planner.zones().remove(0);
    assert_eq!((stats.ticks, stats.overruns, stats.fallbacks, stats.policy), (2, 1, 2, DispatchAlgorithm::Greedy));
    assert_eq!(stats.last_fallback, Some(Fallback::StillPlanning));

    // When the search ends, `horizon` is asked again, with fewer steps.
    drop(go);
    pannier_testkit::eventually("horizon decides again", || async {
        (ask(&planner).await.fallback != Some(Fallback::StillPlanning)).then_some(())
    })
    .await;
    assert!(budgets.load(Ordering::SeqCst) < Policy::default().horizon.steps_most);
}

#[tokio::test]
async fn a_plan_in_time_keeps_its_steps() {
    let (planner, go, budgets) = slow_planner(Duration::from_secs(60));
    drop(go);
    let answer = ask(&planner).await;
    assert_eq!((answer.plan.report.algorithm, answer.fallback), (DispatchAlgorithm::Horizon, None));
    assert_eq!(budgets.load(Ordering::SeqCst), Policy::default().horizon.steps_most);
    let greedy = Policy { algorithm: DispatchAlgorithm::Greedy, ..Policy::default() };
    let answer = planner.plan(&zone(), Snapshot::default(), greedy, Utc::now()).await;
    assert_eq!((answer.plan.report.algorithm, answer.fallback), (DispatchAlgorithm::Greedy, None));
}

#[tokio::test]
async fn greedy_decides_when_horizon_panics() {
    let engine: Engine = Arc::new(|snapshot, policy| {
        assert!(policy.algorithm != DispatchAlgorithm::Horizon, "a bug");
        engine::plan(snapshot, policy)
    });
    let answer = ask(&Planner::with(Duration::from_secs(60), engine, &Metrics::default())).await;
    assert_eq!((answer.plan.report.algorithm, answer.fallback), (DispatchAlgorithm::Greedy, Some(Fallback::Failed)));
}

#[test]
fn a_step_limit_recovers_slowly() {
    let mut most = Some(FEWEST_STEPS);
    let ticks = (1..).find(|_| {
        most = recovered(most);
        most.is_none()
    });
    assert!(ticks.is_some_and(|n| (40..200).contains(&n)), "{ticks:?}");
}
