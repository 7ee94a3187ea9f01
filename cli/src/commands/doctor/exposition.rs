//! What a process's metrics tell: its version, leases, consumers, and its pool.

use super::Finding;

pub(super) async fn look(http: &reqwest::Client, process: &str, url: &str) -> Vec<Finding> {
    match metrics(http, url).await {
        Ok(text) => read(process, &text),
        Err(_) => vec![Finding::bad(format!("{process} metrics"), "the admin port does not answer", "is it running?")],
    }
}

async fn metrics(http: &reqwest::Client, url: &str) -> reqwest::Result<String> {
    http.get(format!("{url}/metrics")).send().await?.error_for_status()?.text().await
}

fn read(process: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let version = series(text, "pannier_build_info").next().and_then(|(labels, _)| label(labels, "version"));
    let ours = env!("CARGO_PKG_VERSION");
    findings.push(match version {
        Some(version) if version == ours => Finding::ok(format!("{process} version"), version),
        Some(version) => Finding::warning(
            format!("{process} version"),
            format!("{version}, and this command is {ours}"),
            "restart it after a build; during an upgrade that is normal",
        ),
        None => Finding::unknown(format!("{process} version"), "it does not say"),
    });
    let free: Vec<String> = series(text, "pannier_lease_remaining_seconds")
        .filter(|(_, left)| *left < 0.0)
        .filter_map(|(labels, _)| label(labels, "lease"))
        .collect();
    let (what, leases) = (format!("{process} leases"), series(text, "pannier_lease_remaining_seconds").count());
    findings.push(if leases == 0 {
        Finding::unknown(what, "it shows none: its database cannot be read, or it has just started")
    } else if free.is_empty() {
        Finding::ok(what, format!("all {leases} have a holder"))
    } else {
        Finding::bad(what, format!("nobody holds {}", free.join(", ")), "runbook lease-without-holder")
    });
    if series(text, "pannier_gauges_read").any(|(_, read)| read < 1.0) {
        let seen = "cannot be read from the database";
        findings.push(Finding::bad(format!("{process} gauges"), seen, "runbook database-away"));
    }
    let alone: Vec<String> = series(text, "pannier_consumer_connected")
        .filter(|(_, connected)| *connected < 1.0)
        .filter_map(|(labels, _)| label(labels, "queue"))
        .collect();
    let (what, queues) = (format!("{process} consumers"), series(text, "pannier_consumer_connected").count());
    findings.push(if queues == 0 {
        Finding::unknown(what, "it shows none")
    } else if alone.is_empty() {
        Finding::ok(what, format!("consume all {queues} queues"))
    } else {
        Finding::bad(what, format!("do not consume {}", alone.join(", ")), "runbook consumer-missing")
    });
    let waiting: f64 = series(text, "db_client_connection_pending_requests").map(|(_, waiting)| waiting).sum();
    findings.push(if waiting < 1.0 {
        Finding::ok(format!("{process} connections"), "nobody waits for one")
    } else {
        Finding::warning(format!("{process} connections"), format!("{waiting} callers wait"), "runbook database-pool")
    });
    findings
}

/// The series of a metric: labels and value.
fn series<'a>(text: &'a str, metric: &'a str) -> impl Iterator<Item = (&'a str, f64)> + 'a {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(metric)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.split_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        Some((labels, value.trim().parse().ok()?))
    })
}

fn label(labels: &str, name: &str) -> Option<String> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_free_lease_and_a_lonely_queue_are_bad() {
        let text = format!(
            "pannier_build_info{{service=\"order-svc\",version=\"{}\"}} 1\n\
             pannier_lease_remaining_seconds{{lease=\"relay\",service=\"order-svc\"}} -4.5\n\
             pannier_lease_remaining_seconds{{lease=\"sweeper\",service=\"order-svc\"}} 8\n\
             pannier_consumer_connected{{queue=\"order.ticket\"}} 0\n\
             db_client_connection_pending_requests 0\n",
            env!("CARGO_PKG_VERSION")
        );
        let verdicts: Vec<_> = read("order-svc", &text).into_iter().map(|f| (f.verdict, f.seen)).collect();
        assert_eq!(
            verdicts,
            [
                (Verdict::Ok, env!("CARGO_PKG_VERSION").to_owned()),
                (Verdict::Bad, "nobody holds relay".to_owned()),
                (Verdict::Bad, "do not consume order.ticket".to_owned()),
                (Verdict::Ok, "nobody waits for one".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_not_shown_is_not_ok() {
        let findings = read("order-svc", "pannier_gauges_read 0\n");
        let verdict = |what: &str| findings.iter().find(|f| f.what.ends_with(what)).map(|f| f.verdict);
        assert_eq!(verdict("version"), Some(Verdict::Unknown));
        assert_eq!(verdict("leases"), Some(Verdict::Unknown));
        assert_eq!(verdict("gauges"), Some(Verdict::Bad));
        assert_eq!(verdict("consumers"), Some(Verdict::Unknown));
    }
}
