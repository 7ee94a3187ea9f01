//! `pannier doctor`: looks at everything that a platform needs, with a verdict each and what to do. It is for the moment when
//! half of it is down: every look has a time limit, and one that fails is a verdict.

mod exposition;
mod ports;
mod servers;
mod services;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use pannier_client::Service;
use pannier_devenv::data_dir::DataDir;
use pannier_devenv::ui;
use serde_json::json;

use crate::client::Client;
use crate::failure::Failure;
use crate::table::{Output, json as pretty, table};
use crate::target::TargetArgs;

/// The longest that one look may take. A service asks its database and its broker before it answers.
const PATIENCE: Duration = Duration::from_secs(4);

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// It works, and will not for ever.
    Warning,
    Bad,
    /// It cannot be seen from here.
    Unknown,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }
}

/// One look: at what, what was seen, and what to do about it.
#[derive(Debug)]
struct Finding {
    what: String,
    verdict: Verdict,
    seen: String,
    mend: &'static str,
}

impl Finding {
    fn ok(what: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Ok, seen: seen.into(), mend: "" }
    }

    fn bad(what: impl Into<String>, seen: impl Into<String>, mend: &'static str) -> Self {
        Self { what: what.into(), verdict: Verdict::Bad, seen: seen.into(), mend }
    }

    fn warning(what: impl Into<String>, seen: impl Into<String>, mend: &'static str) -> Self {
        Self { what: what.into(), verdict: Verdict::Warning, seen: seen.into(), mend }
    }

    fn unknown(what: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Unknown, seen: seen.into(), mend: "" }
    }
}

/// Looks at a platform and prints what was found.
///
/// # Errors
/// Status 1 when something is bad, 3 when nothing runs there.
pub async fn run(data: &Path, target: &TargetArgs, output: Output) -> Result<()> {
    // Read once, and before the checks: `up` may end while they run.
    let state = DataDir::at(data).state();
    let resolved = target.resolve(data)?;
    let http = resolved.tls.http().timeout(PATIENCE).build()?;
    let client = Client::new(resolved)?;
    let mut findings = Vec::new();
    let looks = Service::ALL.map(|service| services::look(&http, &client, service));
    findings.extend(join_all(looks).await.into_iter().flatten());
    if target.is_given() {
        let here = "servers, disk and metrics are seen only on the platform's own machine or in its monitoring";
        findings.push(Finding::unknown("machine", here));
    } else {
        let data = DataDir::at(data);
        if !state.ready {
            let seen = "`up` is still starting, and says what it waits for";
            findings.push(Finding::warning("platform", seen, "look again when it is up"));
        }
        findings.push(ports::look(&data, &state));
        let admin = state.urls.iter().filter(|(name, _)| name.ends_with("-admin"));
        let looks = admin.map(|(name, url)| exposition::look(&http, name.trim_end_matches("-admin"), url));
        findings.extend(join_all(looks).await.into_iter().flatten());
        findings.extend(servers::look(&data, &state).await);
    }
    print(&findings, output);
    let is_bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    if is_bad { Err(Failure::Silent(1).into()) } else { Ok(()) }
}

fn print(findings: &[Finding], output: Output) {
    if output == Output::Json {
        let all = findings
            .iter()
            .map(|f| json!({"what": f.what, "verdict": f.verdict.word(), "seen": f.seen, "mend": f.mend}));
        ui::answer(&pretty(&json!({ "data": all.collect::<Vec<_>>() })));
        return;
    }
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|f| vec![f.verdict.word().to_owned(), f.what.clone(), f.seen.clone(), f.mend.to_owned()])
        .collect();
    let of = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let sum = format!(
        "{} ok, {} warnings, {} bad, {} unknown",
        of(Verdict::Ok),
        of(Verdict::Warning),
        of(Verdict::Bad),
        of(Verdict::Unknown)
    );
    ui::answer(&format!("{}\n\n{sum}", table(&["VERDICT", "WHAT", "SEEN", "WHAT TO DO"], &rows)));
}
