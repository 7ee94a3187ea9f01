//! Bearer tokens: JWTs signed with EdDSA, checked against a JWKS. There is no issuer process: `pannier up` makes the key and
//! signs tokens.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use pannier_contracts::Role;

use crate::Tls;

const ISSUER: &str = "pannier";

/// The claims of a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// `cus_…`, `mer_…`, `rdr_…`, or any name for ops.
    pub sub: String,
    /// The API that it is for.
    pub role: Role,
    /// The issuer, `pannier`.
    pub iss: String,
    /// When it expires, seconds since 1970.
    pub exp: i64,
    /// When it was issued, seconds since 1970.
    pub iat: i64,
}

/// How long an expired token is accepted, because clocks differ.
const LEEWAY_S: i64 = 60;
/// The most tokens whose signature check is cached. With one more the cache is emptied.
const MAX_CACHED: usize = 20_000;

/// Checks tokens. Clones share the cache.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<(String, DecodingKey)>,
    /// Tokens whose signature is valid.
    checked: Arc<RwLock<HashMap<String, Claims>>>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(kid, _)| kid)).finish()
    }
}

impl Verifier {
    /// Reads a JWKS from a file or an `http://` or `https://` URL, once.
    ///
    /// # Errors
    /// When it cannot be read, or a key of it cannot be used.
    pub async fn load(source: &str, tls: &Tls) -> anyhow::Result<Self> {
        let text = if source.starts_with("http://") || source.starts_with("https://") {
            let fetched = fetch(source, tls).await;
            fetched.with_context(|| format!("AUTH_JWKS names {source}, which cannot be read"))?
        } else {
            std::fs::read_to_string(source)
                .with_context(|| format!("AUTH_JWKS names {source}, which cannot be read"))?
        };
        let set: JwkSet = serde_json::from_str(&text).with_context(|| format!("{source} is not a JWKS"))?;
        let mut keys = Vec::new();
        for jwk in &set.keys {
            let kid = jwk.common.key_id.clone().context("a key of the JWKS has no kid")?;
            keys.push((kid, DecodingKey::from_jwk(jwk).context("a key of the JWKS cannot be used")?));
        }
        anyhow::ensure!(!keys.is_empty(), "{source} holds no key");
        Ok(Self { keys, checked: Arc::default() })
    }

    /// The claims of a valid token; `None` for any other. A signature is checked once, as keys do not change while the process
    /// runs.
    #[must_use]
    pub fn check(&self, token: &str) -> Option<Claims> {
        let known = self.checked.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
        if let Some(claims) = known {
            return (chrono::Utc::now().timestamp() <= claims.exp + LEEWAY_S).then_some(claims);
        }
        let claims = self.check_signature(token)?;
        let mut checked = self.checked.write().unwrap_or_else(PoisonError::into_inner);
        if checked.len() >= MAX_CACHED {
            checked.clear();
        }
        checked.insert(token.to_owned(), claims.clone());
        Some(claims)
    }

    fn check_signature(&self, token: &str) -> Option<Claims> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let (_, key) = self.keys.iter().find(|(known, _)| *known == kid)?;
        // The token's own `alg` is not trusted.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = LEEWAY_S.cast_unsigned();
        jsonwebtoken::decode::<Claims>(token, key, &validation).ok().map(|t| t.claims)
    }
}

async fn fetch(url: &str, tls: &Tls) -> reqwest::Result<String> {
    let client = tls.http().timeout(Duration::from_secs(10)).build()?;
    client.get(url).send().await?.error_for_status()?.text().await
}

/// Signs tokens. For development and tests.
#[derive(Clone)]
pub struct Signer {
    kid: String,
    key: EncodingKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.kid)
    }
}

impl Signer {
    /// Loads the key in `dir/private.pem`, which is created on first use and readable by its owner only. Writes the public key
    /// to `dir/jwks.json`.
    ///
    /// # Errors
    /// When the folder cannot be written or the key cannot be read.
    pub fn load_or_create(dir: &Path) -> anyhow::Result<Self> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        std::fs::create_dir_all(dir)?;
        let path = dir.join("private.pem");
        if !path.exists() {
            let seed: [u8; 32] = rand::random();
            let pem = SigningKey::from_bytes(&seed).to_pkcs8_pem(LineEnding::LF).context("cannot encode the key")?;
            // Written to a file of its own and linked: two processes that start together get the same whole key.
            let aside = dir.join(format!("private.pem.{}", std::process::id()));
            let mut file =
                std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&aside)?;
            file.write_all(pem.as_bytes())?;
            if std::fs::hard_link(&aside, &path).is_err() && !path.exists() {
                anyhow::bail!("cannot write {}", path.display());
            }
            std::fs::remove_file(&aside)?;
        }
        let pem = std::fs::read_to_string(&path)?;
        let key = SigningKey::from_pkcs8_pem(&pem).with_context(|| format!("{} is not a key", path.display()))?;
        let public = key.verifying_key().to_bytes();
        let kid = URL_SAFE_NO_PAD.encode(&Sha256::digest(public)[..9]);
        let jwks = serde_json::json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": URL_SAFE_NO_PAD.encode(public),
        }]});
        std::fs::write(dir.join("jwks.json"), serde_json::to_vec_pretty(&jwks)?)?;
        let der = key.to_pkcs8_der().context("cannot encode the key")?;
        Ok(Self { kid, key: EncodingKey::from_ed_der(der.as_bytes()) })
    }

    /// Signs a token for `subject` in `role` that is valid for `ttl`.
    ///
    /// # Errors
    /// When signing fails.
    pub fn mint(&self, role: Role, subject: &str, ttl: Duration) -> anyhow::Result<String> {
        let now = chrono::Utc::now().timestamp();
        let claims = Claims {
            sub: subject.to_owned(),
            role,
            iss: ISSUER.to_owned(),
            iat: now,
            exp: now + i64::try_from(ttl.as_secs())?,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        Ok(jsonwebtoken::encode(&header, &claims, &self.key)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_our_own_unexpired_tokens_pass() {
        let dir = std::env::temp_dir().join(format!("pannier-auth-{}", uuid::Uuid::now_v7()));
        let (ours, theirs) =
            (Signer::load_or_create(&dir.join("a")).unwrap(), Signer::load_or_create(&dir.join("b")).unwrap());
        let verifier = Verifier::load(dir.join("a/jwks.json").to_str().unwrap(), &Tls::default()).await.unwrap();
        let hour = Duration::from_secs(3600);
        let good = ours.mint(Role::Rider, "rdr_x", hour).unwrap();
        assert_eq!(verifier.check(&good).unwrap().sub, "rdr_x");
        assert!(verifier.check(&theirs.mint(Role::Rider, "rdr_x", hour).unwrap()).is_none(), "foreign key");
        let again = Signer::load_or_create(&dir.join("a")).unwrap();
        assert!(verifier.check(&again.mint(Role::Ops, "me", hour).unwrap()).is_some(), "the key is kept");
        let parts: Vec<_> = good.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","kid":"x"}"#);
        for bad in
            [format!("{none}.{}.", parts[1]), format!("{}.{}.AAAA", parts[0], parts[1]), String::new(), "a.b.c".into()]
        {
            assert!(verifier.check(&bad).is_none(), "{bad}");
        }
        let expired = Claims { sub: "x".into(), role: Role::Ops, iss: ISSUER.into(), exp: 1_000_000, iat: 1 };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(ours.kid.clone());
        assert!(verifier.check(&jsonwebtoken::encode(&header, &expired, &ours.key).unwrap()).is_none(), "expired");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
