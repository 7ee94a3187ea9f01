//! Settings: a documented `default.toml` compiled into the service, overridden by the environment.

use anyhow::Context as _;
use serde::de::DeserializeOwned;

/// Reads `defaults` (TOML), then `{PREFIX}_{KEY}` from the environment; `{PREFIX}_{KEY}_FILE` names a file to read the value from.
///
/// # Errors
/// A sentence that names the setting that is missing or wrong.
pub fn load<T: DeserializeOwned>(prefix: &str, defaults: &str) -> anyhow::Result<T> {
    load_from(prefix, defaults, std::env::vars())
}

fn load_from<T: DeserializeOwned>(
    prefix: &str,
    defaults: &str,
    env: impl Iterator<Item = (String, String)>,
) -> anyhow::Result<T> {
    let mut builder = config::Config::builder().add_source(config::File::from_str(defaults, config::FileFormat::Toml));
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
        builder = builder.set_override(key.to_lowercase(), value)?;
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
