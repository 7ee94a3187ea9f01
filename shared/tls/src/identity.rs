//! The certificate that a process shows.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::files::{self, Watched};
use crate::{is_set, provider};

/// A certificate with its intermediates, and its key.
#[derive(Debug)]
pub(crate) struct Identity(Watched<CertifiedKey>);

impl Identity {
    /// Reads both files; `None` when neither is set. `prefix` is what the settings' names begin with.
    ///
    /// # Errors
    /// When a file cannot be used, or only one is set; the error names the setting.
    pub(crate) fn new(cert: &Path, key: &Path, prefix: &'static str) -> anyhow::Result<Option<Self>> {
        match (is_set(cert), is_set(key)) {
            (false, false) => return Ok(None),
            (true, true) => {}
            (true, false) => anyhow::bail!("{prefix}tls_cert is set and {prefix}tls_key is not: set both, or neither"),
            (false, true) => anyhow::bail!("{prefix}tls_key is set and {prefix}tls_cert is not: set both, or neither"),
        }
        let (cert, key) = (cert.to_owned(), key.to_owned());
        let paths = vec![cert.clone(), key.clone()];
        let read = move || {
            let chain = files::certificates(&cert)
                .with_context(|| format!("{prefix}tls_cert names {}, which cannot be used", cert.display()))?;
            let private = files::private_key(&key)
                .with_context(|| format!("{prefix}tls_key names {}, which cannot be used", key.display()))?;
            let pair = CertifiedKey::from_der(chain, private, &provider())
                .with_context(|| format!("{prefix}tls_cert and {prefix}tls_key do not belong together"))?;
            Ok(Arc::new(pair))
        };
        Ok(Some(Self(Watched::new(paths, read)?)))
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current())
    }
}
