//! RFC 9457 problems: every error tells a program what it is, a person what happened, and both whether to try again.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use pannier_contracts::Version;
use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::idempotency::{Answer, IdempotencyError};

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// JSON pointer into the body.
    pub pointer: String,
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

/// The body of every error answer, `application/problem+json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Problem {
    /// `/problems/{code}`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What kind of problem, in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened here.
    pub detail: String,
    /// A word for programs; does not change.
    pub code: String,
    /// May the same request work later?
    pub retryable: bool,
    /// For the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Which fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The state it is in, when that is the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What could be done instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<Vec<String>>,
    /// The current version, when the caller's was old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

impl Problem {
    /// A problem with a status, a word and a sentence.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{}", code.replace('_', "-")),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            retryable: matches!(status.as_u16(), 429 | 500 | 503 | 504),
            trace_id: None,
            errors: Vec::new(),
            state: None,
            allowed_actions: None,
            version: None,
        }
    }

    /// 400, the request itself is malformed.
    #[must_use]
    pub fn bad_request(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// For storing with an idempotency key.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer { status: self.status, body: serde_json::to_value(self).unwrap_or_default(), replayed: false }
    }

    /// How a refusal is stored; see [`crate::idempotency::once`].
    #[must_use]
    pub fn stored(refusal: &Refusal) -> Answer {
        Self::from(refusal).answer()
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        if self.retryable {
            response.insert_header((header::RETRY_AFTER, "1"));
        }
        if self.status == 401 {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.body(serde_json::to_vec(self).unwrap_or_default())
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not_found", detail),
            Refusal::Illegal { code, state, allowed, .. } => Self {
                title: "Not possible in this state".to_owned(),
                state: Some(state.clone()),
                allowed_actions: Some(allowed.clone()),
                ..Self::new(StatusCode::CONFLICT, code, detail)
            },
            Refusal::Stale { current } => {
                Self { version: Some(*current), ..Self::new(StatusCode::PRECONDITION_FAILED, "stale_version", detail) }
            }
            Refusal::Conflict => Self::new(StatusCode::PRECONDITION_FAILED, "changed_meanwhile", detail),
            Refusal::Invalid { code, pointer, .. } => Self {
                errors: pointer
                    .iter()
                    .map(|p| FieldError { pointer: p.clone(), code: (*code).to_owned(), detail: detail.clone() })
                    .collect(),
                ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
            },
            Refusal::Away { code, source, .. } => {
                tracing::warn!(code, error = format!("{source:#}"), "refused: a dependency is away");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
            }
            Refusal::Bug(source) => {
                tracing::error!(error = format!("{source:#}"), "internal error: {source:#}");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "internal error; the trace id finds it in the log",
                )
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::from(&refusal)
    }
}

impl From<IdempotencyError> for Problem {
    fn from(not_once: IdempotencyError) -> Self {
        let detail = not_once.to_string();
        match not_once {
            IdempotencyError::Refused(refusal) => refusal.into(),
            IdempotencyError::KeyReused => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
            }
            IdempotencyError::InFlight => {
                Self { retryable: true, ..Self::new(StatusCode::CONFLICT, "in_flight", detail) }
            }
        }
    }
}
