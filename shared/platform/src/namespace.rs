//! The prefix by which two platforms share the same servers.

/// Prefix of exchanges, queues and Redis keys: 1 to 40 of `a-z`, `0-9`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Namespace(String);

impl TryFrom<String> for Namespace {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let fits = (1..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        if fits { Ok(Self(text)) } else { Err(format!("{text:?} is not a namespace: 1 to 40 of a-z, 0-9, _ and -")) }
    }
}

impl Namespace {
    /// `{namespace}.{name}`.
    #[must_use]
    pub fn of(&self, name: &str) -> String {
        format!("{}.{name}", self.0)
    }

    /// Without a name after it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
