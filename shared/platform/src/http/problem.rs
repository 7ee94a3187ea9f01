//! RFC 9457 problems: the body of every error answer.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use pannier_contracts::Version;
use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::idempotency::{Answer, IdempotencyError};

/// An invalid field of the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// JSON pointer into the body.
    pub pointer: String,
    /// For programs.
    pub code: String,
    /// For people.
    pub detail: String,
}

/// `application/problem+json`. Each `code` has a page in `docs/problems`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Problem {
    /// `/problems/{code}`, with hyphens.
    #[serde(rename = "type")]
    pub kind: String,
    /// What kind of problem it is. The same for every problem of a kind.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened this time, for people.
    pub detail: String,
    /// For programs: `illegal_transition`. It never changes.
    pub code: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Finds the request in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The fields that are invalid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The present state, when it is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The actions that are possible in the present state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<Vec<String>>,
    /// The current version, when `If-Match` was another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// How long to wait before the same request may succeed, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<i64>,
}

impl Problem {
    /// A problem with the status's standard title. It is retryable for 429, 500, 503 and 504.
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
            wait_ms: None,
        }
    }

    /// A problem with the status 400.
    #[must_use]
    pub fn bad_request(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// As an answer to be stored with an idempotency key.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer { status: self.status, body: serde_json::to_value(self).unwrap_or_default(), replayed: false }
    }

    /// A refusal as an answer to be stored, for [`crate::idempotency::once`].
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
            let wait_s = self.wait_ms.map_or(1, |ms| ms.max(0).unsigned_abs().div_ceil(1_000).max(1));
            response.insert_header((header::RETRY_AFTER, wait_s.to_string()));
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
            Refusal::TooEarly { code, state, allowed, wait_ms, .. } => Self {
                title: "Not possible yet".to_owned(),
                state: Some(state.clone()),
                allowed_actions: Some(allowed.clone()),
                wait_ms: Some(*wait_ms),
                retryable: true,
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
                tracing::warn!(code, error = format!("{source:#}"), "refused: a dependency does not answer");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_wait_is_told_in_whole_seconds() {
        let wait = |wait_ms: i64| {
            let (code, detail, state) = ("too_early", "not yet".to_owned(), "open".to_owned());
            let refusal = Refusal::TooEarly { code, detail, state, allowed: Vec::new(), wait_ms };
            assert!(!refusal.is_deterministic(), "the same key may be used again");
            let response = Problem::from(&refusal).error_response();
            assert_eq!(response.status(), StatusCode::CONFLICT);
            response.headers().get(header::RETRY_AFTER).and_then(|h| h.to_str().ok()).map(str::to_owned)
        };
        assert_eq!([0, 1, 1_000, 211_001].map(wait), ["1", "1", "1", "212"].map(|s| Some(s.to_owned())));
    }
}
