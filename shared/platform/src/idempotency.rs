//! One key, one effect, one answer: the claim, the effect and the stored answer are one transaction.

use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::db::{Outcome, RELOADS};
use crate::refusal::is_lock_timeout;
use crate::schema::idempotency;
use crate::{Conn, Db, Refusal, Stop};

/// Who asked for what, under which key.
#[derive(Debug, Clone)]
pub struct Claim {
    /// `customer:cus_…`: keys of two principals never meet.
    pub principal: String,
    /// Method and path.
    pub route: String,
    /// The caller's key.
    pub key: String,
    /// SHA-256 of the body: the same key with another body is a mistake.
    pub fingerprint: String,
}

/// An answer that can be stored and given again.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: serde_json::Value,
    /// It was stored before; nothing happened now.
    pub replayed: bool,
}

impl Answer {
    /// A fresh answer.
    ///
    /// # Errors
    /// When `body` is no JSON: our bug.
    pub fn new(status: u16, body: &impl serde::Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_value(body).map_err(|e| Refusal::Bug(e.into()))?;
        Ok(Self { status, body, replayed: false })
    }
}

/// Why a claimed command gave no answer of its own.
#[derive(Debug, thiserror::Error)]
pub enum NotOnce {
    /// The command refused, and that refusal is not stored: the same key may try again.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The same key came with another body.
    #[error("this Idempotency-Key was used with another request body")]
    KeyReused,
    /// A twin of this request is still running.
    #[error("the same request is being worked on; ask again in a moment")]
    InFlight,
}

/// A command's body: may run several times (somebody was faster), commits at most once.
pub type Body = Arc<dyn for<'c> Fn(&'c mut Conn) -> BoxFuture<'c, Result<Answer, Refusal>> + Send + Sync>;

/// Runs `body` once per claim. A concurrent twin waits for the first, then gets its answer.
///
/// `refused` renders a deterministic refusal, so that it is stored and replayed like any other answer.
///
/// # Errors
/// See [`NotOnce`].
pub async fn once(
    db: &Db,
    claim: Claim,
    body: Body,
    refused: fn(&Refusal) -> Answer,
    reload: bool,
) -> Result<Answer, NotOnce> {
    let tries = if reload { RELOADS } else { 1 };
    for _ in 0..tries {
        let (this, body) = (claim.clone(), Arc::clone(&body));
        let outcome = db.try_transaction(move |conn| attempt(conn, this, body, refused).boxed()).await;
        match outcome {
            Ok(Outcome::Committed(Attempt::Answer(answer))) => return Ok(answer),
            Ok(Outcome::Committed(Attempt::KeyReused)) => return Err(NotOnce::KeyReused),
            Ok(Outcome::Committed(Attempt::InFlight)) => return Err(NotOnce::InFlight),
            Ok(Outcome::Unknown(source)) => return after_unknown_commit(db, &claim, source).await,
            Err(Refusal::Conflict) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(Refusal::Conflict.into())
}

enum Attempt {
    Answer(Answer),
    KeyReused,
    InFlight,
}

async fn attempt(
    conn: &mut Conn,
    claim: Claim,
    body: Body,
    refused: fn(&Refusal) -> Answer,
) -> Result<Attempt, Refusal> {
    let claimed = conn
        .transaction::<_, diesel::result::Error, _>(async |conn: &mut Conn| {
            diesel::insert_into(idempotency::table)
                .values((
                    idempotency::principal.eq(&claim.principal),
                    idempotency::route.eq(&claim.route),
                    idempotency::key.eq(&claim.key),
                    idempotency::fingerprint.eq(&claim.fingerprint),
                ))
                // Waits here for a twin's commit or rollback, at most lock_timeout (2 s).
                .on_conflict_do_nothing()
                .execute(conn)
                .await
        })
        .await;
    match claimed {
        Err(e) if is_lock_timeout(&e) => return Ok(Attempt::InFlight),
        Err(e) => return Err(e.into()),
        Ok(0) => return stored(conn, &claim).await?.ok_or(Refusal::Conflict),
        Ok(_) => {}
    }
    // A savepoint: a refusal is stored, what the body wrote before refusing is not.
    let answer = match conn.transaction::<_, InBody, _>(async |conn: &mut Conn| body(conn).await.map_err(InBody)).await
    {
        Ok(answer) => answer,
        Err(InBody(refusal)) if refusal.is_deterministic() => refused(&refusal),
        Err(InBody(refusal)) => return Err(refusal),
    };
    diesel::update(idempotency::table.find((&claim.principal, &claim.route, &claim.key)))
        .set((idempotency::status.eq(i16::try_from(answer.status).unwrap_or(500)), idempotency::body.eq(&answer.body)))
        .execute(conn)
        .await?;
    Ok(Attempt::Answer(answer))
}

struct InBody(Refusal);

impl From<diesel::result::Error> for InBody {
    fn from(e: diesel::result::Error) -> Self {
        Self(e.into())
    }
}

/// The answer that this claim was given before, if it was.
///
/// # Errors
/// What the database says.
pub async fn find(conn: &mut Conn, claim: &Claim) -> Result<Option<Result<Answer, NotOnce>>, Refusal> {
    Ok(stored(conn, claim).await?.map(|attempt| match attempt {
        Attempt::Answer(answer) => Ok(answer),
        Attempt::KeyReused => Err(NotOnce::KeyReused),
        Attempt::InFlight => Err(NotOnce::InFlight),
    }))
}

async fn stored(conn: &mut Conn, claim: &Claim) -> Result<Option<Attempt>, Refusal> {
    let row: Option<(String, Option<i16>, Option<serde_json::Value>)> = idempotency::table
        .find((&claim.principal, &claim.route, &claim.key))
        .select((idempotency::fingerprint, idempotency::status, idempotency::body))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(fingerprint, status, body)| match (status, body) {
        _ if fingerprint != claim.fingerprint => Attempt::KeyReused,
        (Some(status), Some(body)) => {
            Attempt::Answer(Answer { status: u16::try_from(status).unwrap_or(500), body, replayed: true })
        }
        _ => Attempt::InFlight,
    }))
}

/// COMMIT broke: the answer is in the database or it is not. Only the database can say; it may be restarting.
async fn after_unknown_commit(db: &Db, claim: &Claim, source: anyhow::Error) -> Result<Answer, NotOnce> {
    tracing::warn!(error = format!("{source:#}"), key = claim.key, "a commit broke; reading back by idempotency key");
    for wait_ms in [0, 100, 300, 800, 1500] {
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let this = claim.clone();
        match db.read(move |conn| async move { find(conn, &this).await }.boxed()).await {
            Ok(Some(found)) => return found,
            Ok(None) => break,
            Err(_) => {}
        }
    }
    Err(Refusal::Away { what: "the database", code: "database_away", source }.into())
}

/// Forgets answers older than 48 h, every ten minutes, until `stop`. Two processes doing so at once are harmless.
pub async fn forget_old(db: Db, stop: Stop) {
    loop {
        let forgotten = db
            .transaction(|conn| {
                async move {
                    let sql = "DELETE FROM idempotency WHERE created_at < clock_timestamp() - interval '48 h'";
                    Ok(diesel::sql_query(sql).execute(conn).await?)
                }
                .boxed()
            })
            .await;
        if let Err(refusal) = forgotten {
            tracing::warn!(error = ?refusal, "old answers could not be forgotten; trying again later");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(600)) => {}
        }
    }
}
