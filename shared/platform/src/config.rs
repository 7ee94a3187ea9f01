//! Settings: a service's `default.toml`, compiled in, overridden by the environment.

use anyhow::Context as _;
use serde::de::DeserializeOwned;

/// Reads `defaults` (TOML), then `{PREFIX}_{KEY}` from the environment. `{PREFIX}_{KEY}_FILE` names a file with the value.
///
/// # Errors
/// Names the setting that is missing or wrong.
pub fn load<T: DeserializeOwned>(prefix: &str, defaults: &str) -> anyhow::Result<T> {
    load_from(prefix, defaults, std::env::vars())
}

fn load_from<T: DeserializeOwned>(
    prefix: &str,
    defaults: &str,
    env: impl Iterator<Item = (String, String)>,
) -> anyhow::Result<T> {
    let mut builder = config::Config::builder().add_source(config::File::from_str(defaults, config::FileFormat::Toml));
    let known = builder.clone().build()?;
    let start = format!("{prefix}_");
    for (name, value) in env {
        let Some(key) = name.strip_prefix(&start) else { continue };
        let (key, value) = match key.strip_suffix("_FILE") {
            Some(key) => {
                let text = std::fs::read_to_string(&value)
                    .with_context(|| format!("{name} names {value}, which cannot be read"))?;
                (key, text.trim_end().to_owned())
            }
            None => (key, value),
        };
        let key = key.to_lowercase();
        // The environment has only text, and serde does not parse numbers inside `#[serde(flatten)]`: what is a number by
        // default has to be a number here.
        let is_number = known.get::<config::Value>(&key).is_ok_and(|v| matches!(v.kind, config::ValueKind::I64(_)));
        builder = match value.parse::<i64>() {
            Ok(number) if is_number => builder.set_override(key, number)?,
            _ => builder.set_override(key, value)?,
        };
    }
    builder
        .build()?
        .try_deserialize()
        .with_context(|| format!("a setting is missing or wrong (set it as {prefix}_NAME in the environment)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Settings {
        http_bind: String,
        pool_size: usize,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Own {
        #[serde(flatten)]
        service: Settings,
        own: String,
    }

    #[test]
    fn flattened_settings_are_overridden_too() {
        let defaults = "http_bind = '127.0.0.1:0'\npool_size = 8\nown = 'x'";
        let env = [("ORDER_POOL_SIZE", "3"), ("ORDER_OWN", "42")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let s: Own = load_from("ORDER", defaults, env.into_iter()).unwrap();
        assert_eq!((s.service.pool_size, s.service.http_bind.as_str(), s.own.as_str()), (3, "127.0.0.1:0", "42"));
    }

    #[test]
    fn the_environment_overrides_and_wrong_values_say_where() {
        let defaults = "http_bind = '127.0.0.1:0'\npool_size = 8";
        let env =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
        let s: Settings =
            load_from("ORDER", defaults, env(&[("ORDER_POOL_SIZE", "3"), ("OTHER_POOL_SIZE", "9")]).into_iter())
                .unwrap();
        assert_eq!((s.http_bind.as_str(), s.pool_size), ("127.0.0.1:0", 3));
        let wrong = load_from::<Settings>("ORDER", defaults, env(&[("ORDER_POOL_SIZE", "many")]).into_iter());
        assert!(format!("{:#}", wrong.unwrap_err()).contains("ORDER_NAME"));
    }
}
