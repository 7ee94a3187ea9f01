//! What the process itself uses: `prometheus` reads it, the names are those of the semantic conventions.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

/// The name in `prometheus`, and the name that we give it.
#[cfg(target_os = "linux")]
const NAMES: [(&str, &str); 4] = [
    ("process_cpu_seconds_total", "process_cpu_time_seconds_total"),
    ("process_resident_memory_bytes", "process_memory_usage_bytes"),
    ("process_open_fds", "process_open_file_descriptors"),
    ("process_start_time_seconds", "process_start_time_seconds"),
];

/// CPU time, memory and open files of this process. Only Linux tells them; elsewhere there are none.
#[derive(Debug, Clone)]
pub(super) struct Process;

impl Process {
    pub(super) fn new() -> Self {
        Self
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    #[cfg(target_os = "linux")]
    fn collect(&self) -> Vec<MetricFamily> {
        let read = prometheus::process_collector::ProcessCollector::for_self().collect();
        let renamed = read.into_iter().filter_map(|mut family| {
            let (_, name) = NAMES.into_iter().find(|(theirs, _)| *theirs == family.name())?;
            family.set_name(name.to_owned());
            Some(family)
        });
        renamed.collect()
    }

    #[cfg(not(target_os = "linux"))]
    fn collect(&self) -> Vec<MetricFamily> {
        Vec::new()
    }
}
