//! The data folder: everything a running platform keeps on disk (`.pannier/` in the project, or `PANNIER_DATA`).
//!
//! One `up` at a time owns a folder. The lock is the operating system's, so that a killed `up` leaves nothing behind
//! that would have to be cleaned up by hand.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use rand::RngExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::process::ProcessId;

/// Ports below the kernel's ephemeral range, so that a restart finds its port still free.
const PORTS: std::ops::Range<u16> = 17_000..32_000;

/// The folder of one platform, locked while this value lives if it was opened with [`DataDir::lock`].
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    ports: Mutex<()>,
    _lock: Option<File>,
}

/// What a running `up` tells the other commands, in `state.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// The `up` itself.
    pub up: Option<ProcessId>,
    /// By service or server name.
    pub urls: BTreeMap<String, String>,
    /// By service or server name; only what this `up` started.
    pub processes: BTreeMap<String, ProcessId>,
    /// Whether everything is up.
    pub ready: bool,
}

impl DataDir {
    /// The folder named by `PANNIER_DATA`, else `.pannier` in the project's root (`PANNIER_ROOT`, else here).
    pub fn default_path() -> PathBuf {
        let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        var("PANNIER_DATA").unwrap_or_else(|| var("PANNIER_ROOT").unwrap_or_else(|| ".".into()).join(".pannier"))
    }

    /// Opens the folder for reading; it need not exist.
    pub fn at(path: &Path) -> Self {
        let root = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Self { root, ports: Mutex::new(()), _lock: None }
    }

    /// Makes the folder if needed and takes it for this process.
    ///
    /// # Errors
    /// It cannot be written, or another `up` runs in it.
    pub fn lock(path: &Path) -> Result<Self> {
        let cannot = || format!("the data folder {} cannot be written", path.display());
        fs::create_dir_all(path.join("log")).with_context(cannot)?;
        let root = fs::canonicalize(path).with_context(cannot)?;
        let lock = private_file(&root.join("lock")).with_context(cannot)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root, ports: Mutex::new(()), _lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => {
                let by = Self::at(&root).state().up.map(|up| format!(" (pid {})", up.pid)).unwrap_or_default();
                bail!("it already runs in {}{by}: stop it with `./pannier down`, or set PANNIER_DATA", root.display())
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
        }
    }

    /// A path inside the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The log of one process.
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("log").join(format!("{name}.log"))
    }

    /// The port of `name`: the same as last time if it is free, else another one, remembered.
    ///
    /// # Errors
    /// No free port, or the folder cannot be written.
    pub fn port(&self, name: &str) -> Result<u16> {
        let _one_at_a_time = self.ports.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let file = self.path("ports.json");
        let mut ports: BTreeMap<String, u16> = read_json(&file).unwrap_or_default();
        if let Some(&port) = ports.get(name)
            && is_free(port)
        {
            return Ok(port);
        }
        let mut random = rand::rng();
        let port = std::iter::repeat_with(|| random.random_range(PORTS))
            .take(1000)
            .find(|port| !ports.values().any(|taken| taken == port) && is_free(*port))
            .context("no free port was found on 127.0.0.1")?;
        ports.insert(name.to_owned(), port);
        write_json(&file, &ports)?;
        Ok(port)
    }

    /// A random secret that is kept in this folder, readable only by its owner.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn secret(&self, name: &str) -> Result<String> {
        let _one_at_a_time = self.ports.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let file = self.path("secrets.json");
        let mut secrets: BTreeMap<String, String> = read_json(&file).unwrap_or_default();
        if let Some(secret) = secrets.get(name) {
            return Ok(secret.clone());
        }
        let secret: String = format!("{:032x}", rand::rng().random::<u128>());
        secrets.insert(name.to_owned(), secret.clone());
        write_json(&file, &secrets)?;
        Ok(secret)
    }

    /// A secret that was made before.
    pub fn known_secret(&self, name: &str) -> Option<String> {
        let mut secrets: BTreeMap<String, String> = read_json(&self.path("secrets.json"))?;
        secrets.remove(name)
    }

    /// What the last or present `up` wrote down.
    pub fn state(&self) -> State {
        read_json(&self.path("state.json")).unwrap_or_default()
    }

    /// Writes the state for other commands to read.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_state(&self, state: &State) -> Result<()> {
        write_json(&self.path("state.json"), state)
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

fn private_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    // Files are replaced atomically (see `write_json`); one that was damaged by hand counts as missing.
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    write_private(path, &serde_json::to_vec_pretty(value)?)
}

/// Replaces a file in one step, readable only by its owner.
///
/// # Errors
/// The folder cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let write = || {
        let _ = fs::remove_file(&new);
        let mut file = private_file(&new)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(content)?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("pannier-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn a_port_is_kept_unless_somebody_took_it() {
        let path = folder("ports");
        let data = DataDir::lock(&path).expect("opens");
        let first = data.port("redis").expect("a port");
        assert_eq!(data.port("redis").expect("a port"), first);
        assert_ne!(data.port("postgres").expect("a port"), first);
        let _taken = TcpListener::bind(("127.0.0.1", first)).expect("was free");
        assert_ne!(data.port("redis").expect("a port"), first);
        fs::remove_dir_all(path).expect("removed");
    }

    #[test]
    fn a_folder_has_one_up_at_a_time() {
        let path = folder("lock");
        let first = DataDir::lock(&path).expect("opens");
        let refused = DataDir::lock(&path).expect_err("taken").to_string();
        assert!(refused.starts_with("it already runs in "), "{refused}");
        drop(first);
        DataDir::lock(&path).expect("free again");
        fs::remove_dir_all(path).expect("removed");
    }

    #[test]
    fn secrets_stay_and_are_private() {
        let path = folder("secrets");
        let data = DataDir::lock(&path).expect("opens");
        assert_eq!(data.secret("a").expect("made"), data.secret("a").expect("kept"));
        assert_ne!(data.secret("a").expect("kept"), data.secret("b").expect("made"));
        assert_eq!(DataDir::at(&path).known_secret("a"), data.secret("a").ok());
        assert_eq!(DataDir::at(&path).known_secret("c"), None);
        let mode = fs::metadata(data.path("secrets.json")).expect("exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(path).expect("removed");
    }

    #[test]
    fn a_spoilt_state_file_counts_as_none() {
        let path = folder("state");
        let data = DataDir::lock(&path).expect("opens");
        fs::write(data.path("state.json"), "{").expect("written");
        assert!(data.state().up.is_none());
        fs::remove_dir_all(path).expect("removed");
    }
}
