//! A database for each test, cloned from a migrated template in milliseconds.

use std::time::Duration;

use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use pannier_migrations::ServiceUrls;
use pannier_tls::Tls;
use url::Url;
use uuid::Uuid;

use crate::Servers;

/// The database of one test.
#[derive(Debug, Clone)]
pub struct TestDb {
    /// The database's name, also the test's namespace.
    pub name: String,
    /// Its URL for a superuser.
    pub admin_url: String,
    /// Its URL for each service.
    pub urls: ServiceUrls,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

impl TestDb {
    /// Clones the template, and makes it first if this build has none on the server.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn create(servers: &Servers) -> Self {
        let mut admin = AsyncPgConnection::establish(&servers.database_url).await.expect("the test server answers");
        // The template's name has the build time of the test program: another build may have other migrations.
        let template = format!("template_{}", env!("CARGO_PKG_VERSION").replace('.', "_"));
        let key = std::env::current_exe().ok().and_then(|p| p.metadata().ok()).and_then(|m| m.modified().ok());
        let stamp = key.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |d| d.as_secs());
        let prefix = format!("{template}_");
        let template = format!("{prefix}{stamp}");
        admin.batch_execute("SELECT pg_advisory_lock(724002)").await.expect("one test at a time makes the template");
        let there: Count = sql_query("SELECT count(*) AS n FROM pg_database WHERE datname = $1")
            .bind::<Text, _>(&template)
            .get_result(&mut admin)
            .await
            .expect("databases can be listed");
        if there.n == 0 {
            let building = format!("{template}_building");
            admin
                .batch_execute(&format!("DROP DATABASE IF EXISTS {building}"))
                .await
                .expect("the half template of a killed run can be dropped");
            admin.batch_execute(&format!("CREATE DATABASE {building}")).await.expect("a database can be created");
            pannier_migrations::migrate_all(&with_database(&servers.database_url, &building), &Tls::default())
                .await
                .expect("the migrations run");
            // Renamed when it is complete, so that a killed run leaves no half template. A database in use cannot be renamed.
            admin
                .batch_execute(&format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{building}'"
                ))
                .await
                .expect("its connections can be closed");
            rename(&mut admin, &building, &template).await;
            remove_old(&mut admin, &prefix, stamp).await;
        }
        let name = format!("t{}", &Uuid::now_v7().simple().to_string()[16..]);
        admin
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await
            .expect("the template can be cloned");
        admin.batch_execute("SELECT pg_advisory_unlock(724002)").await.expect("the next test may go on");
        let admin_url = with_database(&servers.database_url, &name);
        let urls = ServiceUrls::of(&admin_url).expect("the URL names a user");
        Self { name, admin_url, urls }
    }

    /// A connection as superuser.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn connect(&self) -> AsyncPgConnection {
        AsyncPgConnection::establish(&self.admin_url).await.expect("the test's database answers")
    }

    /// Moves all deadlines closer by `d`: timers, the expiry of quotes and open offers, the next tries of payments, and the
    /// wait of riders at doors.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn let_time_pass(&self, d: Duration) {
        let earlier = format!("- interval '{} milliseconds'", d.as_millis());
        let mut sql = String::new();
        for schema in ["orders", "merchant", "dispatch"] {
            sql.push_str(&format!("UPDATE {schema}.timers SET fire_at = fire_at {earlier}, claimed_until = NULL;"));
        }
        sql.push_str(&format!("UPDATE orders.quotes SET expires_at = expires_at {earlier};"));
        sql.push_str(&format!(
            "UPDATE orders.payments SET next_attempt_at = next_attempt_at {earlier} WHERE next_attempt_at IS NOT NULL;"
        ));
        sql.push_str(&format!("UPDATE orders.payment_operations SET answered_at = answered_at {earlier};"));
        sql.push_str(&format!("UPDATE dispatch.offers SET expires_at = expires_at {earlier} WHERE state = 'sent';"));
        sql.push_str(&format!("UPDATE dispatch.deliveries SET at_dropoff_at = at_dropoff_at {earlier};"));
        self.connect().await.batch_execute(&sql).await.expect("the deadlines can be changed");
    }

    /// Runs a query as superuser that returns one `bigint` named `n`.
    ///
    /// # Panics
    /// When the query fails.
    pub async fn count(&self, sql: &str) -> i64 {
        let mut conn = self.connect().await;
        sql_query(sql).get_result::<Count>(&mut conn).await.unwrap_or_else(|e| panic!("{e}: {sql}")).n
    }

    /// Runs statements as superuser.
    ///
    /// # Panics
    /// When a statement fails.
    pub async fn execute(&self, sql: &str) {
        self.connect().await.batch_execute(sql).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
    }

    /// Drops the database. A failed test does not get here, so its database can be inspected.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn remove(&self, servers: &Servers) {
        let mut admin = AsyncPgConnection::establish(&servers.database_url).await.expect("the test server answers");
        admin
            .batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name))
            .await
            .expect("the database can be dropped");
    }
}

/// Drops the templates of builds that are more than a day older than this one.
async fn remove_old(admin: &mut AsyncPgConnection, prefix: &str, stamp: u64) {
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let there: Vec<Name> = sql_query("SELECT datname::text AS name FROM pg_database WHERE datname LIKE $1 || '%'")
        .bind::<Text, _>(prefix)
        .load(admin)
        .await
        .expect("databases can be listed");
    for Name { name } in there {
        let built = name.strip_prefix(prefix).and_then(|stamp| stamp.parse::<u64>().ok());
        if built.is_some_and(|built| built + 24 * 3600 < stamp) {
            // Fails when a test uses it; the next build tries again.
            let _ = admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await;
        }
    }
}

async fn rename(admin: &mut AsyncPgConnection, from: &str, to: &str) {
    // A terminated connection takes a moment to disappear.
    for _ in 0..50 {
        if admin.batch_execute(&format!("ALTER DATABASE {from} RENAME TO {to}")).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the template {from} is still in use");
}

fn with_database(url: &str, database: &str) -> String {
    let mut url = Url::parse(url).expect("the server has a URL");
    url.set_path(database);
    url.into()
}
