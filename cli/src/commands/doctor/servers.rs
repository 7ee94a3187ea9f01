//! The servers and the machine of a data folder: versions, schemas, clock, broker, Redis, disk.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Text, Timestamptz};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use pannier_devenv::data_dir::{DataDir, State};
use pannier_devenv::servers::server::Server;
use pannier_devenv::servers::{find, rabbitmq, redis};
use pannier_devenv::ui::Ui;
use pannier_migrations::Plan;
use pannier_platform::Tls;

use super::{Finding, PATIENCE};

/// With less free space than this, bytes, it is time to look. PostgreSQL ends when there is none.
const LOW_DISK: u64 = 5 << 30;
/// With less than this the broker is about to stop accepting events.
const NO_DISK: u64 = 4 * rabbitmq::DISK_FREE_LIMIT_BYTES;

pub(super) async fn look(data: &DataDir, state: &State) -> Vec<Finding> {
    let url = |name: &str| state.urls.get(name).map(String::as_str);
    let (database, broker, positions) =
        tokio::join!(postgres(url("postgres")), rabbitmq(url("rabbitmq"), data, state), redis(url("redis")));
    database.into_iter().chain(broker).chain([positions, disk(data)]).collect()
}

/// A server of which no address is known yet.
fn not_started(server: &str) -> Finding {
    Finding::bad(server, "not started yet", "`up` fetches or starts it now, and says so")
}

async fn postgres(url: Option<&str>) -> Vec<Finding> {
    let (what, log) = ("PostgreSQL", "its log is log/postgres.log");
    let Some(url) = url else { return vec![not_started(what)] };
    match tokio::time::timeout(PATIENCE, database(url)).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) => vec![Finding::bad(what, format!("{error:#}"), log)],
        Err(_) => vec![Finding::bad(what, "no answer in four seconds", log)],
    }
}

async fn redis(url: Option<&str>) -> Finding {
    let what = "Redis";
    let Some(url) = url else { return not_started(what) };
    match tokio::time::timeout(PATIENCE, redis::version(url)).await {
        Ok(Some(version)) => Finding::ok(what, format!("answers; version {version}")),
        _ => Finding::bad(what, "does not answer", "positions are ten seconds old meanwhile; log/redis.log"),
    }
}

async fn rabbitmq(url: Option<&str>, data: &DataDir, state: &State) -> Vec<Finding> {
    let what = "RabbitMQ";
    let Some(url) = url else { return vec![not_started(what)] };
    // Its programs start an Erlang virtual machine, which takes seconds.
    let inside = tokio::time::timeout(PATIENCE * 4, node(data, state));
    let (answers, inside) = tokio::join!(tokio::time::timeout(PATIENCE, rabbitmq::answers(url)), inside);
    let Ok(true) = answers else {
        let mend = "events wait, nothing is lost; its log is log/rabbitmq.log";
        return vec![Finding::bad(what, "does not answer", mend)];
    };
    let policies = "RabbitMQ policies";
    match inside {
        Ok(Ok(node)) => {
            // The services declare their queues with all that these need. A policy would change that behind their back.
            let odd = node.oddities.join("; ");
            let policies = match odd.as_str() {
                "" => Finding::ok(policies, "none; all queues are quorum queues"),
                _ => Finding::warning(policies, odd, "remove what Pannier did not declare"),
            };
            vec![Finding::ok(what, format!("answers; version {}", node.version)), policies]
        }
        Ok(Err(why)) => vec![Finding::ok(what, "answers"), Finding::unknown(policies, why)],
        Err(_) => vec![Finding::ok(what, "answers"), Finding::unknown(policies, "it says nothing")],
    }
}

async fn node(data: &DataDir, state: &State) -> Result<rabbitmq::NodeState, &'static str> {
    let node = state.processes.get("rabbitmq").ok_or("the broker is not ours")?.pid;
    let root = data.root().to_owned();
    let located =
        tokio::task::spawn_blocking(move || find::locate(&[Server::RabbitMq], &DataDir::at(&root), &Ui::new()));
    let tools = located.await.ok().and_then(Result::ok).ok_or("its programs were not found")?;
    let tool = tools.as_slice().first().ok_or("its programs were not found")?;
    rabbitmq::node_state(tool, node).await.ok_or("it cannot be asked")
}

#[derive(QueryableByName)]
struct PostgresServer {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

async fn database(url: &str) -> anyhow::Result<Vec<Finding>> {
    let mut conn = AsyncPgConnection::establish(url).await?;
    let server: PostgresServer =
        diesel::sql_query("SELECT current_setting('server_version') AS version, clock_timestamp() AS now")
            .get_result(&mut conn)
            .await?;
    let skew = (Utc::now() - server.now).num_milliseconds().abs();
    let mut findings = vec![Finding::ok("PostgreSQL", format!("answers; version {}", server.version))];
    findings.push(if skew < 1_000 {
        Finding::ok("PostgreSQL clock", format!("differs by {skew} ms"))
    } else {
        Finding::bad("PostgreSQL clock", format!("differs by {skew} ms"), "synchronise the clocks (NTP)")
    });
    let plans = pannier_migrations::plan(url, &Tls::default()).await?;
    findings.extend(plans.iter().map(schema));
    Ok(findings)
}

fn schema(plan: &Plan) -> Finding {
    let what = format!("schema {}", plan.schema);
    let last = plan.applied.as_ref().and_then(|applied| applied.last());
    let at = last.map_or_else(|| "no migration was applied".to_owned(), |last| format!("at {last}"));
    if let Some(next) = plan.pending.last() {
        Finding::bad(what, format!("{at}, this version needs {next}"), "pannier migrate")
    } else if plan.unknown.is_empty() {
        Finding::ok(what, at)
    } else {
        Finding::warning(what, format!("{at}, which this version does not know"), "deploy the version that migrated it")
    }
}

fn disk(data: &DataDir) -> Finding {
    let Ok(space) = rustix::fs::statvfs(data.root()) else {
        return Finding::unknown("disk", format!("{} cannot be asked", data.root().display()));
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let seen = format!("{:.1} GB are free in {}", free as f64 / f64::from(1 << 30), data.root().display());
    match free {
        free if free < NO_DISK => Finding::bad("disk", seen, "free some: below 0.1 GB the broker accepts no events"),
        free if free < LOW_DISK => Finding::warning("disk", seen, "free some soon"),
        _ => Finding::ok("disk", seen),
    }
}
