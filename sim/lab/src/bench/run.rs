//! Runs many instances in parallel.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{fs, thread};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::check::{Rule, Violation, check};
use super::metrics::{Metrics, measure};
use super::simulation::simulate_observed;
use super::solution::{DayOptions, DayResult, Solution};
use super::solution_files;
use pannier_instance::Instance;

/// The result of one instance.
#[derive(Debug)]
pub struct Outcome {
    /// The input.
    pub instance: Instance,
    /// The simulated day. Its solution is empty when the check found [`Rule::Unknown`].
    pub day: DayResult,
    /// Measures of the solution.
    pub metrics: Metrics,
    /// Violations of the solution; empty when it is feasible.
    pub violations: Vec<Violation>,
}

/// A folder with any of these files counts as an instance, so that a missing file is an error and not overlooked.
const FILES: [&str; 4] = ["orders.txt", "couriers.txt", "restaurants.txt", "instance_parameters.txt"];

/// Loads instances. For a folder that is not an instance, loads the instances in it, sorted by name.
///
/// # Errors
/// The first invalid file with its line; a folder without instances; two instances of one name.
pub fn load(dirs: &[PathBuf]) -> Result<Vec<Instance>> {
    let is_instance = |dir: &Path| FILES.iter().any(|file| dir.join(file).exists());
    let mut instances: Vec<Instance> = Vec::new();
    let mut seen: HashMap<String, PathBuf> = HashMap::new();
    for dir in dirs {
        let mut inside = Vec::new();
        if !is_instance(dir) {
            let entries = fs::read_dir(dir).with_context(|| format!("{}: cannot be read", dir.display()))?;
            for entry in entries {
                inside.push(entry.with_context(|| format!("{}: cannot be read", dir.display()))?.path());
            }
            inside.retain(|path| is_instance(path));
            inside.sort();
            if inside.is_empty() {
                bail!("{}: is no instance, and no folder of instances: {} is missing", dir.display(), FILES[0]);
            }
        }
        for path in if inside.is_empty() { vec![dir.clone()] } else { inside } {
            let instance = Instance::load(&path)?;
            if let Some(other) = seen.insert(instance.name.clone(), path.clone()) {
                bail!("{} and {} have the same name", other.display(), path.display());
            }
            instances.push(instance);
        }
    }
    Ok(instances)
}

/// Simulates all instances, largest first, one per core at a time. Outcomes are in input order; instances that had not
/// started when `stop` was set are missing. Each solution is written into `out`, if given, as soon as it is finished.
///
/// # Errors
/// A solution cannot be written. The run stops.
pub fn run_all(
    instances: Vec<Instance>,
    options: &DayOptions,
    out: Option<&Path>,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Result<Vec<Outcome>> {
    run_all_with(instances, options, out, stop, bar, &|_, instance, tick| {
        let mut shown = 0;
        simulate_observed(instance, options, 0, &mut |minute| {
            // Each simulated hour.
            if minute.now % 60 == 0 {
                tick((minute.placed - shown) as u64);
                shown = minute.placed;
            }
        })
    })
}

/// A function that simulates a day. Arguments: index of the instance, the instance, and a callback for progress that
/// takes the number of orders placed since its last call.
pub type SimulateDay<'p> = dyn Fn(usize, &Instance, &dyn Fn(u64)) -> DayResult + Sync + 'p;

/// As [`run_all`], with another simulation.
///
/// # Errors
/// A solution cannot be written. The run stops.
pub fn run_all_with(
    instances: Vec<Instance>,
    options: &DayOptions,
    out: Option<&Path>,
    stop: &AtomicBool,
    bar: &ProgressBar,
    simulate: &SimulateDay<'_>,
) -> Result<Vec<Outcome>> {
    let mut queue: Vec<usize> = (0..instances.len()).collect();
    queue.sort_by_key(|&n| std::cmp::Reverse(instances[n].orders.len()));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Evaluated>)>> = Mutex::new(Vec::new());
    bar.set_length(instances.iter().map(|i| i.orders.len() as u64).sum());
    let threads = thread::available_parallelism().map_or(1, usize::from).min(instances.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Some(&n) = queue.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    let instance = &instances[n];
                    let shown = Cell::new(0);
                    let tick = |orders: u64| {
                        shown.set(shown.get() + orders);
                        bar.inc(orders);
                    };
                    let evaluated = run_one(instance, options, out, || simulate(n, instance, &tick));
                    if evaluated.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((n, evaluated));
                    bar.inc((instance.orders.len() as u64).saturating_sub(shown.get()));
                    bar.set_message(format!("orders, {} of {} days; {}", done.len(), instances.len(), instance.name));
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(n, _)| *n);
    let mut instances: Vec<_> = instances.into_iter().map(Some).collect();
    let outcomes = done.into_iter().filter_map(|(n, evaluated)| Some((instances[n].take()?, evaluated)));
    outcomes
        .map(|(instance, evaluated)| {
            let Evaluated { day, metrics, violations } = evaluated?;
            Ok(Outcome { instance, day, metrics, violations })
        })
        .collect()
}

/// An [`Outcome`] without its instance.
struct Evaluated {
    day: DayResult,
    metrics: Metrics,
    violations: Vec<Violation>,
}

fn run_one(
    instance: &Instance,
    options: &DayOptions,
    out: Option<&Path>,
    simulate: impl FnOnce() -> DayResult,
) -> Result<Evaluated> {
    let begin = Instant::now();
    let mut day = simulate();
    let wall_s = begin.elapsed().as_secs_f64();
    let violations = check(instance, options, &day.solution);
    if violations.iter().any(|v| v.rule == Rule::Unknown) {
        // A solution with invalid indexes can be neither measured nor written.
        day.solution = Solution::default();
    }
    if let Some(out) = out {
        let dir = out.join(&instance.name);
        solution_files::write(&dir, instance, &day.solution)
            .with_context(|| format!("cannot write into {}", dir.display()))?;
    }
    let metrics = measure(instance, &day, wall_s);
    Ok(Evaluated { day, metrics, violations })
}

/// A progress bar that counts orders, on stderr and only when that is a terminal.
#[must_use]
pub fn progress() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}  {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests_dir(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/").join(path)
    }

    #[test]
    fn a_folder_of_instances_stands_for_the_instances_in_it() {
        let names = |dirs: &[PathBuf]| load(dirs).map(|all| all.into_iter().map(|i| i.name).collect::<Vec<_>>());
        assert_eq!(names(&[tests_dir("instances/harbour")]).unwrap(), ["harbour"]);
        assert!(names(&[tests_dir("instances")]).unwrap().contains(&"harbour".to_owned()));
        let error = names(&[tests_dir("instances"), tests_dir("instances/harbour")]).unwrap_err().to_string();
        assert!(error.ends_with("have the same name"), "{error}");
        let error = names(&["/nowhere".into()]).unwrap_err().to_string();
        assert_eq!(error, "/nowhere: cannot be read");
        let error = names(&[tests_dir("../docs")]).unwrap_err().to_string();
        assert!(error.ends_with("orders.txt is missing"), "{error}");
    }

    #[test]
    fn a_day_is_simulated_checked_and_written() {
        let out = std::env::temp_dir().join(format!("pannier-bench-{}", uuid::Uuid::now_v7()));
        let instances = load(&[tests_dir("instances/harbour")]).unwrap();
        let outcomes =
            run_all(instances, &DayOptions::default(), Some(&out), &AtomicBool::new(false), &progress()).unwrap();
        assert_eq!(outcomes.len(), 1);
        assert_eq!(outcomes[0].violations, []);
        // One of its twenty orders is ready only after all shifts have ended.
        assert_eq!(outcomes[0].metrics.delivered, 19.0);
        assert!(outcomes[0].metrics.gap >= 0.0);
        let orders = fs::read_to_string(out.join("harbour/solution_info_orders.txt")).unwrap();
        assert_eq!(orders.lines().count(), 20);
        fs::remove_dir_all(&out).unwrap();
    }
}
