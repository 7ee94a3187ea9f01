//! Idempotency keys: the effect of a command and its stored answer commit in one transaction.
//!
//! The answer is written last. Two requests with the same key may both run the command; the primary key lets one of them
//! commit, and the other gets its answer. So before a refusal or conflict is returned the key is looked up: it may only mean
//! that the other request committed first (ADR 0023).

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::db::{self, MAX_RUNS, NewAnswer, Outcome, SqlState};
use crate::schema::idempotency;
use crate::{Conn, Db, Refusal};

/// An idempotency key, and what it covers.
#[derive(Debug, Clone)]
pub struct Claim {
    /// `customer:cus_…`. Each principal has keys of its own.
    pub principal: String,
    /// Method and path.
    pub route: String,
    /// The caller's key.
    pub key: String,
    /// SHA-256 of the body, hexadecimal. The same key with another body is refused.
    pub fingerprint: String,
}

/// An answer that can be stored and replayed.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: serde_json::Value,
    /// It was stored by an earlier request; nothing was done for this one.
    pub replayed: bool,
}

impl Answer {
    /// The answer of a command that was just run.
    ///
    /// # Errors
    /// [`Refusal::Bug`] when `body` cannot be JSON.
    pub fn new(status: u16, body: &impl serde::Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_value(body).map_err(|e| Refusal::Bug(e.into()))?;
        Ok(Self { status, body, replayed: false })
    }
}

/// Why a request gets no answer of its command.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// The command was refused, and the refusal is not stored: the same key may be used again.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The key was used with another body.
    #[error("this Idempotency-Key was used with another request body")]
    KeyReused,
    /// Another request with the same key is still running.
    #[error("the same request is being worked on; ask again in a moment")]
    InFlight,
}

/// A command: may run several times, because concurrent updates won, and commits at most once.
pub type Body = Arc<dyn for<'c> Fn(&'c mut Conn) -> BoxFuture<'c, Result<Answer, Refusal>> + Send + Sync>;

/// Runs `body` once per key, and returns its answer or the stored one.
///
/// `refused` renders a deterministic refusal, which is stored like any answer. `reload`: run again when a concurrent update
/// won; false when the caller has named the version that it saw.
///
/// # Errors
/// See the variants of [`IdempotencyError`].
pub async fn once(
    db: &Db,
    claim: Claim,
    body: Body,
    refused: fn(&Refusal) -> Answer,
    reload: bool,
) -> Result<Answer, IdempotencyError> {
    let tries = if reload { MAX_RUNS } else { 1 };
    for _ in 0..tries {
        let (this, body) = (claim.clone(), Arc::clone(&body));
        let refusal = match db.try_transaction(move |conn| attempt(conn, this, body).boxed()).await {
            Ok(Outcome::Committed(answer)) => return Ok(answer),
            Ok(Outcome::AlreadyAnswered) => Refusal::Conflict,
            Ok(Outcome::Unknown(source)) => return after_unknown_commit(db, &claim, source).await,
            Err(refusal) => refusal,
        };
        if let Some(answer) = look_up(db, &claim).await? {
            return answer;
        }
        match refusal {
            Refusal::Conflict => {}
            refusal if refusal.is_deterministic() => return store(db, &claim, refused(&refusal)).await,
            Refusal::Away { ref source, .. } if waited_too_long(source) => return Err(IdempotencyError::InFlight),
            refusal => return Err(refusal.into()),
        }
    }
    Err(Refusal::Conflict.into())
}

async fn attempt(conn: &mut Conn, claim: Claim, body: Body) -> Result<Answer, Refusal> {
    let answer = body(conn).await?;
    let Claim { principal, route, key, fingerprint } = claim;
    let (status, body) = (i16::try_from(answer.status).unwrap_or(500), answer.body.clone());
    db::store_answer(NewAnswer { principal, route, key, fingerprint, status, body });
    Ok(answer)
}

/// A lock was held for as long as a statement may wait: most likely by a request with the same key.
fn waited_too_long(source: &anyhow::Error) -> bool {
    source.downcast_ref::<SqlState>() == Some(&SqlState::LOCK_TIMEOUT)
}

/// The stored answer of this key.
async fn look_up(db: &Db, claim: &Claim) -> Result<Option<Result<Answer, IdempotencyError>>, IdempotencyError> {
    let claim = claim.clone();
    Ok(db.read(move |conn| async move { find(conn, &claim).await }.boxed()).await?)
}

/// Stores a refusal, unless another request with the same key has stored an answer, which is returned then.
async fn store(db: &Db, claim: &Claim, answer: Answer) -> Result<Answer, IdempotencyError> {
    let this = claim.clone();
    let body: Body = Arc::new(move |_| std::future::ready(Ok(answer.clone())).boxed());
    let stored = db.try_transaction(move |conn| attempt(conn, this, body).boxed()).await?;
    match stored {
        Outcome::Committed(answer) => Ok(answer),
        Outcome::AlreadyAnswered => look_up(db, claim).await?.unwrap_or(Err(IdempotencyError::InFlight)),
        Outcome::Unknown(source) => after_unknown_commit(db, claim, source).await,
    }
}

/// The stored answer of this key, or [`IdempotencyError::KeyReused`] when it was for another body.
///
/// # Errors
/// [`Refusal::Away`] or [`Refusal::Bug`] from the database.
pub async fn find(conn: &mut Conn, claim: &Claim) -> Result<Option<Result<Answer, IdempotencyError>>, Refusal> {
    let row: Option<(String, i16, serde_json::Value)> = idempotency::table
        .find((&claim.principal, &claim.route, &claim.key))
        .select((idempotency::fingerprint, idempotency::status, idempotency::body))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(fingerprint, status, body)| {
        if fingerprint != claim.fingerprint {
            return Err(IdempotencyError::KeyReused);
        }
        Ok(Answer { status: u16::try_from(status).unwrap_or(500), body, replayed: true })
    }))
}

/// When the database is asked whether a commit happened: at once, then after 100 ms, 300 ms, 900 ms and 2 s.
const READ_BACK: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_factor(3.0)
    .with_max_delay(Duration::from_secs(2))
    .with_max_times(4);

/// COMMIT did not answer: reads back whether the transaction is in the database, which may be restarting.
async fn after_unknown_commit(db: &Db, claim: &Claim, source: anyhow::Error) -> Result<Answer, IdempotencyError> {
    tracing::warn!(
        error = format!("{source:#}"),
        key = claim.key,
        "a commit did not answer; reading back by its idempotency key"
    );
    if let Ok(Some(found)) = (|| look_up(db, claim)).retry(READ_BACK).await {
        return found;
    }
    Err(db::away(source).into())
}
