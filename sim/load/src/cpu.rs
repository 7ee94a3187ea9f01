//! CPU time and memory of processes with their children, from `/proc`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

/// Clock ticks per second in `/proc/*/stat`: 100 on Linux with the usual configuration.
const TICKS_PER_S: f64 = 100.0;

/// Processes that are counted together. The names are keys of the report.
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
    /// This process: bots and measuring.
    Clients,
}

impl Group {
    /// All groups, in the order of the report.
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

    /// Key in reports.
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

    /// The group of a process by its name in `pannier status`. Further instances (`order-svc-2`) are in the same group.
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

/// The root processes of a platform.
#[derive(Debug, Clone)]
pub struct Processes(Vec<(Group, u32)>);

/// The fields of `/proc/PID/stat` that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own_ticks: u64,
    /// CPU time of children that have ended.
    ended_children_ticks: u64,
}

impl Processes {
    /// Root process ids by their names in `pannier status`.
    #[must_use]
    pub fn new(started: &BTreeMap<String, u32>) -> Self {
        Self(started.iter().filter_map(|(name, pid)| Some((Group::of(name)?, *pid))).collect())
    }

    /// CPU time since the start of each process, milliseconds, with children.
    ///
    /// # Errors
    /// A process has ended.
    pub fn cpu_ms(&self) -> Result<ByGroup> {
        let stats = all_stats();
        let mut ticks: BTreeMap<Group, u64> = BTreeMap::new();
        for (group, root) in &self.0 {
            anyhow::ensure!(stats.contains_key(root), "a process of {} ended while it was measured", group.name());
            for pid in process_tree(&stats, *root) {
                let stat = stats[&pid];
                *ticks.entry(*group).or_default() += stat.own_ticks + stat.ended_children_ticks;
            }
        }
        // This process's children are the platform, which is counted above.
        let own = stats.get(&std::process::id()).context("/proc does not show this process")?;
        ticks.insert(Group::Clients, own.own_ticks);
        Ok(ticks.into_iter().map(|(group, ticks)| (group, ticks as f64 * 1_000.0 / TICKS_PER_S)).collect())
    }

    /// Resident memory, megabytes. PostgreSQL's processes share memory, so they are counted by proportional set size.
    #[must_use]
    pub fn rss_mb(&self) -> ByGroup {
        let stats = all_stats();
        let mut kb: BTreeMap<Group, u64> = BTreeMap::new();
        for (group, root) in &self.0 {
            for pid in process_tree(&stats, *root) {
                let proportional = (*group == Group::Postgres).then(|| field_kb(pid, "smaps_rollup", "Pss:")).flatten();
                *kb.entry(*group).or_default() +=
                    proportional.or_else(|| field_kb(pid, "status", "VmRSS:")).unwrap_or_default();
            }
        }
        kb.insert(Group::Clients, field_kb(std::process::id(), "status", "VmRSS:").unwrap_or_default());
        kb.into_iter().map(|(group, kb)| (group, kb as f64 / 1_024.0)).collect()
    }
}

/// CPU time of the whole machine since it started, milliseconds.
///
/// # Errors
/// Not a Linux system.
pub fn machine_ms() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat").context("/proc/stat cannot be read")?;
    parse_machine(&text)
        .map(|ticks| ticks as f64 * 1_000.0 / TICKS_PER_S)
        .context("/proc/stat has no line for all CPUs")
}

/// User, nice, system, interrupts and steal; without idle and I/O wait.
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
    // The command name is in brackets and may contain any bytes, so fields are counted from the last bracket.
    let fields: Vec<&str> = line[line.rfind(')')? + 1..].split_whitespace().collect();
    let number = |n: usize| fields.get(n)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own_ticks: number(11)? + number(12)?,
        ended_children_ticks: number(13)? + number(14)?,
    })
}

/// A process and all its descendants.
fn process_tree(stats: &BTreeMap<u32, Stat>, root: u32) -> Vec<u32> {
    let mut tree = vec![root];
    let mut visited = 0;
    while visited < tree.len() {
        let parent = tree[visited];
        tree.extend(stats.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        visited += 1;
    }
    tree.retain(|pid| stats.contains_key(pid));
    tree
}

fn field_kb(pid: u32, file: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_parsed_after_any_command_name() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 3 0 12345 1000 200";
        assert_eq!(parse_stat(line), Some(Stat { parent: 7, own_ticks: 33, ended_children_ticks: 77 }));
    }

    #[test]
    fn idle_and_io_wait_are_not_cpu_time() {
        let text = "cpu  1 2 4 1000 2000 8 16 32 64 64\ncpu0 9 9 9 9 9 9 9 9 9 9\n";
        assert_eq!(parse_machine(text), Some(63));
    }

    #[test]
    fn a_process_tree_has_all_descendants() {
        let stat = |parent| Stat { parent, own_ticks: 0, ended_children_ticks: 0 };
        let stats = [(1, 0), (2, 1), (3, 2), (4, 3), (5, 1)].map(|(pid, parent)| (pid, stat(parent)));
        assert_eq!(process_tree(&stats.into(), 2), [2, 3, 4]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn cpu_time_of_this_process_grows() {
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
