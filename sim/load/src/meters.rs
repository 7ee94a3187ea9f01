//! Counters of the servers. The difference of two readings is the cost of the load between them.
//!
//! PostgreSQL updates its statistics with a delay of up to a second, so a window of ten seconds is exact to a few per cent.

use anyhow::{Context as _, Result};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection as _};
use serde::Serialize;
use tokio::time::Instant;

use super::cpu::{ByGroup, Group, Processes, machine_ms};
use super::redis::Redis;
use super::system::SystemUnderTest;

/// Access to all counters.
pub struct Meters {
    processes: Processes,
    database: AsyncPgConnection,
    redis: Redis,
    counts_statements: bool,
}

/// The values of all counters at one time.
#[derive(Debug, Clone)]
pub struct Reading {
    at: Instant,
    cpu_ms: ByGroup,
    machine_ms: f64,
    counters: Counters,
    redis_commands: u64,
}

#[derive(Debug, Clone, Copy, QueryableByName)]
struct Counters {
    #[diesel(sql_type = BigInt)]
    transactions: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    statements: Option<i64>,
    #[diesel(sql_type = BigInt)]
    wal_bytes: i64,
    #[diesel(sql_type = BigInt)]
    wal_syncs: i64,
}

/// The cost of one finished order.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Costs {
    /// CPU milliseconds.
    #[serde(serialize_with = "by_name")]
    pub cpu_ms: ByGroup,
    /// Commits, including those of single statements.
    pub transactions: f64,
    /// Statements, including `BEGIN` and `COMMIT`; none without pg_stat_statements.
    pub statements: Option<f64>,
    /// Bytes of the write-ahead log.
    pub wal_bytes: f64,
    /// Flushes of the write-ahead log to disk.
    pub wal_syncs: f64,
    /// Commands that Redis ran.
    pub redis_commands: f64,
    /// Load of the platform and the clients, cores.
    pub cores: f64,
    /// Load of all other processes and the kernel, cores. A high value makes the measurement unreliable.
    pub other_cores: f64,
}

impl Costs {
    /// CPU milliseconds of all servers together, without the clients.
    #[must_use]
    pub fn servers_cpu_ms(&self) -> f64 {
        self.cpu_ms.iter().filter(|(group, _)| **group != Group::Clients).map(|(_, ms)| ms).sum()
    }
}

/// Serialises a figure per group, with two digits, under the group's name.
///
/// # Errors
/// Those of the serialiser.
pub fn by_name<S: serde::Serializer>(figures: &ByGroup, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(figures.iter().map(|(group, figure)| (group.name(), (figure * 100.0).round() / 100.0)))
}

const COUNTERS: &str = "
    SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS transactions,
           STATEMENTS AS statements,
           pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal_bytes,
           (SELECT wal_sync FROM pg_stat_wal) AS wal_syncs";
/// Only the services' roles: the statements of this login are left out.
const STATEMENTS: &str = "
    (SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
     WHERE r.rolname IN ('orders', 'merchant', 'dispatch'))";

impl Meters {
    /// Connects to PostgreSQL and Redis.
    ///
    /// # Errors
    /// A server is unavailable.
    pub async fn new(system: &SystemUnderTest) -> Result<Self> {
        let url = &system.database_url;
        let mut database = AsyncPgConnection::establish(url).await.context("the meters need a database")?;
        let counts_statements = load_statements(&mut database).await?;
        if !counts_statements {
            system.log(
                "pg_stat_statements is not on this machine (Debian: postgresql-NN has it): statements are not counted",
            );
        }
        let redis = Redis::connect(&system.redis_url).await?;
        Ok(Self { processes: Processes::new(&system.processes), database, redis, counts_statements })
    }

    /// Reads all counters.
    ///
    /// # Errors
    /// A server is unavailable, or a process has ended.
    pub async fn read(&mut self) -> Result<Reading> {
        let sql = COUNTERS.replace("STATEMENTS", if self.counts_statements { STATEMENTS } else { "NULL::bigint" });
        let counters = diesel::sql_query(sql).get_result(&mut self.database).await?;
        let redis_commands = self.redis.commands_processed().await?;
        let (cpu_ms, machine_ms) = (self.processes.cpu_ms()?, machine_ms()?);
        Ok(Reading { at: Instant::now(), cpu_ms, machine_ms, counters, redis_commands })
    }

    /// Resident memory, megabytes.
    #[must_use]
    pub fn rss_mb(&self) -> ByGroup {
        self.processes.rss_mb()
    }

    /// The database connection, for other queries.
    pub const fn database(&mut self) -> &mut AsyncPgConnection {
        &mut self.database
    }
}

impl Reading {
    /// The cost of each of `orders` between this reading and `after`; all zero without orders.
    #[must_use]
    pub fn costs(&self, after: &Self, orders: u64) -> Costs {
        if orders == 0 {
            return Costs::default();
        }
        let per_order = |amount: f64| amount / orders as f64;
        let (a, b) = (&self.counters, &after.counters);
        let cpu_ms: ByGroup = after
            .cpu_ms
            .iter()
            .map(|(group, ms)| (*group, ms - self.cpu_ms.get(group).copied().unwrap_or(0.0)))
            .collect();
        let wall_ms = (after.at - self.at).as_secs_f64() * 1_000.0;
        let ours_ms: f64 = cpu_ms.values().sum();
        Costs {
            cores: ours_ms / wall_ms,
            other_cores: ((after.machine_ms - self.machine_ms - ours_ms) / wall_ms).max(0.0),
            cpu_ms: cpu_ms.into_iter().map(|(group, ms)| (group, per_order(ms))).collect(),
            transactions: per_order((b.transactions - a.transactions) as f64),
            statements: a.statements.zip(b.statements).map(|(a, b)| per_order((b - a) as f64)),
            wal_bytes: per_order((b.wal_bytes - a.wal_bytes) as f64),
            wal_syncs: per_order((b.wal_syncs - a.wal_syncs) as f64),
            redis_commands: per_order(after.redis_commands.saturating_sub(self.redis_commands) as f64),
        }
    }
}

async fn load_statements(database: &mut AsyncPgConnection) -> Result<bool> {
    #[derive(QueryableByName)]
    struct Loaded {
        #[diesel(sql_type = Bool)]
        loaded: bool,
    }
    let sql = "SELECT current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%' AS loaded";
    let is_loaded = diesel::sql_query(sql).get_result::<Loaded>(database).await?.loaded;
    Ok(is_loaded && database.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await.is_ok())
}
