//! Many instances on all cores.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{fs, thread};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::check::{Violation, check};
use super::day;
use super::files;
use super::metrics::{Metrics, measure};
use super::solution::{Day, DayOptions};
use pannier_instance::Instance;

/// An instance and what came out of it.
#[derive(Debug)]
pub struct Outcome {
    /// The instance.
    pub instance: Instance,
    /// How its day went.
    pub day: Day,
    /// What that was worth.
    pub metrics: Metrics,
    /// What was wrong with it: must be empty.
    pub violations: Vec<Violation>,
}

/// The files of which an instance has all; a folder with one of them is meant to be one.
const FILES: [&str; 4] = ["orders.txt", "couriers.txt", "restaurants.txt", "instance_parameters.txt"];

/// Reads all instances. A folder that is none itself stands for the instances in it, by name.
///
/// # Errors
/// The first thing that is wrong with any of them, with file and line; no instance, or two of one name.
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

/// Works every instance, biggest first, one per core at a time. The outcomes come in the order of the instances;
/// fewer than all when `stop` was set meanwhile. With a folder, each solution is written into it at once.
///
/// # Errors
/// A solution cannot be written.
pub fn work(
    instances: Vec<Instance>,
    options: &DayOptions,
    out: Option<&Path>,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Result<Vec<Outcome>> {
    work_by(instances, options, out, stop, bar, &|_, instance, tick| {
        let mut told = 0;
        day::run_seen(instance, options, 0, &mut |seen| {
            // Once an hour is often enough for a person.
            if seen.now % 60 == 0 {
                tick((seen.placed - told) as u64);
                told = seen.placed;
            }
        })
    })
}

/// A way to play a day: the number of the instance, the instance, and whom to tell about orders placed meanwhile.
pub type Play<'p> = dyn Fn(usize, &Instance, &dyn Fn(u64)) -> Day + Sync + 'p;

/// The same with another way to play a day, given by its number, its instance, and whom to tell about orders that have
/// been placed meanwhile.
///
/// # Errors
/// A solution cannot be written.
pub fn work_by(
    instances: Vec<Instance>,
    options: &DayOptions,
    out: Option<&Path>,
    stop: &AtomicBool,
    bar: &ProgressBar,
    play: &Play<'_>,
) -> Result<Vec<Outcome>> {
    let mut queue: Vec<usize> = (0..instances.len()).collect();
    queue.sort_by_key(|&n| std::cmp::Reverse(instances[n].orders.len()));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Worked>)>> = Mutex::new(Vec::new());
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
                    let worked = one(instance, options, out, || play(n, instance, &tick));
                    if worked.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((n, worked));
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
    let outcomes = done.into_iter().filter_map(|(n, worked)| Some((instances[n].take()?, worked)));
    outcomes
        .map(|(instance, worked)| {
            let Worked { day, metrics, violations } = worked?;
            Ok(Outcome { instance, day, metrics, violations })
        })
        .collect()
}

struct Worked {
    day: Day,
    metrics: Metrics,
    violations: Vec<Violation>,
}

fn one(instance: &Instance, options: &DayOptions, out: Option<&Path>, play: impl FnOnce() -> Day) -> Result<Worked> {
    let begin = Instant::now();
    let mut day = play();
    let wall_s = begin.elapsed().as_secs_f64();
    let violations = check(instance, options, &day.solution);
    if violations.iter().any(|v| v.rule == super::check::Rule::Unknown) {
        // Nothing can be measured or written when not even the names are right.
        day.solution = super::solution::Solution::default();
    }
    if let Some(out) = out {
        let dir = out.join(&instance.name);
        files::write(&dir, instance, &day.solution).with_context(|| format!("cannot write into {}", dir.display()))?;
    }
    let metrics = measure(instance, &day, wall_s);
    Ok(Worked { day, metrics, violations })
}

/// Shows how far the work is: on stderr, and only to a person. It counts orders, because days differ in size.
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

    fn carried(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/").join(path)
    }

    #[test]
    fn a_folder_of_instances_stands_for_them() {
        let names = |dirs: &[PathBuf]| load(dirs).map(|all| all.into_iter().map(|i| i.name).collect::<Vec<_>>());
        assert_eq!(names(&[carried("instances/harbour")]).unwrap(), ["harbour"]);
        assert!(names(&[carried("instances")]).unwrap().contains(&"harbour".to_owned()));
        let error = names(&[carried("instances"), carried("instances/harbour")]).unwrap_err().to_string();
        assert!(error.ends_with("have the same name"), "{error}");
        let error = names(&["/nowhere".into()]).unwrap_err().to_string();
        assert_eq!(error, "/nowhere: cannot be read");
        let error = names(&[carried("../docs")]).unwrap_err().to_string();
        assert!(error.ends_with("orders.txt is missing"), "{error}");
    }

    #[test]
    fn a_day_is_worked_checked_and_written() {
        let out = std::env::temp_dir().join(format!("pannier-bench-{}", uuid::Uuid::now_v7()));
        let instances = load(&[carried("instances/harbour")]).unwrap();
        let outcomes =
            work(instances, &DayOptions::default(), Some(&out), &AtomicBool::new(false), &progress()).unwrap();
        assert_eq!(outcomes.len(), 1);
        assert_eq!(outcomes[0].violations, []);
        // One of its twenty is ready when everybody has gone home.
        assert_eq!(outcomes[0].metrics.delivered, 19.0);
        assert!(outcomes[0].metrics.gap >= 0.0);
        let orders = fs::read_to_string(out.join("harbour/solution_info_orders.txt")).unwrap();
        assert_eq!(orders.lines().count(), 20);
        fs::remove_dir_all(&out).unwrap();
    }
}
