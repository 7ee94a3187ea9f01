//! Settings of the gateway, from the environment.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use pannier_tls::{Files, Tls};
use secrecy::{ExposeSecret as _, SecretString};

/// More than the five seconds after which order-svc gives up.
const LATE: Duration = Duration::from_secs(8);

/// Settings of one gateway.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of the journal; made when it is missing.
    pub data_dir: PathBuf,
    /// The bearer token of the payment API.
    pub api_key: SecretString,
    /// The bearer token of `/v1/control`.
    pub control_key: SecretString,
    /// Who is told about operations; none means nobody.
    pub callback: Option<CallbackSettings>,
    /// The time from a request until an operation that is `late` takes effect.
    pub late: Duration,
}

/// Where callbacks go.
#[derive(Debug, Clone)]
pub struct CallbackSettings {
    /// `http://…` or `https://…`.
    pub url: String,
    /// Signs them.
    pub secret: SecretString,
    /// How the receiver's certificate is verified.
    pub tls: Tls,
}

impl Settings {
    /// Settings without callbacks.
    #[must_use]
    pub fn new(data_dir: PathBuf, api_key: &str, control_key: &str) -> Self {
        Self { data_dir, api_key: api_key.into(), control_key: control_key.into(), callback: None, late: LATE }
    }

    /// Reads `GATEWAY_…`; `variable` gives the value of an environment variable.
    ///
    /// # Errors
    /// One is missing or cannot be used; the error names it.
    pub fn read(data_dir: PathBuf, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let needed = |name: &str, what: &str| variable(name).with_context(|| format!("{name} is not set: {what}"));
        let api_key = needed("GATEWAY_API_KEY", "the key that callers of the payment API send")?;
        let control_key = needed("GATEWAY_CONTROL_KEY", "the key that callers of /v1/control send")?;
        let mut settings = Self::new(data_dir, &api_key, &control_key);
        ensure!(
            settings.api_key.expose_secret() != settings.control_key.expose_secret(),
            "GATEWAY_CONTROL_KEY is GATEWAY_API_KEY: who pays must not be able to command misbehaviour"
        );
        if let Some(url) = variable("GATEWAY_CALLBACK_URL") {
            let is_http = url.starts_with("http://") || url.starts_with("https://");
            ensure!(is_http, "GATEWAY_CALLBACK_URL is {url:?}; it begins with http:// or https://");
            let secret = needed("GATEWAY_CALLBACK_SECRET", "it signs what is sent to GATEWAY_CALLBACK_URL")?;
            let path = |name: &str| PathBuf::from(variable(name).unwrap_or_default());
            let files = Files { ca: path("GATEWAY_TLS_CA"), ..Files::default() };
            let tls = Tls::new(&files).context("GATEWAY_TLS_CA cannot be used")?;
            settings.callback = Some(CallbackSettings { url, secret: secret.into(), tls });
        }
        if let Some(late) = variable("GATEWAY_LATE_MS") {
            let Ok(late) = late.parse() else { bail!("GATEWAY_LATE_MS is {late:?}; it is a number of milliseconds") };
            settings.late = Duration::from_millis(late);
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> anyhow::Result<Settings> {
        let value = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Settings::read(PathBuf::from("/data"), value)
    }

    #[test]
    fn whatever_is_missing_is_named() {
        const KEYS: [(&str, &str); 2] = [("GATEWAY_API_KEY", "a"), ("GATEWAY_CONTROL_KEY", "c")];
        let url = ("GATEWAY_CALLBACK_URL", "http://127.0.0.1:1/callbacks");
        for (set, why) in [
            (vec![], "GATEWAY_API_KEY is not set"),
            (vec![("GATEWAY_API_KEY", "")], "GATEWAY_API_KEY is not set"),
            (vec![KEYS[0]], "GATEWAY_CONTROL_KEY is not set"),
            (vec![KEYS[0], ("GATEWAY_CONTROL_KEY", "a")], "GATEWAY_CONTROL_KEY is GATEWAY_API_KEY"),
            (vec![KEYS[0], KEYS[1], url], "GATEWAY_CALLBACK_SECRET is not set"),
            (vec![KEYS[0], KEYS[1], ("GATEWAY_CALLBACK_URL", "example.com")], "begins with http://"),
            (vec![KEYS[0], KEYS[1], ("GATEWAY_LATE_MS", "8 s")], "GATEWAY_LATE_MS is \"8 s\""),
        ] {
            let error = read(&set).map(drop).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let plain = read(&KEYS).unwrap();
        assert!(plain.callback.is_none() && plain.late == LATE);
        let all = [&KEYS[..], &[url, ("GATEWAY_CALLBACK_SECRET", "s"), ("GATEWAY_LATE_MS", "50")]].concat();
        let all = read(&all).unwrap();
        assert_eq!((all.callback.unwrap().url.as_str(), all.late), (url.1, Duration::from_millis(50)));
    }
}
