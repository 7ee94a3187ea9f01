//! The ports of a platform: whether anybody else listens on one.

use std::collections::HashSet;

use listeners::{Protocol, SocketState};
use pannier_devenv::data_dir::{DataDir, State};
use pannier_devenv::process::owned_by;
use pannier_devenv::servers;

use super::Finding;

const MEND: &str = "end that process, or `pannier down` and `pannier up`, which then takes another port";

pub(super) fn look(data: &DataDir, state: &State) -> Finding {
    let ours = our_processes(data, state);
    // A server that `up` was told to use listens rightly, and is not ours.
    let is_given = |name: &str| servers::NAMES.contains(&name) && !state.processes.contains_key(name);
    let urls = state.urls.iter().filter(|(name, _)| !is_given(name));
    let ports: Vec<(&str, u16)> = urls.filter_map(|(name, url)| Some((name.as_str(), port(url)?))).collect();
    let Ok(sockets) = listeners::get_all() else {
        return Finding::unknown("ports", "the system does not say who listens");
    };
    let strangers = sockets.into_iter().filter(|by| {
        by.protocol == Protocol::TCP && by.state == SocketState::Listen && !ours.contains(&by.process.pid)
    });
    let taken: Vec<String> = strangers
        .filter_map(|by| {
            let (name, port) = ports.iter().find(|(_, port)| *port == by.socket.port())?;
            Some(format!("{port} of {name} by {} (pid {})", by.process.name, by.process.pid))
        })
        .collect();
    if taken.is_empty() {
        Finding::ok("ports", format!("{} ports, and nobody else listens there", ports.len()))
    } else {
        Finding::bad("ports", format!("taken: {}", taken.join(", ")), MEND)
    }
}

/// `up` itself, what it started, and what that started.
fn our_processes(data: &DataDir, state: &State) -> HashSet<u32> {
    let started = state.up.iter().chain(state.processes.values()).map(|process| process.pid);
    started.chain(owned_by(data.root()).into_iter().map(|process| process.pid)).collect()
}

/// The port of a URL on this machine.
fn port(url: &str) -> Option<u16> {
    let url = reqwest::Url::parse(url).ok()?;
    if url.host_str() != Some("127.0.0.1") { None } else { url.port() }
}
