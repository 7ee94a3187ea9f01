//! What the folders forbid.

use std::process::Command;

/// `contracts` and `engine` stay pure: nothing that waits, stores or speaks is in their trees.
#[test]
fn contracts_and_engine_are_pure() {
    for package in ["pannier-contracts", "pannier-engine"] {
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--package", package])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output()
            .expect("cargo runs");
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let tree = String::from_utf8_lossy(&tree.stdout);
        assert!(tree.contains("serde"), "the tree of {package} was read");
        for line in tree.lines() {
            let name = line.split(' ').next().unwrap_or("");
            let impure = ["tokio", "diesel", "redis", "lapin", "actix"].iter().any(|bad| name.starts_with(bad));
            assert!(!impure, "{package} depends on {line}: it must stay pure");
        }
    }
}

/// Services never import each other.
#[test]
fn services_do_not_know_each_other() {
    for service in ["order-svc", "merchant-svc", "dispatch-svc"] {
        let manifest = std::fs::read_to_string(format!("{}/../{service}/Cargo.toml", env!("CARGO_MANIFEST_DIR")))
            .expect("it is there");
        for other in ["order-svc", "merchant-svc", "dispatch-svc"] {
            assert!(other == service || !manifest.contains(&format!("{other}.workspace")), "{service} imports {other}");
        }
    }
}
