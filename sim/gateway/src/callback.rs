//! Callbacks: a signed POST that says that an operation was decided. Best effort, and never the only way to learn of it.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use chrono::Utc;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use uuid::Uuid;

use crate::misbehaviour::Delivery;
use crate::operation::Operation;
use crate::settings::CallbackSettings;
use crate::signature;

/// The receiver's time for one attempt.
const TIMEOUT: Duration = Duration::from_secs(3);
/// After 200 ms, 1 s and 5 s.
const RETRY: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_factor(5.0)
    .with_max_delay(Duration::from_secs(5))
    .with_max_times(3);

/// Sends callbacks to one receiver.
pub struct Callbacks {
    http: reqwest::Client,
    url: String,
    secret: SecretString,
}

impl Callbacks {
    /// A sender with these settings.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: &CallbackSettings) -> anyhow::Result<Self> {
        let http = settings.tls.http().timeout(TIMEOUT).build()?;
        Ok(Self { http, url: settings.url.clone(), secret: settings.secret.clone() })
    }

    /// Sends the callback of an operation that was just decided, in the background. Returns when it may be answered: at
    /// once, except for [`Delivery::Early`].
    pub async fn announce(self: &Arc<Self>, operation: &Operation, delivery: Delivery) {
        let body = json!({
            "id": format!("evt_{}", Uuid::now_v7().simple()), "key": operation.key, "kind": operation.request.kind,
            "reference": operation.request.reference, "status": operation.status, "at": operation.at,
        });
        let (this, body, key) = (Arc::clone(self), body.to_string(), operation.key.clone());
        let sending = tokio::spawn(async move {
            let sent = match delivery {
                Delivery::None => Ok(()),
                Delivery::Once | Delivery::Early => this.send(&body).await,
                Delivery::Twice => match this.send(&body).await {
                    Ok(()) => this.send(&body).await,
                    failed => failed,
                },
                Delivery::Forged => this.post(&body, b"not the secret").await,
            };
            if let Err(e) = sent {
                tracing::warn!("The callback of {key} was not taken: {e}");
            }
        });
        if delivery == Delivery::Early {
            // A receiver that does not answer must not keep the caller waiting for all attempts.
            let _ = tokio::time::timeout(TIMEOUT, sending).await;
        }
    }

    async fn send(&self, body: &str) -> reqwest::Result<()> {
        (|| self.post(body, self.secret.expose_secret().as_bytes())).retry(RETRY).await
    }

    async fn post(&self, body: &str, secret: &[u8]) -> reqwest::Result<()> {
        let signature = signature::sign(secret, body.as_bytes(), Utc::now().timestamp());
        let request = self.http.post(&self.url).header(signature::HEADER, signature);
        let sent = request.header(CONTENT_TYPE, "application/json").body(body.to_owned()).send().await?;
        sent.error_for_status().map(drop)
    }
}
