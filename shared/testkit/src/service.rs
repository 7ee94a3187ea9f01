//! What every service under test is told, and the tokens that it accepts.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use pannier_platform::auth::{Role, Signer};
use pannier_platform::{Namespace, TlsSettings, service};
use secrecy::SecretString;

/// The key of this test process, and the file with its public half.
fn signer() -> &'static (Signer, PathBuf) {
    static SIGNER: OnceLock<(Signer, PathBuf)> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("pannier-tests-{}", std::process::id()));
        (Signer::load_or_create(&dir).expect("a key can be made"), dir.join("jwks.json"))
    })
}

/// The settings of a service with its database at `database_url`: a port of its own, and tokens from [`token`].
///
/// # Panics
/// When no key can be made.
#[must_use]
pub fn settings(database_url: &str, amqp_url: &str, namespace: &Namespace) -> service::Settings {
    service::Settings {
        http_bind: "127.0.0.1:0".to_owned(),
        admin_bind: "127.0.0.1:0".to_owned(),
        drain_s: 0,
        http_workers: 1,
        instance: String::new(),
        keep_days: 90,
        keep_answers_hours: 48,
        database_url: SecretString::from(database_url.to_owned()),
        pool_size: 12,
        amqp_url: SecretString::from(amqp_url.to_owned()),
        namespace: namespace.clone(),
        auth_jwks: signer().1.display().to_string(),
        tls: TlsSettings::default(),
    }
}

/// A token that the services under test accept.
///
/// # Panics
/// When it cannot be signed.
#[must_use]
pub fn token(role: Role, subject: &str, ttl: Duration) -> String {
    signer().0.mint(role, subject, ttl).expect("it can be signed")
}
