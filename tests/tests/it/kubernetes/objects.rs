//! Kubernetes objects as an overlay renders them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize as _;
use serde_json::Value;

pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project").to_owned()
}

/// The overlays under `k8s/`.
pub fn overlays() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project().join("k8s/overlays")).expect("overlays").flatten();
    let mut overlays: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    overlays.sort();
    overlays
}

/// Whether a test cannot run because this program is missing. In CI that is a failure.
pub fn is_skipped(program: &str) -> bool {
    let exists = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    if !exists {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing, and CI needs it");
        eprintln!("SKIPPED: {program} is not installed, so what is under k8s/ is NOT checked");
    }
    !exists
}

/// The objects of a kustomization.
pub fn render(folder: &Path) -> Vec<Value> {
    let output = Command::new("kubectl").arg("kustomize").arg(folder).output().expect("kubectl starts");
    assert!(output.status.success(), "{}: {}", folder.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    serde_yaml_ng::Deserializer::from_str(&text).map(|one| Value::deserialize(one).expect("an object")).collect()
}
