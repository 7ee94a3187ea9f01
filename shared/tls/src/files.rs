//! Files that are read again when they have changed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// When a file was changed last, and its length; `None` when there is no such file.
type Stamp = Option<(SystemTime, u64)>;

/// What was read from files.
pub(crate) struct Watched<T> {
    paths: Vec<PathBuf>,
    read: Box<dyn Fn() -> anyhow::Result<Arc<T>> + Send + Sync>,
    newest: Mutex<(Vec<Stamp>, Arc<T>)>,
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.paths).finish()
    }
}

impl<T> Watched<T> {
    /// Reads `paths` with `read`.
    ///
    /// # Errors
    /// What `read` returns.
    pub(crate) fn new(
        paths: Vec<PathBuf>,
        read: impl Fn() -> anyhow::Result<Arc<T>> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        // Looked at first: whatever is written while the files are read shows in the next look.
        let stamps = stamps(&paths);
        let newest = Mutex::new((stamps, read()?));
        Ok(Self { paths, read: Box::new(read), newest })
    }

    /// What is in the files now; what was in them before, if they cannot be read now.
    pub(crate) fn current(&self) -> Arc<T> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.paths);
        if stamps != newest.0 {
            match (self.read)() {
                Ok(value) => {
                    tracing::info!("certificates have changed and were read again: {:?}", self.paths);
                    newest.1 = value;
                }
                Err(e) => tracing::warn!(
                    error = format!("{e:#}"),
                    "certificates have changed and cannot be read; those from before stay in use: {:?}",
                    self.paths
                ),
            }
            // Also after an error: the same files are not tried again.
            newest.0 = stamps;
        }
        Arc::clone(&newest.1)
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let file = fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len()))
    };
    paths.iter().map(stamp).collect()
}

/// The certificates of a PEM file, at least one.
///
/// # Errors
/// When the file cannot be read or has none.
pub(crate) fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let pem = fs::read(path)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().context("this is not PEM")?;
    anyhow::ensure!(!found.is_empty(), "there is no certificate in it");
    Ok(found)
}

/// The private key of a PEM file.
///
/// # Errors
/// When the file cannot be read or has none.
pub(crate) fn private_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let pem = fs::read(path)?;
    PrivateKeyDer::from_pem_slice(&pem).context("there is no private key in it")
}
