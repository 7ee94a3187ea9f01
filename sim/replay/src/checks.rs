//! The proof: SQL checks over the three schemas, the gateway's ledger and the bots' journal.
//!
//! Each check is one SELECT that returns a row per violation, with its `detail` and an `amount` that is added up. The
//! statements compare the platform with temporary tables: the gateway's ledger, the acknowledged calls, and the
//! subscriptions of all consumers.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Jsonb, Text, Uuid as SqlUuid};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use pannier_contracts::topology::ROUTES;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;

use super::evidence::Evidence;
use super::gateway::{self, GatewayEntry};
use pannier_client::journal::Journal;

/// All checks: the name in the summary and the statement.
pub const CHECKS: [(&str, &str); 7] = [
    ("stuck", include_str!("../../../tests/checks/stuck.sql")),
    ("duplicates", include_str!("../../../tests/checks/duplicates.sql")),
    ("lost", include_str!("../../../tests/checks/lost.sql")),
    ("double_assignments", include_str!("../../../tests/checks/double_assignments.sql")),
    ("capacity_breaches", include_str!("../../../tests/checks/capacity_breaches.sql")),
    ("ledger_difference", include_str!("../../../tests/checks/ledger_difference.sql")),
    ("invariant_violations", include_str!("../../../tests/checks/invariant_violations.sql")),
];

/// The check before open orders are cancelled at the end of the day; it is counted with `stuck`.
pub const BEFORE_TIDYING: &str = include_str!("../../../tests/checks/stuck_before_cleaning.sql");

/// The tables that the platform is compared with.
const TEMP_TABLES: &str = "
    CREATE TEMP TABLE gateway_ledger (reference text, kind text, amount bigint, currency text, operation_key text);
    CREATE TEMP TABLE journal_orders (idempotency_key text, order_id uuid);
    CREATE TEMP TABLE acknowledged (aggregate text, aggregate_id uuid, state text);
    CREATE TEMP TABLE tidied_up (order_id uuid);
    CREATE TEMP TABLE subscriptions (queue text, aggregate text, types text[]);
";

/// Details of one check that are kept for the report.
const DETAILS_MAX: usize = 100;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name in the summary.
    pub name: &'static str,
    /// The sum of the amounts; 0 means no violation.
    pub count: i64,
    /// The first violations in words.
    pub details: Vec<String>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Jsonb)]
    row: Value,
}

/// What the checks read, past the public APIs.
#[derive(Debug, Clone)]
pub struct ProofSource {
    /// URL of a login that may read the schemas `orders`, `merchant` and `dispatch`.
    pub database_url: String,
    /// URL of the payment gateway, whose ledger is compared with order-svc's.
    pub gateway_url: String,
    /// The key of its API.
    pub gateway_key: SecretString,
}

/// Runs all checks. The platform should be at rest: an open order counts as stuck.
///
/// # Errors
/// When the database or the gateway cannot be read, or a statement is invalid.
pub async fn run(source: &ProofSource, journal: &Path) -> anyhow::Result<Vec<Finding>> {
    let ledger = gateway::read_ledger(&source.gateway_url, &source.gateway_key).await?;
    let evidence = Evidence { ledger, ..Evidence::of(&Journal::read(journal)?)? };
    let mut db = connect(source).await?;
    load(&mut db, &evidence).await?;
    let mut findings = Vec::new();
    for (name, sql) in CHECKS {
        findings.push(check(&mut db, name, sql).await?);
    }
    Ok(findings)
}

/// What is stuck at the end of the day, before open orders are cancelled. Repeated for up to 30 s, because a process that
/// was killed at the end may still be recovering.
///
/// # Errors
/// When the database cannot be read.
pub async fn before_tidying(source: &ProofSource) -> anyhow::Result<Finding> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut db = connect(source).await?;
        let finding = check(&mut db, "stuck", BEFORE_TIDYING).await?;
        if finding.count == 0 || Instant::now() > deadline {
            return Ok(finding);
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

async fn connect(source: &ProofSource) -> anyhow::Result<AsyncPgConnection> {
    AsyncPgConnection::establish(&source.database_url).await.context("the checks need a database")
}

/// The count of the check `stuck`, the only one that a working platform fails for a short time.
#[must_use]
pub fn stuck(findings: &[Finding]) -> i64 {
    findings.iter().find(|f| f.name == "stuck").map_or(0, |f| f.count)
}

/// Creates and fills the temporary tables on this connection.
///
/// # Errors
/// When the database cannot be written.
pub async fn load(db: &mut AsyncPgConnection, evidence: &Evidence) -> anyhow::Result<()> {
    db.batch_execute(TEMP_TABLES).await.context("the temporary tables cannot be made")?;
    let Evidence { ledger, orders, acknowledged, tidied_up } = evidence;
    let column = |of: fn(&GatewayEntry) -> &str| ledger.iter().map(of).map(str::to_owned).collect::<Vec<_>>();
    diesel::sql_query("INSERT INTO gateway_ledger SELECT * FROM unnest($1, $2, $3, $4, $5)")
        .bind::<Array<Text>, _>(column(|e| &e.reference))
        .bind::<Array<Text>, _>(column(|e| &e.kind))
        .bind::<Array<BigInt>, _>(ledger.iter().map(|e| e.amount).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(column(|e| &e.currency))
        .bind::<Array<Text>, _>(column(|e| &e.operation_key))
        .execute(db)
        .await
        .context("the gateway's ledger cannot be loaded")?;
    diesel::sql_query("INSERT INTO journal_orders SELECT * FROM unnest($1, $2)")
        .bind::<Array<Text>, _>(orders.iter().map(|o| o.0.clone()).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(orders.iter().map(|o| o.1).collect::<Vec<_>>())
        .execute(db)
        .await
        .context("the journal cannot be loaded")?;
    diesel::sql_query("INSERT INTO acknowledged SELECT * FROM unnest($1, $2, $3)")
        .bind::<Array<Text>, _>(acknowledged.iter().map(|a| a.aggregate).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(acknowledged.iter().map(|a| a.id).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(acknowledged.iter().map(|a| a.state).collect::<Vec<_>>())
        .execute(db)
        .await
        .context("the journal's states cannot be loaded")?;
    diesel::sql_query("INSERT INTO tidied_up SELECT * FROM unnest($1)")
        .bind::<Array<SqlUuid>, _>(tidied_up)
        .execute(db)
        .await?;
    for route in ROUTES {
        diesel::sql_query("INSERT INTO subscriptions VALUES ($1, $2, $3)")
            .bind::<Text, _>(route.queue)
            .bind::<Text, _>(route.aggregate)
            .bind::<Array<Text>, _>(route.patterns())
            .execute(db)
            .await?;
    }
    Ok(())
}

/// Runs one check on a connection that has the temporary tables.
///
/// # Errors
/// When the statement is invalid.
pub async fn check(db: &mut AsyncPgConnection, name: &'static str, sql: &str) -> anyhow::Result<Finding> {
    let sql = sql.trim().trim_end_matches(';');
    // The statement may end in a comment, so the bracket is on a line of its own.
    let rows: Vec<Row> = diesel::sql_query(format!("SELECT to_jsonb(found) AS row FROM (\n{sql}\n) AS found"))
        .load(db)
        .await
        .with_context(|| format!("the check {name} cannot run"))?;
    let weight =
        |row: &Value| row.get("amount").or_else(|| row.get("violations")).map_or(1, |n| n.as_i64().unwrap_or(1));
    let count = rows.iter().map(|r| weight(&r.row)).sum();
    let text = |r: &Row| r.row["detail"].as_str().map_or_else(|| r.row.to_string(), str::to_owned);
    let details = rows.iter().filter(|r| weight(&r.row) != 0).take(DETAILS_MAX).map(text).collect();
    Ok(Finding { name, count, details })
}
