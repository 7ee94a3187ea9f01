//! `pannier token`: a bearer token, signed with the data folder's key.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use pannier_platform::auth::{Role, Signer};
use uuid::Uuid;

use crate::failure::Failure;
use pannier_devenv::data_dir::DataDir;
use pannier_devenv::ui;

/// A role, as the command line takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum RoleArg {
    Customer,
    Merchant,
    Rider,
    Ops,
}

impl RoleArg {
    /// The role.
    pub fn role(self) -> Role {
        match self {
            Self::Customer => Role::Customer,
            Self::Merchant => Role::Merchant,
            Self::Rider => Role::Rider,
            Self::Ops => Role::Ops,
        }
    }
}

/// Prints a token.
///
/// # Errors
/// The subject does not fit the role, or the data folder cannot be written.
pub fn run(data: &Path, role: Role, subject: Option<String>, ttl: Duration) -> Result<()> {
    let subject = match subject {
        Some(subject) => checked(role, subject)?,
        None => hand(role),
    };
    let signer = Signer::load_or_create(&DataDir::at(data).path("keys"))?;
    ui::answer(&signer.mint(role, &subject, ttl)?);
    Ok(())
}

/// The subject of a token when none is given: one fixed customer, shop and rider, for calls made by hand.
pub fn hand(role: Role) -> String {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("pannier:hand:{role}").as_bytes());
    match prefix(role) {
        Some(prefix) => format!("{prefix}_{}", id.simple()),
        None => "hand".to_owned(),
    }
}

/// Reads `90s`, `15m`, `12h`, or seconds.
///
/// # Errors
/// The text is none of these, or zero.
pub fn parse_ttl(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, text.as_bytes()[text.len() - 1]),
        None => (text, b's'),
    };
    let factor = match unit {
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        _ => 1,
    };
    let seconds = number.parse::<u32>().ok().filter(|n| *n > 0).ok_or("expected a time like 90s, 15m or 12h")?;
    Ok(Duration::from_secs(u64::from(seconds) * factor))
}

fn prefix(role: Role) -> Option<&'static str> {
    match role {
        Role::Customer => Some("cus"),
        Role::Merchant => Some("mer"),
        Role::Rider => Some("rdr"),
        Role::Ops => None,
    }
}

fn checked(role: Role, subject: String) -> Result<String> {
    let Some(prefix) = prefix(role) else { return Ok(subject) };
    let is_id = subject
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .is_some_and(|rest| rest.len() == 32 && Uuid::try_parse(rest).is_ok());
    if is_id {
        Ok(subject)
    } else {
        Err(Failure::usage(format!("the subject of a {role} is its id: {prefix}_ and 32 hex digits")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read() {
        for (text, seconds) in [("90s", Some(90)), ("15m", Some(900)), ("12h", Some(43_200)), ("7", Some(7))] {
            assert_eq!(parse_ttl(text).ok().map(|ttl| ttl.as_secs()), seconds);
        }
        for text in ["", "m", "-1s", "0", "1w", "1.5h", "é"] {
            assert!(parse_ttl(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_subject_fits_its_role() {
        for role in [Role::Customer, Role::Merchant, Role::Rider, Role::Ops] {
            assert!(checked(role, hand(role)).is_ok());
        }
        assert!(checked(Role::Rider, hand(Role::Customer)).is_err());
        assert!(checked(Role::Rider, "me".to_owned()).is_err());
    }
}
