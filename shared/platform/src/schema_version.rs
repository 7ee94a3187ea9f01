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
pub const PLATFORM: &str = "20261127200001";

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
    #[diesel(sql_type = Bool)]
    has_floor: bool,
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
            Ok(schema) => {
                check_floor(db, own, &schema).await?;
                startup.is_done();
                return Ok(());
            }
            Err(refusal) => format!("the schema cannot be read: {refusal:?}"),
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
            // Raw: the table is diesel's own, and may not exist yet.
            Ok(diesel::sql_query(
                "SELECT current_schema()::text AS name, to_regclass('schema_floor') IS NOT NULL AS has_floor,
                     (SELECT min(needed) FROM unnest(ARRAY[$1, $2]) AS needed WHERE needed NOT IN
                         (SELECT version FROM __diesel_schema_migrations)) AS missing",
            )
            .bind::<Text, _>(PLATFORM)
            .bind::<Text, _>(own)
            .get_result(conn)
            .await?)
        }
        .boxed()
    })
    .await
}

async fn check_floor(db: &Db, own: &'static str, schema: &Schema) -> anyhow::Result<()> {
    if !schema.has_floor {
        return Ok(());
    }
    let floor = db.read(|conn| {
        async move {
            use crate::schema::schema_floor;
            use diesel::QueryDsl as _;
            Ok(schema_floor::table.select(schema_floor::version).first::<String>(conn).await?)
        }
        .boxed()
    });
    let floor = floor.await.map_err(|refusal| anyhow::anyhow!("the schema's floor cannot be read: {refusal:?}"))?;
    let known = PLATFORM.max(own);
    anyhow::ensure!(
        floor.as_str() <= known,
        "schema {} needs programs that know migration {floor}, and this one knows those up to {known}: deploy a newer version",
        schema.name
    );
    Ok(())
}
