//! What the operating system knows about processes: CPU time and memory, with their children.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

/// Clock ticks per second in `/proc/*/stat`: 100 on every Linux that is built as usual.
const TICKS_PER_S: f64 = 100.0;

/// Whose CPU time is counted together. The names are the keys of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// order-svc.
    OrderSvc,
    /// merchant-svc.
    MerchantSvc,
    /// dispatch-svc.
    DispatchSvc,
    /// The test payment gateway.
    Gateway,
    /// PostgreSQL with its backends.
    Postgres,
    /// RabbitMQ with its port mapper.
    RabbitMq,
    /// Redis.
    Redis,
    /// The bots and the measuring: this process.
    Clients,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::OrderSvc,
        Self::MerchantSvc,
        Self::DispatchSvc,
        Self::Gateway,
        Self::Postgres,
        Self::RabbitMq,
        Self::Redis,
        Self::Clients,
    ];

    /// In reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrderSvc => "order_svc",
            Self::MerchantSvc => "merchant_svc",
            Self::DispatchSvc => "dispatch_svc",
            Self::Gateway => "gateway",
            Self::Postgres => "postgres",
            Self::RabbitMq => "rabbitmq",
            Self::Redis => "redis",
            Self::Clients => "clients",
        }
    }

    /// The group of a process, by its name in `pannier status`. Two instances of a service (`order-svc-2`) count as one.
    #[must_use]
    pub fn of(process: &str) -> Option<Self> {
        let starts = [
            ("order-svc", Self::OrderSvc),
            ("merchant-svc", Self::MerchantSvc),
            ("dispatch-svc", Self::DispatchSvc),
            ("gateway", Self::Gateway),
            ("postgres", Self::Postgres),
            ("rabbitmq", Self::RabbitMq),
            ("epmd", Self::RabbitMq),
            ("redis", Self::Redis),
        ];
        starts.into_iter().find(|(start, _)| process.starts_with(start)).map(|(_, group)| group)
    }
}

/// A figure for each group.
pub type ByGroup = BTreeMap<Group, f64>;

/// The processes of a platform.
#[derive(Debug, Clone)]
pub struct Processes(Vec<(Group, u32)>);

/// One line of `/proc/PID/stat`, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own_ticks: u64,
    /// Of children that ended and were waited for.
    ended_children_ticks: u64,
}

impl Processes {
    /// Of the processes that a platform started, by name.
    #[must_use]
    pub fn new(started: &BTreeMap<String, u32>) -> Self {
        Self(started.iter().filter_map(|(name, pid)| Some((Group::of(name)?, *pid))).collect())
    }

    /// CPU time since each process started, milliseconds, children included.
    ///
    /// # Errors
    /// One of them is gone.
    pub fn cpu_ms(&self) -> Result<ByGroup> {
        let stats = all_stats();
        let mut ticks: BTreeMap<Group, u64> = BTreeMap::new();
        for (group, root) in &self.0 {
            anyhow::ensure!(stats.contains_key(root), "a process of {} ended while it was measured", group.name());
            for pid in family(&stats, *root) {
                let stat = stats[&pid];
                *ticks.entry(*group).or_default() += stat.own_ticks + stat.ended_children_ticks;
            }
        }
        // Our own children are the platform: they are counted above, and those that ended are not ours.
        let own = stats.get(&std::process::id()).context("/proc does not show this process")?;
        ticks.insert(Group::Clients, own.own_ticks);
        Ok(ticks.into_iter().map(|(group, ticks)| (group, ticks as f64 * 1_000.0 / TICKS_PER_S)).collect())
    }

    /// Memory in use, megabytes. PostgreSQL's processes share most of theirs, so each counts its part of that.
    #[must_use]
    pub fn rss_mb(&self) -> ByGroup {
        let stats = all_stats();
        let mut kb: BTreeMap<Group, u64> = BTreeMap::new();
        for (group, root) in &self.0 {
            for pid in family(&stats, *root) {
                let shared_fairly =
                    (*group == Group::Postgres).then(|| field_kb(pid, "smaps_rollup", "Pss:")).flatten();
                *kb.entry(*group).or_default() +=
                    shared_fairly.or_else(|| field_kb(pid, "status", "VmRSS:")).unwrap_or_default();
            }
        }
        kb.insert(Group::Clients, field_kb(std::process::id(), "status", "VmRSS:").unwrap_or_default());
        kb.into_iter().map(|(group, kb)| (group, kb as f64 / 1_024.0)).collect()
    }
}

/// CPU time of everything on the machine since it started, milliseconds: also what we have nothing to do with.
///
/// # Errors
/// This is no Linux.
pub fn machine_ms() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat").context("/proc/stat cannot be read")?;
    parse_machine(&text)
        .map(|ticks| ticks as f64 * 1_000.0 / TICKS_PER_S)
        .context("/proc/stat has no line for all CPUs")
}

/// User, nice, system, interrupts and what a hypervisor took; not idle and not waiting for a disk.
fn parse_machine(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    Some([0, 1, 2, 5, 6, 7].into_iter().filter_map(|n| ticks.get(n)).sum())
}

fn all_stats() -> BTreeMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

fn parse_stat(line: &str) -> Option<Stat> {
    // The command name is in brackets and may hold anything, so fields are counted from the last bracket.
    let fields: Vec<&str> = line[line.rfind(')')? + 1..].split_whitespace().collect();
    let number = |n: usize| fields.get(n)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own_ticks: number(11)? + number(12)?,
        ended_children_ticks: number(13)? + number(14)?,
    })
}

/// A process and everything under it.
fn family(stats: &BTreeMap<u32, Stat>, root: u32) -> Vec<u32> {
    let mut family = vec![root];
    let mut looked = 0;
    while looked < family.len() {
        let parent = family[looked];
        family.extend(stats.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        looked += 1;
    }
    family.retain(|pid| stats.contains_key(pid));
    family
}

fn field_kb(pid: u32, file: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_behind_any_name() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 3 0 12345 1000 200";
        assert_eq!(parse_stat(line), Some(Stat { parent: 7, own_ticks: 33, ended_children_ticks: 77 }));
    }

    #[test]
    fn the_machine_is_busy_when_it_is_not_idle() {
        let text = "cpu  1 2 4 1000 2000 8 16 32 64 64\ncpu0 9 9 9 9 9 9 9 9 9 9\n";
        assert_eq!(parse_machine(text), Some(63));
    }

    #[test]
    fn a_family_is_everything_under_its_root() {
        let stat = |parent| Stat { parent, own_ticks: 0, ended_children_ticks: 0 };
        let stats = [(1, 0), (2, 1), (3, 2), (4, 3), (5, 1)].map(|(pid, parent)| (pid, stat(parent)));
        assert_eq!(family(&stats.into(), 2), [2, 3, 4]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn work_is_counted() {
        let processes = Processes::new(&[("gateway".to_owned(), std::process::id())].into());
        let before = processes.cpu_ms().expect("we run")[&Group::Gateway];
        let mut sum = 0_u64;
        while processes.cpu_ms().expect("we run")[&Group::Gateway] < before + 30.0 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(processes.rss_mb()[&Group::Gateway] > 1.0);
    }

    #[test]
    fn instances_of_a_service_are_one_group() {
        assert_eq!(Group::of("order-svc-2"), Some(Group::OrderSvc));
        assert_eq!(Group::of("epmd"), Some(Group::RabbitMq));
        assert_eq!(Group::of("demo"), None);
    }
}
