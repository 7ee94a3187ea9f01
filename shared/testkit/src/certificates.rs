//! Certificates of CAs that exist for one test.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use uuid::Uuid;

/// A CA.
#[derive(Debug)]
pub struct Authority {
    /// Its certificate, PEM.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A CA of this name.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a CA signs itself").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for this host name or IP address, and its key, both PEM.
    ///
    /// # Panics
    /// When the name is not valid.
    #[must_use]
    pub fn issue(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a host name");
        (params.signed_by(&key, &self.issuer).expect("it is signed").pem(), key.serialize_pem())
    }
}

/// The PEM files of one process, in a folder that is deleted with this value.
#[derive(Debug)]
pub struct CertificateFiles(PathBuf);

impl CertificateFiles {
    /// A process that trusts one CA, and shows a certificate for 127.0.0.1 that another one has issued.
    ///
    /// # Panics
    /// When there is no room for files.
    #[must_use]
    pub fn new(trusted: &Authority, issuer: &Authority) -> Self {
        let folder = std::env::temp_dir().join(format!("pannier-certificates-{}", Uuid::now_v7().simple()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let files = Self(folder);
        files.renew(trusted, issuer);
        files
    }

    /// Replaces all files, each as a whole.
    ///
    /// # Panics
    /// When there is no room for files.
    pub fn renew(&self, trusted: &Authority, issuer: &Authority) {
        let (cert, key) = issuer.issue("127.0.0.1");
        for (path, pem) in [(self.ca(), &trusted.pem), (self.cert(), &cert), (self.key(), &key)] {
            let beside = path.with_extension("new");
            fs::write(&beside, pem).expect("a file can be written");
            fs::rename(&beside, &path).expect("a file can be replaced");
        }
    }

    /// The CA that it trusts.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The certificate that it shows.
    #[must_use]
    pub fn cert(&self) -> PathBuf {
        self.0.join("cert.pem")
    }

    /// The key of that certificate.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }
}

impl Drop for CertificateFiles {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
