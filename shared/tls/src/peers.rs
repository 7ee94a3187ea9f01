//! Whom a process trusts.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::files::{self, Watched};
use crate::{is_set, provider};

/// Verifies peers against the CAs of a file, or of the machine. Certificate and host name are checked by rustls.
#[derive(Debug)]
pub(crate) enum Peers {
    File(Watched<WebPkiServerVerifier>),
    /// Empty until the first handshake: a process that speaks no TLS needs no trust store.
    Machine(OnceLock<Arc<WebPkiServerVerifier>>),
}

impl Peers {
    /// Trusts the CAs of this file; the machine's when it is not set.
    ///
    /// # Errors
    /// When the file cannot be used; the error names the setting.
    pub(crate) fn new(ca: &Path) -> anyhow::Result<Self> {
        if !is_set(ca) {
            return Ok(Self::Machine(OnceLock::new()));
        }
        let ca = ca.to_owned();
        let paths = vec![ca.clone()];
        let read = move || {
            let verifier = files::certificates(&ca).and_then(|certificates| {
                let mut trusted = RootCertStore::empty();
                certificates.into_iter().try_for_each(|certificate| trusted.add(certificate))?;
                verifier_of(trusted)
            });
            verifier.with_context(|| format!("tls_ca names {}, which cannot be used", ca.display()))
        };
        Ok(Self::File(Watched::new(paths, read)?))
    }

    fn verifier(&self) -> Result<Arc<WebPkiServerVerifier>, Error> {
        match self {
            Self::File(watched) => Ok(watched.current()),
            Self::Machine(read) => match read.get() {
                Some(verifier) => Ok(Arc::clone(verifier)),
                None => {
                    let verifier = of_machine().map_err(|e| Error::General(format!("{e:#}")))?;
                    Ok(Arc::clone(read.get_or_init(|| verifier)))
                }
            },
        }
    }
}

fn verifier_of(trusted: RootCertStore) -> anyhow::Result<Arc<WebPkiServerVerifier>> {
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(trusted), provider()).build()?)
}

/// Trust stores have entries that are older than today's rules; those are left out.
fn of_machine() -> anyhow::Result<Arc<WebPkiServerVerifier>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a part of this machine's trust store cannot be read");
    }
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(found.certs);
    anyhow::ensure!(!trusted.is_empty(), "this machine trusts no CA: name a file of CAs in the setting tls_ca");
    verifier_of(trusted)
}

impl ServerCertVerifier for Peers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
