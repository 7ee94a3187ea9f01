//! The programs of a server on this machine: where they are, which version they are, and what they need to run.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::server::Server;

/// The programs of a server on this machine, in a supported version.
#[derive(Debug, Clone)]
pub struct Tool {
    /// The server.
    pub server: Server,
    /// The folder with its programs.
    pub bin: PathBuf,
    /// Its version, as its program reports it.
    pub version: String,
    /// The folder into which it was unpacked. `None` for an installed server.
    pub root: Option<PathBuf>,
    program: &'static str,
    path: OsString,
}

impl Tool {
    /// The server's program.
    pub fn program(&self) -> PathBuf {
        self.bin.join(self.program)
    }

    /// The number before the first dot of its version.
    pub fn major(&self) -> &str {
        self.version.split('.').next().unwrap_or(&self.version)
    }

    /// The environment variables that its programs need.
    pub fn env(&self) -> Vec<(String, OsString)> {
        let mut env = vec![("PATH".to_owned(), self.path.clone())];
        if let Some(root) = &self.root {
            env.push(("LD_LIBRARY_PATH".to_owned(), library_path(root)));
        }
        env
    }

    /// The path of epmd, Erlang's port mapper. On some systems it is not on the path but in the folder of Erlang.
    pub fn epmd(&self) -> PathBuf {
        let on_path = std::env::split_paths(&self.path).map(|dir| dir.join("epmd")).find(|file| file.is_file());
        on_path.or_else(|| inside_erlang(&self.path)).unwrap_or_else(|| "epmd".into())
    }

    pub(super) fn at(server: Server, bin: &Path, root: Option<&Path>) -> Option<Self> {
        let program = *server.programs().iter().find(|name| bin.join(name).is_file())?;
        let mut path: Vec<PathBuf> = Vec::new();
        if let Some(root) = root {
            path.extend([root.join("usr/lib/erlang/bin"), root.join("usr/bin")]);
        }
        // Homebrew installs the programs of Erlang in its prefix, as those of RabbitMQ.
        path.extend(["/opt/homebrew/bin", "/usr/local/bin"].map(PathBuf::from));
        path.splice(0..0, std::env::var_os("PATH").iter().flat_map(std::env::split_paths).filter(|_| root.is_none()));
        path.extend(["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from));
        let path = std::env::join_paths(path).ok()?;
        let mut tool =
            Self { server, bin: bin.to_owned(), version: String::new(), root: root.map(Path::to_owned), program, path };
        tool.version = tool.ask_version()?;
        (numbers(&tool.version) >= server.oldest()).then_some(tool)
    }

    fn ask_version(&self) -> Option<String> {
        match self.server {
            Server::Postgres => first_number(&self.run(&self.program(), &["--version"])?),
            Server::Redis => first_number(&self.run(&self.program(), &["--version"])?.replace("v=", "")),
            Server::Prometheus => first_number(&self.run(&self.program(), &["--version"])?),
            Server::HaProxy => first_number(&self.run(&self.program(), &["-v"])?),
            // Asking RabbitMQ starts an Erlang VM, which takes seconds. The name of its folder has the version.
            Server::RabbitMq => {
                self.run(Path::new("erl"), &["-version"])
                    .or_else(|| self.run(Path::new("sh"), &["-c", "command -v erl"]))?;
                let real = std::fs::canonicalize(self.program()).ok()?;
                let named = real.ancestors().find_map(|dir| {
                    let name = dir.file_name()?.to_str()?;
                    first_number(name.strip_prefix("rabbitmq_server-")?)
                });
                // With Homebrew the folder is `Cellar/rabbitmq/4.1.0/sbin`.
                named.or_else(|| real.ancestors().find_map(|dir| first_number(dir.file_name()?.to_str()?)))
            }
        }
    }

    fn run(&self, program: &Path, args: &[&str]) -> Option<String> {
        let out = Command::new(program).args(args).envs(self.env()).stdin(Stdio::null()).output().ok()?;
        // Some versions of Prometheus print theirs on stderr.
        let said = if out.stdout.is_empty() { &out.stderr } else { &out.stdout };
        out.status.success().then(|| String::from_utf8_lossy(said).into_owned())
    }
}

/// The value of `LD_LIBRARY_PATH` for a server that was unpacked into `root`.
fn library_path(root: &Path) -> OsString {
    let mut dirs = Vec::new();
    for lib in ["usr/lib", "lib"] {
        let subs = fs::read_dir(root.join(lib)).into_iter().flatten().flatten();
        dirs.extend(subs.filter(|sub| sub.file_name().to_string_lossy().contains("-linux-gnu")).map(|sub| sub.path()));
    }
    std::env::join_paths(dirs).unwrap_or_default()
}

fn inside_erlang(path: &std::ffi::OsStr) -> Option<PathBuf> {
    let erl = std::env::split_paths(path).map(|dir| dir.join("erl")).find(|file| file.is_file())?;
    let home = std::fs::canonicalize(erl).ok()?.parent()?.parent()?.to_owned();
    let erts =
        std::fs::read_dir(&home).ok()?.flatten().find(|e| e.file_name().to_string_lossy().starts_with("erts-"))?;
    Some(erts.path().join("bin/epmd")).filter(|file| file.is_file())
}

fn first_number(text: &str) -> Option<String> {
    text.split_whitespace().find_map(|word| {
        let word: String = word.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        (word.starts_with(|c: char| c.is_ascii_digit())).then(|| word.trim_end_matches('.').to_owned())
    })
}

fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_programs_say_them() {
        for (said, version) in [
            ("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)", "15.20"),
            ("postgres (PostgreSQL) 18beta1", "18"),
            ("Redis server v=7.0.15 sha=00000000:0", "7.0.15"),
            ("3.10.8", "3.10.8"),
            ("prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5+b5)", "2.42.0"),
            ("HAProxy version 2.6.12-1+deb12u2 2025/04/22 - https://haproxy.org/", "2.6.12"),
        ] {
            assert_eq!(first_number(&said.replace("v=", "")).as_deref(), Some(version));
        }
        assert!(numbers("6.0.16") < Server::Redis.oldest());
        assert!(numbers("15.20") > Server::Postgres.oldest());
    }
}
