//! What the folders forbid: each room's dependency tree is read, and a planted dependency is found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate and what may not be in its dependency tree, at any depth.
struct Room {
    package: &'static str,
    folder: &'static str,
    forbids: &'static [&'static str],
}

const WAITS_STORES_OR_SPEAKS: &[&str] = &["tokio", "diesel", "redis", "lapin", "actix-web", "reqwest"];
const SERVICES: &[&str] = &["order-svc", "merchant-svc", "dispatch-svc"];

/// From the inside to the outside. The reasons are in ARCHITECTURE.md, "The code map".
const ROOMS: &[Room] = &[
    Room { package: "pannier-contracts", folder: "shared/contracts", forbids: WAITS_STORES_OR_SPEAKS },
    Room { package: "pannier-engine", folder: "dispatch-svc/engine", forbids: WAITS_STORES_OR_SPEAKS },
    Room { package: "pannier-instance", folder: "sim/instance", forbids: WAITS_STORES_OR_SPEAKS },
    Room { package: "pannier-lab", folder: "sim/lab", forbids: WAITS_STORES_OR_SPEAKS },
    Room {
        package: "pannier-tls",
        folder: "shared/tls",
        forbids: &["diesel", "redis", "lapin", "actix-web", "pannier-contracts", "pannier-platform"],
    },
    Room {
        package: "pannier-client",
        folder: "shared/client",
        forbids: &["diesel", "redis", "lapin", "actix-web", "pannier-engine", "pannier-platform"],
    },
    Room {
        package: "pannier-city",
        folder: "sim/city",
        forbids: &["diesel", "redis", "lapin", "actix-web", "pannier-engine", "pannier-platform", "pannier-lab"],
    },
    Room {
        package: "pannier-replay",
        folder: "sim/replay",
        forbids: &["redis", "lapin", "actix-web", "pannier-engine", "pannier-platform", "pannier-lab"],
    },
    Room {
        package: "pannier-load",
        folder: "sim/load",
        forbids: &["lapin", "actix-web", "pannier-engine", "pannier-platform", "pannier-city", "pannier-lab"],
    },
    Room {
        package: "pannier-gateway",
        folder: "sim/gateway",
        forbids: &["diesel", "pannier-platform", "pannier-contracts"],
    },
    Room {
        package: "pannier-platform",
        folder: "shared/platform",
        forbids: &["pannier-engine", "pannier-client", "h3o"],
    },
    Room {
        package: "pannier-devenv",
        folder: "cli/devenv",
        forbids: &["clap", "pannier-engine", "pannier-city", "pannier-replay", "pannier-load", "pannier-lab"],
    },
    Room {
        package: "order-svc",
        folder: "order-svc",
        forbids: &["pannier-engine", "pannier-client", "pannier-testkit", "redis", "dispatch-svc", "merchant-svc"],
    },
    Room {
        package: "merchant-svc",
        folder: "merchant-svc",
        forbids: &["pannier-engine", "pannier-client", "pannier-testkit", "redis", "order-svc", "dispatch-svc"],
    },
    Room {
        package: "dispatch-svc",
        folder: "dispatch-svc",
        forbids: &["pannier-client", "pannier-testkit", "pannier-lab", "order-svc", "merchant-svc"],
    },
    Room { package: "pannier-cli", folder: "cli", forbids: SERVICES },
];

#[test]
fn no_room_has_what_it_forbids() {
    for room in ROOMS {
        let found = forbidden_in(&project(), room);
        assert!(
            found.is_empty(),
            "{} must not depend on {found:?}, see ARCHITECTURE.md, \"The code map\"",
            room.folder
        );
    }
}

#[test]
fn a_forbidden_dependency_is_found_in_every_room() {
    let copy = Copy::of(&project());
    for room in ROOMS {
        let manifest = copy.0.join(room.folder).join("Cargo.toml");
        let clean = fs::read_to_string(&manifest).expect("the manifest is there");
        let planted = room.forbids[0];
        let dirty = clean.replacen("[dependencies]\n", &format!("[dependencies]\n{planted}.workspace = true\n"), 1);
        assert_ne!(clean, dirty, "{} has dependencies", room.folder);
        fs::write(&manifest, dirty).expect("it can be planted");
        let found = forbidden_in(&copy.0, room);
        assert!(found.iter().any(|name| name == planted), "{planted} was planted in {}: {found:?}", room.folder);
        fs::write(&manifest, clean).expect("it can be taken out");
    }
}

/// Crates that may use anything: only tests depend on them, or they are SQL files.
const FREE: &[&str] = &["shared/testkit", "migrations", "tests"];

#[test]
fn every_crate_is_a_room() {
    let manifest = fs::read_to_string(project().join("Cargo.toml")).expect("the workspace is there");
    for member in members(&manifest) {
        let is_known = FREE.contains(&member) || ROOMS.iter().any(|room| room.folder == member);
        assert!(is_known, "say in ROOMS what {member} forbids");
    }
}

/// In every service, and in the engine and the contracts as a whole: rules wait for nothing and are told the time.
#[test]
fn rules_are_pure() {
    let folders =
        ["order-svc/src/domain", "merchant-svc/src/domain", "dispatch-svc/src/domain", "dispatch-svc/engine/src"];
    for file in folders.iter().chain(&["shared/contracts/src"]).flat_map(|folder| sources(&project().join(folder))) {
        let text = code(&file);
        for forbidden in
            ["async ", ".await", "Utc::now", "Instant::now", "SystemTime", "std::fs", "std::net", "std::env"]
        {
            assert!(!text.contains(forbidden), "{} has `{forbidden}`: rules are pure", file.display());
        }
    }
}

#[test]
fn a_services_sql_is_in_its_store() {
    for service in SERVICES {
        for file in sources(&project().join(service).join("src")) {
            let is_store = file.components().any(|part| part.as_os_str() == "store");
            assert!(is_store || !code(&file).contains("diesel"), "{}: SQL belongs into store/", file.display());
        }
    }
}

/// A client that is made without pannier-tls reads the machine's trust store when it is made, and fails where there is none.
#[test]
fn every_http_client_is_made_by_the_tls_crate() {
    let forbidden = ["get(", "Client::new", "Client::builder"].map(|how| format!("reqwest::{how}"));
    let manifest = fs::read_to_string(project().join("Cargo.toml")).expect("the workspace is there");
    for member in members(&manifest).into_iter().filter(|member| *member != "shared/tls") {
        let parts = ["src", "tests"].map(|part| project().join(member).join(part));
        for file in parts.iter().filter(|part| part.is_dir()).flat_map(|part| sources(part)) {
            let text = fs::read_to_string(&file).expect("it can be read");
            for how in &forbidden {
                let instead = "Tls::http() makes clients, pannier_testkit::http_client() in tests";
                assert!(!text.contains(how.as_str()), "{} has `{how}`: {instead}", file.display());
            }
        }
    }
}

/// The folders of the workspace's crates.
fn members(manifest: &str) -> Vec<&str> {
    let list = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).expect("members").0;
    list.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\",")).collect()
}

/// The Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there").flatten().map(|entry| entry.path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|file| file.extension().is_some_and(|ext| ext == "rs"));
    files.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// A file without its comments and its unit tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("it can be read");
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    product.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// What is in a room's tree and forbidden there. Only what goes into the product counts, not what its tests use.
fn forbidden_in(root: &Path, room: &Room) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--package",
            room.package,
        ])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}: {}", room.package, String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8_lossy(&tree.stdout);
    let mut names: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names.first(), Some(&room.package), "the tree was read");
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter(|name| room.forbids.contains(name)).map(str::to_owned).collect()
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The workspace with manifests of its own: everything else is linked.
struct Copy(PathBuf);

impl Copy {
    fn of(root: &Path) -> Self {
        let copy = std::env::temp_dir().join(format!("pannier-rooms-{}", uuid::Uuid::now_v7().simple()));
        Self::folder(root, &copy);
        Self(copy)
    }

    fn folder(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a temporary folder");
        for entry in fs::read_dir(from).expect("the project is there").flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            let has_manifests = path.join("Cargo.toml").is_file() || ["shared", "sim"].iter().any(|dir| name == *dir);
            if name == "Cargo.toml" || name == "Cargo.lock" {
                fs::copy(&path, to.join(name)).expect("it is copied");
            } else if path.is_dir() && has_manifests {
                Self::folder(&path, &to.join(name));
            } else if name != "target" {
                std::os::unix::fs::symlink(fs::canonicalize(&path).expect("it is there"), to.join(name))
                    .expect("it is linked");
            }
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
