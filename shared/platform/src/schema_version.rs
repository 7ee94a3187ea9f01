//! Whether the schema is one that this program knows.
//!
//! Schemas change in two steps: first a migration adds, and programs of both versions run on it; later, when no old program
//! runs, another one takes away, and raises the floor. A program waits for the migrations that it needs, runs on newer ones,
//! and refuses a schema whose floor it does not know.

use std::time::Duration;

use diesel::QueryableByName;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;

use crate::http::health::Startup;
use crate::{Db, Refusal, Stop};

/// The newest migration in `migrations/platform`; a test compares.
pub const PLATFORM: &str = "20261128000001";

/// How often a schema that is not ready is looked at again.
const RETRY: Duration = Duration::from_secs(1);

/// What the schema says about itself.
#[derive(Debug, QueryableByName)]
struct Schema {
    #[diesel(sql_type = Text)]
    name: String,
    /// A migration that is not applied.
    #[diesel(sql_type = Nullable<Text>)]
    missing: Option<String>,
    /// The migration that programs have to know.
    #[diesel(sql_type = Nullable<Text>)]
    floor: Option<String>,
}

#[derive(Debug, QueryableByName)]
struct Tables {
    #[diesel(sql_type = Bool)]
    has_migrations: bool,
    #[diesel(sql_type = Bool)]
    has_floor: bool,
}

/// A sentence for people; a database that does not answer or has no such role has its own message.
fn why(refusal: Refusal) -> String {
    match refusal {
        Refusal::Away { source, .. } => {
            format!("the database cannot be used yet: {}; is it up, and migrated?", source.root_cause())
        }
        other => format!("the schema cannot be read: {other}"),
    }
}

/// Waits until the schema has `own`, the newest migration of the service, and the platform's. `startup` tells what is
/// waited for.
///
/// # Errors
/// When the schema needs newer programs, or at `stop`.
pub(crate) async fn wait(db: &Db, own: &'static str, startup: &Startup, stop: &Stop) -> anyhow::Result<()> {
    let mut told = String::new();
    loop {
        let waits_for = match look(db, own).await {
            Ok(Schema { name, missing: Some(missing), .. }) => {
                format!("schema {name} lacks migration {missing}: run `pannier migrate`")
            }
            Ok(Schema { name, floor: Some(floor), .. }) if floor.as_str() > PLATFORM.max(own) => anyhow::bail!(
                "schema {name} needs programs that know migration {floor}, and this one knows those up to {}: deploy a newer version",
                PLATFORM.max(own)
            ),
            Ok(_) => {
                startup.is_done();
                return Ok(());
            }
            Err(refusal) => why(refusal),
        };
        if told != waits_for {
            tracing::warn!("the service waits: {waits_for}");
            told.clone_from(&waits_for);
        }
        startup.waits_for(waits_for);
        anyhow::ensure!(stop.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_some(), "stopped: {told}");
    }
}

async fn look(db: &Db, own: &'static str) -> Result<Schema, Refusal> {
    db.read(move |conn| {
        async move {
            // Raw: the tables are diesel's own or may not exist yet.
            let tables: Tables = diesel::sql_query(
                "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS has_migrations,
                     to_regclass('schema_floor') IS NOT NULL AS has_floor",
            )
            .get_result(conn)
            .await?;
            let missing = if tables.has_migrations {
                "(SELECT min(needed) FROM unnest(ARRAY[$1, $2]) AS needed
                  WHERE needed NOT IN (SELECT version FROM __diesel_schema_migrations))"
            } else {
                "least($1, $2)"
            };
            let floor = if tables.has_floor { "(SELECT version FROM schema_floor)" } else { "NULL::text" };
            let schema = format!(
                "SELECT coalesce(current_schema(), current_user)::text AS name, {missing} AS missing, {floor} AS floor"
            );
            Ok(diesel::sql_query(schema).bind::<Text, _>(PLATFORM).bind::<Text, _>(own).get_result(conn).await?)
        }
        .boxed()
    })
    .await
}
