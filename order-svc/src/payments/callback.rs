//! Callbacks of the gateway: who signed one, and which payment it is about. They only wake the reconciler, which asks the
//! gateway itself; so one that is late, early, repeated or lost changes nothing.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use pannier_contracts::PaymentId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::Sha256;

/// The header with the signature: `t=SECONDS,v1=HEX`, an HMAC-SHA256 over the time, a dot and the body.
pub const SIGNATURE: &str = "Gateway-Signature";
/// A signature of another time, in seconds, does not count: a recorded callback cannot be sent again for ever.
const MAX_AGE_S: u64 = 300;

/// What a callback tells. It has more, which is not believed.
#[derive(Debug, Clone, Deserialize)]
pub struct Callback {
    /// The payment.
    pub reference: PaymentId,
}

/// Why a callback is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    /// There is no signature, or it cannot be read.
    #[error("a callback has a header Gateway-Signature: t=SECONDS,v1=HEX")]
    Unsigned,
    /// It was made with another key, or for another body or time.
    #[error("the signature is not of this body")]
    Forged,
    /// It is too old, or from the future.
    #[error("the signature is of another time")]
    Expired,
}

/// Knows the secret that callbacks are signed with.
#[derive(Debug)]
pub struct CallbackVerifier {
    secret: SecretString,
}

impl CallbackVerifier {
    /// A verifier with the secret that the gateway has, too.
    #[must_use]
    pub fn new(secret: SecretString) -> Self {
        Self { secret }
    }

    /// Checks the signature of a body that arrived at `now`.
    ///
    /// # Errors
    /// [`NotOurs`].
    pub fn verify(&self, signature: Option<&str>, body: &[u8], now: DateTime<Utc>) -> Result<(), NotOurs> {
        let signature = signature.ok_or(NotOurs::Unsigned)?;
        let part = |name| signature.split(',').filter_map(|part| part.split_once('=')).find(|(n, _)| *n == name);
        let (at, v1) = part("t").zip(part("v1")).map(|((_, at), (_, v1))| (at, v1)).ok_or(NotOurs::Unsigned)?;
        let seconds: i64 = at.parse().map_err(|_| NotOurs::Unsigned)?;
        let signed = hex::decode(v1).map_err(|_| NotOurs::Unsigned)?;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.secret.expose_secret().as_bytes()).map_err(|_| NotOurs::Forged)?;
        mac.update(at.as_bytes());
        mac.update(b".");
        mac.update(body);
        // Compares in constant time.
        mac.verify_slice(&signed).map_err(|_| NotOurs::Forged)?;
        if now.timestamp().abs_diff(seconds) > MAX_AGE_S { Err(NotOurs::Expired) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1764264000.{}' | openssl dgst -sha256 -hmac secret`
    const SIGNED: &str = "t=1764264000,v1=06dc446145cf2997043f33636ce172fd4d0c3beb48c063dc3d10c5a041d698fe";

    #[test]
    fn only_a_fresh_signature_of_this_body_counts() {
        let verifier = CallbackVerifier::new("secret".into());
        let at = |seconds: i64| DateTime::from_timestamp(1_764_264_000 + seconds, 0).unwrap();
        let verify =
            |signature: &str, body: &str, seconds| verifier.verify(Some(signature), body.as_bytes(), at(seconds));
        assert_eq!(verify(SIGNED, "{}", 0), Ok(()));
        assert_eq!(verify(SIGNED, "{}", 300), Ok(()));
        assert_eq!(verify(SIGNED, "{}", 301), Err(NotOurs::Expired));
        assert_eq!(verify(SIGNED, "{}", -301), Err(NotOurs::Expired));
        assert_eq!(verify(SIGNED, "{ }", 0), Err(NotOurs::Forged));
        assert_eq!(verify(&SIGNED.replace("t=1764264000", "t=1764264001"), "{}", 0), Err(NotOurs::Forged));
        assert_eq!(verify("t=1764264000,v1=zz", "{}", 0), Err(NotOurs::Unsigned));
        assert_eq!(verify("v1=00", "{}", 0), Err(NotOurs::Unsigned));
        assert_eq!(verifier.verify(None, b"{}", at(0)), Err(NotOurs::Unsigned));
        assert_eq!(CallbackVerifier::new("other".into()).verify(Some(SIGNED), b"{}", at(0)), Err(NotOurs::Forged));
    }
}
