//! `pannier status`: what runs here, where, under which pid; or which services of another platform are ready.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::table::{Output, json as pretty, rows, table};
use pannier_devenv::data_dir::{DataDir, State};
use pannier_devenv::process::ProcessId;
use pannier_devenv::ui;

/// Prints the state of a data folder.
///
/// # Errors
/// Nothing runs there: status 3.
pub fn local(data: &Path, output: Output) -> Result<()> {
    let data = DataDir::at(data);
    let state = data.state();
    let is_up = state.up.as_ref().is_some_and(ProcessId::is_alive);
    match output {
        Output::Json => ui::answer(&pretty(&document(&data, &state, is_up))),
        Output::Table if is_up => ui::answer(&as_table(&data, &state)),
        Output::Table => ui::error(&format!("nothing runs in {}", data.root().display())),
    }
    if is_up { Ok(()) } else { Err(Failure::Silent(3).into()) }
}

/// Asks the services of a platform whether they are ready.
///
/// # Errors
/// One is not, or does not answer: status 3.
pub async fn remote(client: &Client, output: Output) -> Result<()> {
    let all = client.get_all("/readyz?verbose=true").await;
    let records: Vec<Value> = all
        .answers
        .iter()
        .map(|(service, health)| {
            let url = client.url(*service);
            json!({ "service": service.name(), "status": health["status"], "checks": health["checks"], "url": url })
        })
        .collect();
    all.print(output, &records, |records| {
        let fields = ["/service", "/status", "/checks/database", "/checks/broker", "/url"];
        table(&["SERVICE", "STATUS", "DATABASE", "BROKER", "URL"], &rows(records, &fields))
    })
}

/// The JSON form, which `--target` reads. Its URLs contain passwords: keep it as secret as a key.
fn document(data: &DataDir, state: &State, is_up: bool) -> Value {
    let pids: serde_json::Map<String, Value> = state
        .processes
        .iter()
        .filter(|(_, id)| id.is_alive())
        .map(|(name, id)| (name.clone(), id.pid.into()))
        .collect();
    json!({
        "data_dir": data.root(),
        "running": is_up,
        "ready": is_up && state.ready,
        "pid": state.up.as_ref().filter(|_| is_up).map(|up| up.pid),
        "urls": if is_up { json!(state.urls) } else { json!({}) },
        "pids": pids,
    })
}

fn as_table(data: &DataDir, state: &State) -> String {
    let mut names: Vec<&String> = state.urls.keys().chain(state.processes.keys()).collect();
    names.sort();
    names.dedup();
    let rows: Vec<Vec<String>> = names
        .into_iter()
        .map(|name| {
            let process = state.processes.get(name);
            let pid = match process {
                Some(id) if id.is_alive() => id.pid.to_string(),
                Some(_) => "restarting".to_owned(),
                None if state.processes.contains_key(&format!("{name}-1")) => "its instances".to_owned(),
                None => "not ours".to_owned(),
            };
            vec![name.clone(), pid, state.urls.get(name).map_or_else(|| "-".to_owned(), |url| masked(url))]
        })
        .collect();
    let what = if state.ready { "running" } else { "starting" };
    format!("{what} in {}\n\n{}", data.root().display(), table(&["NAME", "PID", "URL"], &rows))
}

/// A URL without its password.
pub fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((login, place)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = login.split(':').next().unwrap_or("");
    format!("{scheme}://{user}:***@{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked() {
        for (url, shown) in [
            ("http://127.0.0.1:80", "http://127.0.0.1:80"),
            ("postgres://a:b@h:1/d", "postgres://a:***@h:1/d"),
            ("redis://:b@h:1/", "redis://:***@h:1/"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}
