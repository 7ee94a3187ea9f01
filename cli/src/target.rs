//! The platform that an operations command calls, and the token for it.
//!
//! Without `--target` it is the platform of the data folder, and the token is signed with the key there. For any other
//! platform the token comes from a file or from `PANNIER_TOKEN`, so that no key has to leave its machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use pannier_client::{Minter, Service, Target};
use pannier_devenv::data_dir::DataDir;
use pannier_devenv::platform::GATEWAY_API_SECRET;
use pannier_devenv::process::ProcessId;
use pannier_platform::auth::Signer;
use pannier_platform::tls::{Files, Tls};
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// The lifetime of tokens that are signed here, longer than any replay or benchmark.
const TOKEN_FOR: Duration = Duration::from_secs(12 * 3_600);

/// Where to ask, and as whom.
#[derive(Debug, Clone, Default, Args)]
pub struct TargetArgs {
    /// The platform: three URLs as `order=URL,merchant=URL,dispatch=URL`, or a file with what `status --output json`
    /// prints [default: the one that runs in the data folder]
    #[arg(long, global = true, env = "PANNIER_TARGET", hide_env_values = true, value_name = "FILE|URLS")]
    target: Option<String>,
    /// A file with a bearer token of role `ops`; PANNIER_TOKEN holds the token itself [default: made with the key of
    /// the data folder]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A PEM file with the CAs that `https://` services are verified against [default: those that this machine trusts]
    #[arg(long, global = true, env = "PANNIER_CA", hide_env_values = true, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl TargetArgs {
    /// Whether `--target` is given, so that the platform is not that of the data folder.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.target.is_some()
    }

    /// Finds the platform and a token for it.
    ///
    /// # Errors
    /// Status 2 when the arguments cannot be read, status 3 when nothing runs in the data folder.
    pub fn resolve(&self, data: &Path) -> Result<Target> {
        let (given, tls) = (self.token()?, self.tls()?);
        let target = match &self.target {
            Some(target) if target.contains('=') => urls(target)?.target(given, None),
            Some(file) => Addresses::in_file(Path::new(file))?.target(given, None),
            None => Addresses::in_data_dir(&DataDir::at(data))?.target(given, Some(data)),
        };
        Ok(Target { tls, ..target? })
    }

    fn tls(&self) -> Result<Tls> {
        let Some(ca) = self.ca.clone().filter(|ca| !ca.as_os_str().is_empty()) else { return Ok(Tls::default()) };
        let shown = ca.display().to_string();
        // The cause alone: the setting that the whole error names is the services'.
        let tls = Tls::new(&Files { ca, ..Files::default() });
        tls.map_err(|e| Failure::usage(format!("--ca: {shown} cannot be used: {}", e.root_cause())))
    }

    fn token(&self) -> Result<Option<String>> {
        let token = match &self.token_file {
            Some(file) => {
                let text = fs::read_to_string(file);
                Some(text.map_err(|e| Failure::usage(format!("--token-file: cannot read {}: {e}", file.display())))?)
            }
            None => std::env::var("PANNIER_TOKEN").ok(),
        };
        Ok(token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()))
    }
}

/// The URLs of a platform by the names of `status`, and the folder whose key signs for it.
pub struct Addresses {
    urls: Map<String, Value>,
    data_dir: Option<PathBuf>,
    /// `GATEWAY_API_KEY`, for a platform whose data folder may be elsewhere.
    gateway_key: Option<SecretString>,
}

impl Addresses {
    /// Reads the output of `status --output json` from a file.
    ///
    /// # Errors
    /// The file cannot be read, or has another content.
    pub fn in_file(file: &Path) -> Result<Self> {
        let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let status: Value = serde_json::from_slice(&text)
            .with_context(|| format!("{} is not what `pannier status --output json` prints", file.display()))?;
        let urls = status["urls"].as_object().cloned();
        let urls = urls.with_context(|| format!("{} has no urls", file.display()))?;
        let gateway_key = std::env::var("GATEWAY_API_KEY").ok().filter(|key| !key.is_empty()).map(SecretString::from);
        Ok(Self { urls, data_dir: status["data_dir"].as_str().map(PathBuf::from), gateway_key })
    }

    /// The platform that runs in a data folder.
    ///
    /// # Errors
    /// No platform runs there.
    pub fn in_data_dir(data: &DataDir) -> Result<Self> {
        let state = data.state();
        if !state.up.as_ref().is_some_and(ProcessId::is_alive) {
            let root = data.root().display();
            return Err(Failure::unreachable(format!("nothing runs in {root}: start it with `./pannier up`")));
        }
        let urls = state.urls.into_iter().map(|(name, url)| (name, url.into())).collect();
        Ok(Self { urls, data_dir: Some(data.root().to_owned()), gateway_key: None })
    }

    /// The base URL of a process by its name in `status`.
    ///
    /// # Errors
    /// It is not running.
    pub fn url(&self, name: &str) -> Result<String> {
        let url = self.urls.get(name).and_then(Value::as_str).map(|url| url.trim_end_matches('/').to_owned());
        url.ok_or_else(|| Failure::unreachable(format!("{name} is not running there, or still starting")))
    }

    /// The key of the payment gateway: for a platform in a file `GATEWAY_API_KEY`, else that of the data folder.
    ///
    /// # Errors
    /// There is neither.
    pub fn gateway_key(&self) -> Result<SecretString> {
        let own = || DataDir::at(self.data_dir.as_deref()?).known_secret(GATEWAY_API_SECRET).map(SecretString::from);
        self.gateway_key
            .clone()
            .or_else(own)
            .ok_or_else(|| Failure::usage("the payment gateway's key is needed, to read its ledger: GATEWAY_API_KEY"))
    }

    /// The APIs, called with the given token, else with tokens signed by the key in the data folder.
    ///
    /// # Errors
    /// A service is not running, or there is neither a token nor a key.
    pub fn target(&self, token: Option<String>, own: Option<&Path>) -> Result<Target> {
        let minter: Minter = match (token, own.or(self.data_dir.as_deref())) {
            (Some(token), _) => Arc::new(move |_, _| token.clone()),
            (None, Some(data)) if own.is_some() || data.join("keys").is_dir() => {
                let signer = Signer::load_or_create(&data.join("keys"))?;
                // If signing fails the token is empty, and the service that is called refuses it.
                Arc::new(move |role, subject| signer.mint(role, subject, TOKEN_FOR).unwrap_or_default())
            }
            (None, _) => {
                return Err(Failure::usage("a token is needed: --token-file FILE, or the variable PANNIER_TOKEN"));
            }
        };
        Ok(Target {
            order_url: self.url(Service::Order.name())?,
            merchant_url: self.url(Service::Merchant.name())?,
            dispatch_url: self.url(Service::Dispatch.name())?,
            minter,
            tls: Tls::default(),
        })
    }
}

/// Reads `order=URL,merchant=URL,dispatch=URL`.
fn urls(text: &str) -> Result<Addresses> {
    let mut urls = Map::new();
    for part in text.split(',') {
        let (name, url) = part.split_once('=').unwrap_or((part, ""));
        let service = Service::ALL.into_iter().find(|s| s.name().strip_suffix("-svc") == Some(name.trim()));
        let is_url = ["http://", "https://"].iter().any(|scheme| url.trim().starts_with(scheme));
        let (Some(service), true) = (service, is_url) else {
            return Err(Failure::usage(format!(
                "--target: {part:?} is not one of order=URL, merchant=URL, dispatch=URL with http or https"
            )));
        };
        urls.insert(service.name().to_owned(), url.trim().into());
    }
    let missing = Service::ALL.into_iter().find(|service| !urls.contains_key(service.name()));
    match missing {
        Some(service) => Err(Failure::usage(format!("--target: the URL of {} is missing", service.name()))),
        None => Ok(Addresses { urls, data_dir: None, gateway_key: None }),
    }
}

#[cfg(test)]
mod tests {
    use pannier_client::Role;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn three_urls_and_a_token_are_a_target() {
        let addresses = urls("order=http://a:1,merchant=https://b/,dispatch=http://c").unwrap();
        let target = addresses.target(Some("token".to_owned()), None).unwrap();
        assert_eq!(
            [&target.order_url, &target.merchant_url, &target.dispatch_url],
            ["http://a:1", "https://b", "http://c"]
        );
        assert_eq!((target.minter)(Role::Ops, "cli"), "token");
        assert!(addresses.target(None, None).is_err_and(|e| e.to_string().contains("PANNIER_TOKEN")));
    }

    #[test]
    fn the_gateways_key_is_the_data_folders() {
        let elsewhere = urls("order=http://a,merchant=http://b,dispatch=http://c").unwrap();
        assert!(elsewhere.gateway_key().is_err_and(|e| e.to_string().contains("GATEWAY_API_KEY")));
        let path = std::env::temp_dir().join(format!("pannier-target-{}", std::process::id()));
        let secret = DataDir::lock(&path).unwrap().secret(GATEWAY_API_SECRET).unwrap();
        let here = Addresses { data_dir: Some(path.clone()), ..elsewhere };
        assert_eq!(here.gateway_key().unwrap().expose_secret(), secret);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn what_cannot_be_a_target_says_why() {
        for (text, why) in [
            ("order=http://a", "merchant-svc is missing"),
            ("order=a,merchant=http://b,dispatch=http://c", "is not one of"),
            ("orders=http://a", "is not one of"),
            ("order=ftp://a", "is not one of"),
        ] {
            let error = urls(text).map(drop).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_ca_that_cannot_be_read_says_which() {
        let args = TargetArgs { ca: Some("/no/such/ca.pem".into()), ..TargetArgs::default() };
        let error = args.tls().map(drop).unwrap_err().to_string();
        assert!(error.starts_with("--ca: /no/such/ca.pem cannot be used: No such file"), "{error}");
    }
}
