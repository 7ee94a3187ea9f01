//! Signatures of callbacks: `t=1764264000,v1=9f86d0…`, an HMAC-SHA256 over the time and the body.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The header of a callback that has its signature.
pub const HEADER: &str = "Gateway-Signature";
/// Seconds between a signature's time and the receiver's, in either direction, after which it does not count any more.
pub const MAX_AGE_S: i64 = 300;

/// Why a callback is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// There is no `t` or no `v1`, or they are no number and no hex digits.
    #[error("the signature is not of the form t=SECONDS,v1=HEX")]
    Malformed,
    /// The time is too far from now.
    #[error("the signature is too old, or from the future")]
    Expired,
    /// It was made with another secret, for another body or at another time.
    #[error("the signature is of another secret or another body")]
    Mismatch,
}

/// The header's value for a body that is sent at `now`, seconds since 1970.
#[must_use]
pub fn sign(secret: &[u8], body: &[u8], now: i64) -> String {
    format!("t={now},v1={}", hex::encode(mac(secret, body, now).finalize().into_bytes()))
}

/// Checks the header's value for a body that arrived at `now`, seconds since 1970. Parts with other names are ignored.
///
/// # Errors
/// [`Invalid`]: the callback must be ignored.
pub fn verify(secret: &[u8], header: &str, body: &[u8], now: i64) -> Result<(), Invalid> {
    let part = |name: &str| header.split(',').filter_map(|part| part.split_once('=')).find(|(n, _)| *n == name);
    let at: i64 = part("t").and_then(|(_, t)| t.parse().ok()).ok_or(Invalid::Malformed)?;
    let signed = part("v1").and_then(|(_, v1)| hex::decode(v1).ok()).ok_or(Invalid::Malformed)?;
    // In constant time: the time of a comparison must not tell how many bytes were right.
    mac(secret, body, at).verify_slice(&signed).map_err(|_| Invalid::Mismatch)?;
    if now.abs_diff(at) > MAX_AGE_S.unsigned_abs() { Err(Invalid::Expired) } else { Ok(()) }
}

fn mac(secret: &[u8], body: &[u8], at: i64) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(at.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_764_264_000;
    const SECRET: &[u8] = b"secret";

    #[test]
    fn what_was_signed_is_verified() {
        let header = sign(SECRET, b"{}", NOW);
        assert_eq!(verify(SECRET, &header, b"{}", NOW), Ok(()));
        assert_eq!(verify(SECRET, &format!("{header},v2=new"), b"{}", NOW), Ok(()), "other parts are ignored");
        assert_eq!(verify(b"another", &header, b"{}", NOW), Err(Invalid::Mismatch));
        assert_eq!(verify(SECRET, &header, b"{ }", NOW), Err(Invalid::Mismatch));
        let postponed = header.replace(&NOW.to_string(), &(NOW + 1).to_string());
        assert_eq!(verify(SECRET, &postponed, b"{}", NOW), Err(Invalid::Mismatch), "the time is signed, too");
    }

    /// So that another implementation can be checked: `printf '1764264000.{}' | openssl dgst -sha256 -hmac secret`.
    #[test]
    fn the_form_is_a_contract() {
        let hex = "06dc446145cf2997043f33636ce172fd4d0c3beb48c063dc3d10c5a041d698fe";
        assert_eq!(sign(SECRET, b"{}", NOW), format!("t=1764264000,v1={hex}"));
    }

    #[test]
    fn a_signature_counts_for_five_minutes() {
        let header = sign(SECRET, b"{}", NOW);
        for (now, expected) in [
            (NOW + 300, Ok(())),
            (NOW - 300, Ok(())),
            (NOW + 301, Err(Invalid::Expired)),
            (NOW - 301, Err(Invalid::Expired)),
            (i64::MIN, Err(Invalid::Expired)),
        ] {
            assert_eq!(verify(SECRET, &header, b"{}", now), expected, "{now}");
        }
    }

    #[test]
    fn what_is_no_signature_says_so() {
        for header in ["", "t=1,v1=", "t=1", "v1=00", "t=one,v1=00", "t=1,v1=zz", "nonsense"] {
            let expected = if header == "t=1,v1=" { Invalid::Mismatch } else { Invalid::Malformed };
            assert_eq!(verify(SECRET, header, b"{}", NOW), Err(expected), "{header}");
        }
    }
}
