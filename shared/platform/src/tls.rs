//! The TLS settings of a service. Its URLs decide where TLS is spoken: `sslmode=require` or `verify-full` of `database_url`,
//! `amqps://`, `rediss://`, `https://`.

use std::path::PathBuf;

pub use pannier_tls::{Files, ServerConfig, Tls, TlsStream};
use serde::Deserialize;

/// Paths of PEM files. An empty path is not set.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct TlsSettings {
    /// [`Files::ca`].
    #[serde(default)]
    pub tls_ca: PathBuf,
    /// [`Files::cert`].
    #[serde(default)]
    pub tls_cert: PathBuf,
    /// [`Files::key`].
    #[serde(default)]
    pub tls_key: PathBuf,
    /// The certificate that the public port serves TLS with, with its intermediates.
    #[serde(default)]
    pub http_tls_cert: PathBuf,
    /// Its private key.
    #[serde(default)]
    pub http_tls_key: PathBuf,
}

impl TlsSettings {
    /// How the service speaks TLS to PostgreSQL, RabbitMQ, Redis, the gateway and other services.
    ///
    /// # Errors
    /// When a file cannot be used, or only one of certificate and key is set; the error names the setting.
    pub fn peers(&self) -> anyhow::Result<Tls> {
        Tls::new(&Files { ca: self.tls_ca.clone(), cert: self.tls_cert.clone(), key: self.tls_key.clone() })
    }

    /// What the public port serves TLS with; `None` when it serves plain HTTP.
    ///
    /// # Errors
    /// As [`Self::peers`].
    pub fn server(&self) -> anyhow::Result<Option<ServerConfig>> {
        pannier_tls::server(&self.http_tls_cert, &self.http_tls_key)
    }
}
