//! The proof, by SQL over the three schemas, the gateway's ledger and the bots' journal.
//!
//! Each check is one SELECT that finds violations: a row each, with its `detail`; a check that measures has a column
//! `amount` which is added up. The statements see two temporary tables: `gateway_ledger` and `journal_orders`.

use std::path::Path;

use anyhow::Context;
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Jsonb, Text, Uuid as SqlUuid};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use pannier_contracts::OrderId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::Target;
use crate::journal::Journal;

/// Every check: its name in the summary and its statement.
pub const CHECKS: [(&str, &str); 7] = [
    ("stuck", include_str!("../../../tests/checks/stuck.sql")),
    ("duplicates", include_str!("../../../tests/checks/duplicates.sql")),
    ("lost", include_str!("../../../tests/checks/lost.sql")),
    ("double_assignments", include_str!("../../../tests/checks/double_assignments.sql")),
    ("capacity_breaches", include_str!("../../../tests/checks/capacity_breaches.sql")),
    ("ledger_difference", include_str!("../../../tests/checks/ledger_difference.sql")),
    ("invariant_violations", include_str!("../../../tests/checks/invariant_violations.sql")),
];

/// The tables that the checks compare the platform with.
pub const TEMP_TABLES: &str = "
    CREATE TEMP TABLE gateway_ledger (reference text, kind text, amount bigint, currency text, operation_key text);
    CREATE TEMP TABLE journal_orders (idempotency_key text, order_id uuid);
";

/// How many details of one check are kept for the report.
const DETAILS: usize = 100;

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check.
    pub name: &'static str,
    /// How many violations, or how much; 0 is good.
    pub count: i64,
    /// The first of them in words.
    pub details: Vec<String>,
}

/// One movement in the gateway's ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct GatewayEntry {
    /// The payment.
    pub reference: String,
    /// What happened.
    pub kind: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// Our operation id.
    pub operation_key: String,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Jsonb)]
    row: Value,
}

/// Runs all checks over a platform that has come to rest.
///
/// # Errors
/// When the database or the gateway cannot be read, or a statement is wrong.
pub async fn run(target: &Target, journal: &Path) -> anyhow::Result<Vec<Finding>> {
    let ledger = read_ledger(&target.gateway_url).await.context("the gateway's ledger cannot be read")?;
    let orders = placed_orders(journal)?;
    let mut db =
        AsyncPgConnection::establish(&target.admin_database_url).await.context("the checks need a database")?;
    load(&mut db, &ledger, &orders).await?;
    let mut findings = Vec::new();
    for (name, sql) in CHECKS {
        findings.push(check(&mut db, name, sql).await?);
    }
    Ok(findings)
}

/// What `stuck` found: the one check that a platform still at work may fail for a moment.
#[must_use]
pub fn stuck(findings: &[Finding]) -> i64 {
    findings.iter().find(|f| f.name == "stuck").map_or(0, |f| f.count)
}

/// Fills the temporary tables on this connection.
///
/// # Errors
/// When the database refuses.
pub async fn load(
    db: &mut AsyncPgConnection,
    ledger: &[GatewayEntry],
    orders: &[(String, Uuid)],
) -> anyhow::Result<()> {
    db.batch_execute(TEMP_TABLES).await.context("the temporary tables cannot be made")?;
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
    Ok(())
}

/// Runs one check.
///
/// # Errors
/// When the statement is wrong.
pub async fn check(db: &mut AsyncPgConnection, name: &'static str, sql: &str) -> anyhow::Result<Finding> {
    let sql = sql.trim().trim_end_matches(';');
    // The statement may end in a comment, so its end has a line of its own.
    let rows: Vec<Row> = diesel::sql_query(format!("SELECT to_jsonb(found) AS row FROM (\n{sql}\n) AS found"))
        .load(db)
        .await
        .with_context(|| format!("the check {name} cannot run"))?;
    let weight =
        |row: &Value| row.get("amount").or_else(|| row.get("violations")).map_or(1, |n| n.as_i64().unwrap_or(1));
    let count = rows.iter().map(|r| weight(&r.row)).sum();
    let text = |r: &Row| r.row["detail"].as_str().map_or_else(|| r.row.to_string(), str::to_owned);
    let details = rows.iter().filter(|r| weight(&r.row) != 0).take(DETAILS).map(text).collect();
    Ok(Finding { name, count, details })
}

async fn read_ledger(gateway_url: &str) -> anyhow::Result<Vec<GatewayEntry>> {
    #[derive(Deserialize)]
    struct Ledger {
        data: Vec<GatewayEntry>,
    }
    let url = format!("{}/v1/ledger", gateway_url.trim_end_matches('/'));
    let ledger: Ledger = reqwest::get(url).await?.error_for_status()?.json().await?;
    Ok(ledger.data)
}

/// The orders that their customers were told to have.
fn placed_orders(journal: &Path) -> anyhow::Result<Vec<(String, Uuid)>> {
    let lines = Journal::read(journal)?.into_iter().filter(|l| l.call == "POST /v1/orders");
    let order = |line: crate::journal::Acknowledged| {
        let id: OrderId = line.id.context("an order was acknowledged without an id")?.parse()?;
        Ok((line.key.unwrap_or_default(), id.0))
    };
    lines.map(order).collect()
}
