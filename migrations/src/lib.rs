//! Migrations: the three schemas, their login roles and their tables.
//!
//! The SQL is in one folder per owning service; `platform/` has the tables that every schema gets. A service logs in as a
//! role of its own with a fixed `search_path`, so it sees only its schema, and moves to another server by a changed URL.
//! There are no down migrations.

use anyhow::Context as _;
use diesel::QueryableByName;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl as _, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use pannier_platform::Tls;
use pannier_platform::db::connect_once;
use percent_encoding::percent_decode_str;
use url::Url;

const PLATFORM: EmbeddedMigrations = embed_migrations!("platform");

/// The schema of one service.
struct Schema {
    /// Also the name of its login role.
    name: &'static str,
    migrations: EmbeddedMigrations,
}

const ORDER: Schema = Schema { name: "orders", migrations: embed_migrations!("order") };
const MERCHANT: Schema = Schema { name: "merchant", migrations: embed_migrations!("merchant") };
const DISPATCH: Schema = Schema { name: "dispatch", migrations: embed_migrations!("dispatch") };

/// The database URL of each service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUrls {
    /// order-svc, schema `orders`.
    pub order: String,
    /// merchant-svc, schema `merchant`.
    pub merchant: String,
    /// dispatch-svc, schema `dispatch`.
    pub dispatch: String,
}

impl ServiceUrls {
    /// The service URLs that belong to an admin URL: same server, same database, the service's role.
    ///
    /// # Errors
    /// When it is no URL with a host.
    pub fn of(admin_url: &str) -> anyhow::Result<Self> {
        Ok(Self {
            order: as_role(admin_url, ORDER.name)?,
            merchant: as_role(admin_url, MERCHANT.name)?,
            dispatch: as_role(admin_url, DISPATCH.name)?,
        })
    }
}

/// The URL with another role in it; the password stays, encoded as it is.
fn as_role(admin_url: &str, role: &str) -> anyhow::Result<String> {
    let mut url = parse(admin_url)?;
    url.set_username(role)
        .map_err(|()| anyhow::anyhow!("a database URL names a host, as in postgres://app@host/db"))?;
    Ok(url.into())
}

fn parse(admin_url: &str) -> anyhow::Result<Url> {
    Url::parse(admin_url).context("a database URL looks like postgres://app@host/db")
}

/// Creates missing schemas and roles, then applies the pending migrations of all three schemas.
///
/// Idempotent. Of two concurrent runs the second waits for the first. `tls` is used if the URL asks for it:
/// `sslmode=require` or `sslmode=verify-full`.
///
/// # Errors
/// When the database is away, the user may not create roles, or a migration fails. What was applied before stays; the
/// next run goes on from there.
pub async fn migrate_all(admin_url: &str, tls: &Tls) -> anyhow::Result<ServiceUrls> {
    migrate_until(admin_url, tls, None).await
}

/// [`migrate_all`] up to the migration `last`, for tests that start from an old database.
///
/// # Errors
/// As [`migrate_all`].
pub async fn migrate_until(admin_url: &str, tls: &Tls, last: Option<&str>) -> anyhow::Result<ServiceUrls> {
    migrate(admin_url, tls, last, &mut |_, _| ()).await
}

/// [`migrate_all`], which tells the schema and the version of each migration when it is applied.
///
/// # Errors
/// As [`migrate_all`].
pub async fn migrate_telling(
    admin_url: &str,
    tls: &Tls,
    mut tell: impl FnMut(&'static str, String) + Send,
) -> anyhow::Result<ServiceUrls> {
    migrate(admin_url, tls, None, &mut tell).await
}

/// What [`migrate_all`] would do to one schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The schema.
    pub schema: &'static str,
    /// The versions of migrations that it has, oldest first. None where it does not exist or was never migrated.
    pub applied: Option<Vec<String>>,
    /// The versions that would be applied, oldest first.
    pub pending: Vec<String>,
    /// Applied versions that this program does not know: a newer one has applied them.
    pub unknown: Vec<String>,
}

/// What [`migrate_all`] would do to each schema. Changes nothing.
///
/// # Errors
/// When the database is away, or the user may not read the schemas.
pub async fn plan(admin_url: &str, tls: &Tls) -> anyhow::Result<Vec<Plan>> {
    let mut admin = connect_once(admin_url, tls).await.context("cannot reach the database to look at it")?;
    let mut plans = Vec::new();
    for schema in [ORDER, MERCHANT, DISPATCH] {
        let applied = applied(&mut admin, schema.name).await.with_context(|| format!("schema {}", schema.name))?;
        let known = known(&schema);
        let has = applied.clone().unwrap_or_default();
        let pending = known.iter().filter(|version| !has.contains(version)).cloned().collect();
        let unknown = has.into_iter().filter(|version| !known.contains(version)).collect();
        plans.push(Plan { schema: schema.name, applied, pending, unknown });
    }
    Ok(plans)
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = diesel::sql_types::Text)]
    version: String,
}

async fn applied(admin: &mut AsyncPgConnection, schema: &str) -> diesel::QueryResult<Option<Vec<String>>> {
    // Raw: the table is diesel's own, in a schema of which only the name is known.
    let table = format!("{schema}.__diesel_schema_migrations");
    let exists = format!("SELECT '' AS version WHERE to_regclass({}) IS NOT NULL", literal(&table));
    if diesel::sql_query(exists).load::<Applied>(admin).await?.is_empty() {
        return Ok(None);
    }
    let all = diesel::sql_query(format!("SELECT version FROM {table} ORDER BY version")).load::<Applied>(admin).await?;
    Ok(Some(all.into_iter().map(|applied| applied.version).collect()))
}

/// The versions of all migrations of a schema, oldest first.
fn known(schema: &Schema) -> Vec<String> {
    let mut known: Vec<String> = versions(&PLATFORM).into_iter().chain(versions(&schema.migrations)).collect();
    known.sort();
    known
}

/// The versions of embedded migrations.
fn versions(of: &EmbeddedMigrations) -> Vec<String> {
    let migrations = MigrationSource::<Pg>::migrations(of).unwrap_or_default();
    migrations.iter().map(|migration| migration.name().version().to_string()).collect()
}

async fn migrate(
    admin_url: &str,
    tls: &Tls,
    last: Option<&str>,
    tell: &mut (dyn FnMut(&'static str, String) + Send),
) -> anyhow::Result<ServiceUrls> {
    let urls = ServiceUrls::of(admin_url)?;
    let mut admin = connect_once(admin_url, tls).await.context("cannot reach the database to migrate it")?;
    // One migration at a time in this database.
    admin.batch_execute("SELECT pg_advisory_lock(724001)").await?;
    for schema in [ORDER, MERCHANT, DISPATCH] {
        prepare(&mut admin, schema.name, admin_url).await?;
        let conn = connect_once(&as_role(admin_url, schema.name)?, tls)
            .await
            .with_context(|| format!("cannot log in as {}", schema.name))?;
        let (name, last) = (schema.name, last.map(str::to_owned));
        tokio::task::block_in_place(|| {
            let mut harness = AsyncMigrationHarness::new(conn);
            for migrations in [PLATFORM, schema.migrations] {
                run(&mut harness, migrations, last.as_deref(), &mut |version| tell(name, version))
                    .map_err(|e| anyhow::anyhow!("migration of schema {name}: {e}"))?;
            }
            anyhow::Ok(())
        })?;
    }
    admin.batch_execute("SELECT pg_advisory_unlock(724001)").await?;
    Ok(urls)
}

fn run(
    harness: &mut AsyncMigrationHarness<AsyncPgConnection>,
    migrations: EmbeddedMigrations,
    last: Option<&str>,
    tell: &mut dyn FnMut(String),
) -> diesel::migration::Result<()> {
    for migration in harness.pending_migrations(migrations)? {
        if last.is_some_and(|last| migration.name().version().to_string().as_str() > last) {
            continue;
        }
        let version = harness.run_migration(&migration)?;
        tracing::info!(%version, "migrated");
        tell(version.to_string());
    }
    Ok(())
}

/// Makes a service's role and schema. A new role gets the admin's password, if there is one; a role that exists keeps its
/// own.
async fn prepare(admin: &mut AsyncPgConnection, name: &str, admin_url: &str) -> anyhow::Result<()> {
    let password = match parse(admin_url)?.password() {
        Some(password) => {
            let password = percent_decode_str(password).decode_utf8().context("the password is not UTF-8")?;
            format!("PASSWORD {}", literal(&password))
        }
        None => String::new(),
    };
    let create_role = literal(&format!(
        "BEGIN
             CREATE ROLE {name} LOGIN {password};
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END"
    ));
    admin
        .batch_execute(&format!(
            "DO {create_role};
             GRANT {name} TO CURRENT_USER;
             CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {name};
             ALTER ROLE {name} SET search_path = {name};"
        ))
        .await
        .with_context(|| format!("cannot prepare schema {name}"))
}

/// Text as an SQL literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn a_service_role_logs_in_with_any_password_of_the_admin() {
        let server = std::env::var("PANNIER_TEST_DATABASE_URL").expect("run the tests with ./pannier test");
        let mut admin = connect_once(&server, &Tls::default()).await.unwrap();
        let role = format!("role_{}", std::process::id());
        let mut url = Url::parse(&server).unwrap();
        // The url crate encodes `@`, `/` and `'`, and takes `%` as encoded already.
        url.set_password(Some("a@b%25c/d'e:f$$g")).unwrap();

        prepare(&mut admin, &role, url.as_str()).await.unwrap();
        let login = connect_once(&as_role(url.as_str(), &role).unwrap(), &Tls::default()).await;
        admin.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
        login.map(drop).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_plan_says_what_is_pending_and_changes_nothing() {
        let server = std::env::var("PANNIER_TEST_DATABASE_URL").expect("run the tests with ./pannier test");
        let mut admin = connect_once(&server, &Tls::default()).await.unwrap();
        let name = format!("plan_{}", std::process::id());
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let mut url = Url::parse(&server).unwrap();
        url.set_path(&name);

        let (url, tls) = (url.as_str(), Tls::default());
        let before = plan(url, &tls).await.unwrap();
        assert!(before.iter().all(|plan| plan.applied.is_none() && plan.pending.len() > 3), "{before:?}");
        let first = before[0].pending[0].clone();
        assert_eq!(plan(url, &tls).await.unwrap(), before, "nothing was changed");
        migrate_until(url, &tls, Some(&first)).await.unwrap();
        let part = plan(url, &tls).await.unwrap();
        assert_eq!(part[0].applied.as_deref(), Some(&[first][..]));
        assert_eq!(part[0].pending, before[0].pending[1..]);
        migrate_all(url, &tls).await.unwrap();
        assert!(plan(url, &tls).await.unwrap().iter().all(|plan| plan.pending.is_empty()));
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }

    /// A schema has one list of applied versions, also for the platform's migrations: the second of a pair would be skipped.
    #[test]
    fn no_two_migrations_of_a_schema_have_the_same_version() {
        let versions = |migrations: &EmbeddedMigrations| versions(migrations).into_iter().collect::<BTreeSet<_>>();
        for schema in [ORDER, MERCHANT, DISPATCH] {
            let twice = &versions(&PLATFORM) & &versions(&schema.migrations);
            assert!(twice.is_empty(), "{twice:?} in {} and in platform", schema.name);
        }
    }

    #[test]
    fn only_the_user_of_the_url_changes() {
        let urls = ServiceUrls::of("postgres://app:s%40crt@db.example:5433/food?sslmode=require").unwrap();
        assert_eq!(urls.order, "postgres://orders:s%40crt@db.example:5433/food?sslmode=require");
        assert_eq!(ServiceUrls::of("postgres://app@host/db").unwrap().merchant, "postgres://merchant@host/db");
        assert!(ServiceUrls::of("host=localhost user=app").is_err());
    }
}
