//! PostgreSQL refuses to run as root. Started by root it gets a user namespace in which it has another user id while its
//! files stay root's; where namespaces are forbidden, it runs as the user `postgres` or `nobody`.

use std::ffi::OsString;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process;

const NAMESPACE: [&str; 3] = ["--user", "--map-user=1000", "--map-group=1000"];

/// How to run a program that must not be root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunAs {
    /// As this user, who is not root.
    Plain,
    /// In a user namespace.
    Namespace,
    /// As another user.
    User {
        /// The user id.
        uid: u32,
        /// The group id.
        gid: u32,
    },
}

impl RunAs {
    /// The best way on this machine.
    ///
    /// # Errors
    /// This user is root, and there is no other user to run as.
    pub fn choose() -> Result<Self> {
        if !process::is_root() {
            return Ok(Self::Plain);
        }
        let mut trial: Vec<&str> = NAMESPACE.to_vec();
        trial.push("true");
        if process::output_of("unshare", &trial).is_some() {
            return Ok(Self::Namespace);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let (uid, gid) = ["postgres", "nobody"].into_iter().find_map(|name| user(&passwd, name)).context(
            "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`: run as an ordinary user",
        )?;
        Ok(Self::User { uid, gid })
    }

    /// The program and arguments that run `program` this way, in the same process.
    pub fn wrap(&self, program: &Path, args: Vec<OsString>) -> (PathBuf, Vec<OsString>) {
        let (wrapper, mut all): (_, Vec<OsString>) = match self {
            Self::Plain => return (program.to_owned(), args),
            Self::Namespace => ("unshare", NAMESPACE.iter().map(Into::into).collect()),
            Self::User { uid, gid } => (
                "setpriv",
                vec![format!("--reuid={uid}").into(), format!("--regid={gid}").into(), "--clear-groups".into()],
            ),
        };
        all.push(program.into());
        all.extend(args);
        (wrapper.into(), all)
    }

    /// Gives a folder to that user.
    ///
    /// # Errors
    /// This user may not change the folder's owner.
    pub fn own(&self, folder: &Path) -> Result<()> {
        if let Self::User { uid, gid } = self {
            chown(folder, Some(*uid), Some(*gid)).with_context(|| format!("cannot give away {}", folder.display()))?;
        }
        Ok(())
    }
}

fn user(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = passwd.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/:/bin/false\n";
        assert_eq!(user(passwd, "nobody"), Some((65534, 65533)));
        assert_eq!(user(passwd, "postgres"), None);
    }

    #[test]
    fn a_wrapped_program_keeps_its_arguments() {
        let (program, args) = RunAs::User { uid: 1, gid: 2 }.wrap(Path::new("/bin/x"), vec!["-a".into()]);
        assert_eq!(program, Path::new("setpriv"));
        assert_eq!(args, ["--reuid=1", "--regid=2", "--clear-groups", "/bin/x", "-a"]);
    }
}
