//! TLS: which certificates a process trusts, which one it shows, and how both are renewed while it runs.
//!
//! Certificates and keys are PEM files. Every handshake looks at the times of its files and reads them again when they have
//! changed. Files that cannot be read leave those from before in use, with a warning, so that a renewal that is half written
//! breaks nothing. Sessions are not resumed: every connection is checked against the files of its time.
//!
//! Without a file of CAs the machine's own trust store is asked. It is read once, by the first handshake that needs it.

mod files;
mod identity;
mod peers;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use anyhow::Context as _;
use rustls::ClientConfig;
pub use rustls::ServerConfig;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
pub use tokio_rustls::client::TlsStream;

use crate::identity::Identity;
use crate::peers::Peers;

/// Paths of PEM files. An empty path is not set. Errors name a file as the services' settings do: `tls_ca`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The CAs that peers are verified against, and no others.
    pub ca: PathBuf,
    /// The certificate that peers are shown when they ask for one, with its intermediates.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Files {
    /// From `{PREFIX}_TLS_CA`, `{PREFIX}_TLS_CERT` and `{PREFIX}_TLS_KEY` in the environment.
    #[must_use]
    pub fn from_env(prefix: &str) -> Self {
        let path = |name: &str| PathBuf::from(std::env::var_os(format!("{prefix}_TLS_{name}")).unwrap_or_default());
        Self { ca: path("CA"), cert: path("CERT"), key: path("KEY") }
    }
}

/// How a process speaks TLS to its peers. Clones share what was read. The default trusts the machine's CAs, and shows no
/// certificate.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When a file cannot be used, or only one of certificate and key is set; the error names the setting.
    pub fn new(files: &Files) -> anyhow::Result<Self> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .dangerous()
            // Not dangerous here: it hands every certificate to the verifier of rustls, with the CAs of the moment.
            .with_custom_certificate_verifier(Arc::new(Peers::new(&files.ca)?));
        let mut config = match Identity::new(&files.cert, &files.key, "")? {
            Some(identity) => config.with_client_cert_resolver(Arc::new(identity)),
            None => config.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }

    /// Opens a TLS session over `socket`. The peer's certificate has to be valid for `host`, a name or an IP address.
    ///
    /// # Errors
    /// When the peer is refused or refuses; the error says why.
    pub async fn connect<S>(&self, host: &str, socket: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?} is no host name for TLS")))?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, socket).await
    }

    /// A builder of HTTP clients that speak TLS like this. Every client of the project is made with it: one that is made
    /// otherwise reads the machine's trust store when it is made, and fails where there is none.
    pub fn http(&self) -> reqwest::ClientBuilder {
        reqwest::Client::builder().tls_backend_preconfigured(self.config())
    }

    /// The same for libraries that take a configuration of rustls.
    #[must_use]
    pub fn config(&self) -> ClientConfig {
        ClientConfig::clone(&self.0)
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::new(&Files::default()).expect("no file is read, and ring knows the safe versions")
    }
}

/// What a port serves TLS with: a certificate with its intermediates and its key, both PEM. `None` when neither is set.
///
/// # Errors
/// When a file cannot be used, or only one of the two is set; the error names the setting, `http_tls_cert` or `http_tls_key`.
pub fn server(cert: &Path, key: &Path) -> anyhow::Result<Option<ServerConfig>> {
    let Some(identity) = Identity::new(cert, key, "http_")? else { return Ok(None) };
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("TLS cannot be served")?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(identity));
    Ok(Some(config))
}

/// ring. It becomes the process's default, too, for libraries that ask for one.
fn provider() -> Arc<CryptoProvider> {
    static RING: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        // When the process has another default already, that one stays. Nothing of ours asks for it.
        let _ = ring::default_provider().install_default();
        Arc::new(ring::default_provider())
    });
    Arc::clone(&RING)
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests;
