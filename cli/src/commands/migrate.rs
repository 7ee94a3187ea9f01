//! `pannier migrate`: brings the database to this version's schema. Services wait for it.

use std::time::{Duration, Instant};

use anyhow::Result;
use pannier_migrations::{Plan, migrate_telling};
use pannier_platform::Tls;
use pannier_platform::db::is_login_refused;
use pannier_platform::tls::Files;
use secrecy::{ExposeSecret as _, SecretString};

use crate::failure::Failure;
use pannier_devenv::ui;

/// How often a database that does not answer is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What to migrate.
#[derive(Debug, clap::Args)]
pub struct Migrate {
    /// The database, as a user who may create roles and schemas: `postgres://…`, with `sslmode=verify-full` for TLS.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<SecretString>,
    /// How long to wait for a database that does not answer yet, seconds.
    #[arg(long, default_value_t = 60)]
    wait: u64,
    /// Only shows what would be applied.
    #[arg(long)]
    dry_run: bool,
}

/// Creates missing schemas and roles, and applies pending migrations. Of two at once, the second waits for the first.
///
/// # Errors
/// The database does not answer in time, or a migration fails; what was applied before stays.
pub async fn run(what: Migrate) -> Result<()> {
    let Some(url) = what.database_url else {
        return Err(Failure::usage("say which database: --database-url, or DATABASE_URL"));
    };
    let tls = Tls::new(&Files::from_env("PANNIER"))?;
    let until = Instant::now() + Duration::from_secs(what.wait);
    loop {
        let mut applied = 0;
        let done = if what.dry_run {
            pannier_migrations::plan(url.expose_secret(), &tls).await.map(|plans| tell(&plans))
        } else {
            let migrated = migrate_telling(url.expose_secret(), &tls, |schema, version| {
                applied += 1;
                ui::answer(&format!("{schema}: applied {version}"));
            });
            migrated.await.map(|_| match applied {
                0 => ui::answer("the schemas are those of this version; nothing was to be done"),
                _ => ui::answer(&format!("{applied} migrations applied")),
            })
        };
        match done {
            Err(error) if applied == 0 && is_away(&error) && Instant::now() < until => {
                ui::error(&format!("waiting for the database: {error:#}"));
                tokio::time::sleep(RETRY).await;
            }
            Err(error) if is_away(&error) => return Err(Failure::unreachable(format!("{error:#}"))),
            done => return done,
        }
    }
}

fn tell(plans: &[Plan]) {
    for plan in plans {
        let has = match &plan.applied {
            None => "does not exist".to_owned(),
            Some(applied) => applied.last().map_or("has no migration".to_owned(), |last| format!("is at {last}")),
        };
        match plan.pending.as_slice() {
            [] => ui::answer(&format!("{} {has}: nothing is to be done", plan.schema)),
            pending => ui::answer(&format!("{} {has}: would apply {}", plan.schema, pending.join(", "))),
        }
    }
}

/// Whether the database did not answer, so that trying again may help.
fn is_away(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("cannot reach the database") && !is_login_refused(error)
}
