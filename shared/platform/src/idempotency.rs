//! One key, one effect, one answer: the effect and the stored answer are one transaction.
//!
//! The answer is stored last. Twins may both run the body; the unique key lets one of them commit, and the other gets
//! its answer. Therefore the stored answer wins: before a refusal or a conflict is told, the key is looked up, because it
//! may only mean that a twin was first.

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
pub enum IdempotencyError {
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

/// A command's body: may run several times (a concurrent update won), commits at most once.
pub type Body = Arc<dyn for<'c> Fn(&'c mut Conn) -> BoxFuture<'c, Result<Answer, Refusal>> + Send + Sync>;

/// Runs `body` once per claim. A concurrent twin waits for the first, then gets its answer.
///
/// `refused` renders a deterministic refusal, so that it is stored and replayed like any other answer.
///
/// # Errors
/// See [`IdempotencyError`].
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

/// Somebody held a row or the key for as long as we may wait: most likely a twin.
fn waited_too_long(source: &anyhow::Error) -> bool {
    source.downcast_ref::<SqlState>() == Some(&SqlState::LOCK_TIMEOUT)
}

/// What this claim was answered before, if it was.
async fn look_up(db: &Db, claim: &Claim) -> Result<Option<Result<Answer, IdempotencyError>>, IdempotencyError> {
    let claim = claim.clone();
    Ok(db.read(move |conn| async move { find(conn, &claim).await }.boxed()).await?)
}

/// Keeps a refusal, unless a twin has kept an answer: then that one counts.
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

/// The answer that this claim was given before, if it was.
///
/// # Errors
/// What the database refuses.
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

/// How often the database is asked whether a commit happened: at once, then 100 ms, 300 ms, 900 ms and 2 s apart.
const READ_BACK: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_factor(3.0)
    .with_max_delay(Duration::from_secs(2))
    .with_max_times(4);

/// COMMIT broke: the answer is in the database or it is not. Only the database can say; it may be restarting.
async fn after_unknown_commit(db: &Db, claim: &Claim, source: anyhow::Error) -> Result<Answer, IdempotencyError> {
    tracing::warn!(error = format!("{source:#}"), key = claim.key, "a commit broke; reading back by idempotency key");
    if let Ok(Some(found)) = (|| look_up(db, claim)).retry(READ_BACK).await {
        return found;
    }
    Err(db::away(source).into())
}
