//! Prometheus, with our rules, for `up --observe`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use pannier_platform::Tls;
use serde_json::json;

use super::tool::Tool;
use crate::data_dir::DataDir;
use crate::process::Signal;
use crate::supervisor::{Spec, Supervisor};

/// Its name in `status`.
pub const NAME: &str = "prometheus";
/// The rules, in the project.
const RULES: &str = "k8s/monitoring/rules/pannier.rules.yaml";

/// Starts it and waits until it is ready. `targets` are processes with the addresses of their admin ports. Returns its URL.
///
/// # Errors
/// The rules are not where the project is, or it does not start.
pub(crate) async fn start(
    supervisor: &Supervisor,
    data: &DataDir,
    tool: &Tool,
    targets: &[(String, String)],
) -> Result<String> {
    let dir = data.path(NAME);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let rules = rules()?;
    let configuration = dir.join("prometheus.json");
    // JSON is YAML, too.
    std::fs::write(&configuration, configuration_of(&rules, targets).to_string())?;
    let address = format!("127.0.0.1:{}", data.port(NAME)?);
    let mut spec = Spec::new(NAME, tool.program(), &dir).args([
        format!("--config.file={}", configuration.display()),
        format!("--storage.tsdb.path={}", dir.join("data").display()),
        "--storage.tsdb.retention.time=7d".to_owned(),
        format!("--web.listen-address={address}"),
        "--log.level=warn".to_owned(),
    ]);
    spec.env = tool.env();
    spec.stop = vec![(Signal::TERM, Duration::from_secs(5))];
    let url = format!("http://{address}");
    let client = Tls::default().http().build()?;
    let ready = format!("{url}/-/ready");
    let probe = async || client.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success());
    supervisor.keep(spec)?.ready(Duration::from_secs(60), probe).await?;
    Ok(url)
}

fn rules() -> Result<PathBuf> {
    let root =
        std::env::var_os("PANNIER_ROOT").filter(|root| !root.is_empty()).map_or_else(|| ".".into(), PathBuf::from);
    let rules = root.join(RULES);
    std::fs::canonicalize(&rules)
        .with_context(|| format!("{} is missing: start from the project, or set PANNIER_ROOT", rules.display()))
}

/// The job of a process is its service: `order-svc` of `order-svc-2`.
fn configuration_of(rules: &Path, targets: &[(String, String)]) -> serde_json::Value {
    let jobs = ["order-svc", "merchant-svc", "dispatch-svc"].map(|service| {
        let of_service: Vec<&String> =
            targets.iter().filter(|(process, _)| process.starts_with(service)).map(|(_, address)| address).collect();
        json!({"job_name": service, "static_configs": [{"targets": of_service}]})
    });
    json!({
        "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
        "rule_files": [rules],
        "scrape_configs": jobs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_of_a_service_are_one_job() {
        let targets = ["order-svc-1", "order-svc-2", "dispatch-svc-1"].map(|p| (p.to_owned(), format!("{p}:1")));
        let configuration = configuration_of(Path::new("/rules.yaml"), &targets);
        let jobs = &configuration["scrape_configs"];
        assert_eq!(jobs[0]["static_configs"][0]["targets"], json!(["order-svc-1:1", "order-svc-2:1"]));
        assert_eq!(jobs[2]["static_configs"][0]["targets"], json!(["dispatch-svc-1:1"]));
        assert_eq!(configuration["rule_files"], json!(["/rules.yaml"]));
    }
}
