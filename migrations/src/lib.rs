//! The three schemas, their login roles, and what is in them.
//!
//! One folder per owning service, and `platform/` for the tables that all have. A service sees only its own schema: its
//! login role has a fixed `search_path`, so moving a service to a server of its own is a changed URL. Forward only.

use anyhow::Context as _;
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const PLATFORM: EmbeddedMigrations = embed_migrations!("platform");

/// A service's corner of the database.
struct Schema {
    /// Also the name of the login role.
    name: &'static str,
    migrations: EmbeddedMigrations,
}

const ORDER: Schema = Schema { name: "orders", migrations: embed_migrations!("order") };
const MERCHANT: Schema = Schema { name: "merchant", migrations: embed_migrations!("merchant") };
const DISPATCH: Schema = Schema { name: "dispatch", migrations: embed_migrations!("dispatch") };

/// Where each service finds its tables.
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
    /// When the URL has no host part.
    pub fn of(admin_url: &str) -> anyhow::Result<Self> {
        Ok(Self {
            order: as_role(admin_url, ORDER.name)?,
            merchant: as_role(admin_url, MERCHANT.name)?,
            dispatch: as_role(admin_url, DISPATCH.name)?,
        })
    }
}

fn as_role(admin_url: &str, role: &str) -> anyhow::Result<String> {
    let (scheme, rest) = admin_url.split_once("://").context("a database URL starts with postgres://")?;
    let (userinfo, host) =
        rest.split_once('@').context("a database URL names its user, as in postgres://app@host/db")?;
    let password = userinfo.split_once(':').map_or(String::new(), |(_, password)| format!(":{password}"));
    Ok(format!("{scheme}://{role}{password}@{host}"))
}

/// Makes the schemas and roles where they are missing, and brings all three up to date.
///
/// Safe to run again and from two places at once: the second waits for the first.
///
/// # Errors
/// When the database is away, the user may not create roles, or a migration fails.
pub async fn migrate_all(admin_url: &str) -> anyhow::Result<ServiceUrls> {
    migrate_until(admin_url, None).await
}

/// [`migrate_all`], but only what is not newer than `last`: how a database looked then.
///
/// # Errors
/// As [`migrate_all`].
pub async fn migrate_until(admin_url: &str, last: Option<&str>) -> anyhow::Result<ServiceUrls> {
    let urls = ServiceUrls::of(admin_url)?;
    let mut admin = AsyncPgConnection::establish(admin_url).await.context("cannot reach the database to migrate it")?;
    // One migration at a time per server: roles are shared by all of its databases.
    admin.batch_execute("SELECT pg_advisory_lock(724001)").await?;
    for schema in [ORDER, MERCHANT, DISPATCH] {
        prepare(&mut admin, schema.name, admin_url).await?;
        let conn = AsyncPgConnection::establish(&as_role(admin_url, schema.name)?)
            .await
            .with_context(|| format!("cannot log in as {}", schema.name))?;
        let (name, last) = (schema.name, last.map(str::to_owned));
        tokio::task::block_in_place(move || {
            let mut harness = AsyncMigrationHarness::new(conn);
            for migrations in [PLATFORM, schema.migrations] {
                run(&mut harness, migrations, last.as_deref())
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
) -> diesel::migration::Result<()> {
    for migration in harness.pending_migrations(migrations)? {
        if last.is_some_and(|last| migration.name().version().to_string().as_str() > last) {
            continue;
        }
        let version = harness.run_migration(&migration)?;
        tracing::info!(%version, "migrated");
    }
    Ok(())
}

async fn prepare(admin: &mut AsyncPgConnection, name: &str, admin_url: &str) -> anyhow::Result<()> {
    // The service roles get the admin's password, if there is one: `up` uses trust on a private server.
    let password = as_role(admin_url, name)?
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('@'))
        .and_then(|(userinfo, _)| userinfo.split_once(':').map(|(_, p)| p.replace('\'', "''")))
        .map_or(String::new(), |p| format!("PASSWORD '{p}'"));
    admin
        .batch_execute(&format!(
            "DO $$ BEGIN
                 CREATE ROLE {name} LOGIN {password};
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
             GRANT {name} TO CURRENT_USER;
             CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {name};
             ALTER ROLE {name} SET search_path = {name};"
        ))
        .await
        .with_context(|| format!("cannot prepare schema {name}"))?;
    Ok(())
}
