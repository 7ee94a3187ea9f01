//! The servers and the machine of a data folder: versions, schemas, clock, broker, Redis, disk.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Text, Timestamptz};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use pannier_devenv::data_dir::{DataDir, State};
use pannier_devenv::servers::server::Server;
use pannier_devenv::servers::{find, rabbitmq, redis};
use pannier_devenv::ui::Ui;

use super::{Finding, PATIENCE};

/// Below this much free space, bytes: RabbitMQ blocks publishers at 1 GB, PostgreSQL ends when there is none.
const LOW_DISK: u64 = 5 << 30;
const NO_DISK: u64 = 1 << 30;

pub(super) async fn look(data: &DataDir, state: &State) -> Vec<Finding> {
    let url = |name: &str| state.urls.get(name).cloned().unwrap_or_default();
    let mut findings = match tokio::time::timeout(PATIENCE, postgres(&url("postgres"))).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) => vec![Finding::bad("PostgreSQL", error.to_string(), "its log is log/postgres.log")],
        Err(_) => vec![Finding::bad("PostgreSQL", "no answer in four seconds", "its log is log/postgres.log")],
    };
    let broker = tokio::time::timeout(PATIENCE, rabbitmq::answers(&url("rabbitmq"))).await;
    findings.push(match broker {
        Ok(true) => Finding::ok("RabbitMQ", "answers"),
        _ => Finding::bad("RabbitMQ", "does not answer", "events wait, nothing is lost; its log is log/rabbitmq.log"),
    });
    findings.push(policies(data, state).await);
    let positions = tokio::time::timeout(PATIENCE, redis::answers(&url("redis"))).await;
    findings.push(match positions {
        Ok(true) => Finding::ok("Redis", "answers"),
        _ => Finding::bad("Redis", "does not answer", "positions are ten seconds old meanwhile; log/redis.log"),
    });
    findings.push(disk(data));
    findings
}

/// The services declare their queues with all that these need. A policy would change that behind their back.
async fn policies(data: &DataDir, state: &State) -> Finding {
    let what = "RabbitMQ policies";
    let Some(node) = state.processes.get("rabbitmq").map(|process| process.pid) else {
        return Finding::unknown(what, "the broker is not ours");
    };
    let root = data.root().to_owned();
    let located =
        tokio::task::spawn_blocking(move || find::locate(&[Server::RabbitMq], &DataDir::at(&root), &Ui::new()));
    let Ok(Ok(tools)) = located.await else { return Finding::unknown(what, "its programs were not found") };
    let asked = async { rabbitmq::oddities(tools.as_slice().first()?, node).await };
    // It starts an Erlang virtual machine, twice.
    match tokio::time::timeout(PATIENCE * 4, asked).await {
        Ok(Some(odd)) if odd.is_empty() => Finding::ok(what, "none; all queues are quorum queues"),
        Ok(Some(odd)) => Finding::warning(what, odd.join("; "), "remove what Pannier did not declare"),
        _ => Finding::unknown(what, "it cannot be asked"),
    }
}

#[derive(QueryableByName)]
struct PostgresServer {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Timestamptz)]
    now: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    schema: String,
    #[diesel(sql_type = Text)]
    version: String,
}

async fn postgres(url: &str) -> anyhow::Result<Vec<Finding>> {
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
    // Raw: the tables are diesel's own, in three schemas.
    let applied: Vec<Applied> = diesel::sql_query(
        "SELECT 'orders' AS schema, max(version) AS version FROM orders.__diesel_schema_migrations
         UNION ALL SELECT 'merchant', max(version) FROM merchant.__diesel_schema_migrations
         UNION ALL SELECT 'dispatch', max(version) FROM dispatch.__diesel_schema_migrations",
    )
    .load(&mut conn)
    .await?;
    let applied: HashMap<String, String> = applied.into_iter().map(|a| (a.schema, a.version)).collect();
    for (schema, known) in pannier_migrations::newest() {
        let what = format!("schema {schema}");
        let has = applied.get(schema).cloned().unwrap_or_default();
        findings.push(match has.cmp(&known) {
            std::cmp::Ordering::Equal => Finding::ok(what, format!("at {known}")),
            std::cmp::Ordering::Less => {
                Finding::bad(what, format!("at {has}, this version needs {known}"), "pannier migrate")
            }
            std::cmp::Ordering::Greater => Finding::warning(
                what,
                format!("at {has}, newer than this version's {known}"),
                "deploy the version that migrated it",
            ),
        });
    }
    Ok(findings)
}

fn disk(data: &DataDir) -> Finding {
    let Ok(space) = rustix::fs::statvfs(data.root()) else {
        return Finding::unknown("disk", format!("{} cannot be asked", data.root().display()));
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let seen = format!("{:.1} GB are free in {}", free as f64 / f64::from(1 << 30), data.root().display());
    match free {
        free if free < NO_DISK => Finding::bad("disk", seen, "free some: the broker blocks publishers below 1 GB"),
        free if free < LOW_DISK => Finding::warning("disk", seen, "free some soon"),
        _ => Finding::ok("disk", seen),
    }
}
