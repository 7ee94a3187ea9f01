//! The part of Redis's protocol that a benchmark needs: log in, read counters, pipeline GEOADD. Written by hand so that a
//! prepared pipeline costs one write, and the figure for Redis alone does not include a client library.

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A connection to Redis.
#[derive(Debug)]
pub struct Redis(BufReader<TcpStream>);

impl Redis {
    /// Connects to `redis://[user]:password@host:port/`.
    ///
    /// # Errors
    /// Redis is unavailable, or the password is wrong.
    pub async fn connect(url: &str) -> Result<Self> {
        let rest = url.split_once("://").context("a Redis URL begins with redis://")?.1;
        let rest = rest.split(['/', '?']).next().unwrap_or(rest);
        let (login, address) = rest.rsplit_once('@').unwrap_or(("", rest));
        let socket = TcpStream::connect(address).await.with_context(|| format!("cannot reach Redis at {address}"))?;
        socket.set_nodelay(true)?;
        let mut redis = Self(BufReader::new(socket));
        if let Some((user, password)) = login.split_once(':') {
            let user = if user.is_empty() { "default" } else { user };
            redis.send(&command(&["AUTH", user, password])).await?;
            redis.line().await?;
        }
        Ok(redis)
    }

    /// The number of commands that the server has run since it started, including those inside scripts.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn commands_processed(&mut self) -> Result<u64> {
        self.send(&command(&["INFO", "stats"])).await?;
        let text = self.bulk().await?;
        let count = text.lines().find_map(|line| line.strip_prefix("total_commands_processed:")?.trim().parse().ok());
        count.context("INFO has no total_commands_processed")
    }

    /// Sends encoded commands in one write and waits for their `count` answers, each of which is a number.
    ///
    /// # Errors
    /// The connection broke, or a command was refused.
    pub async fn pipeline(&mut self, commands: &[u8], count: usize) -> Result<()> {
        self.send(commands).await?;
        for _ in 0..count {
            self.line().await?;
        }
        Ok(())
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn delete(&mut self, key: &str) -> Result<()> {
        self.pipeline(&command(&["DEL", key]), 1).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.get_mut().write_all(bytes).await?)
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            bail!("Redis closed the connection");
        }
        let line = line.trim_end().to_owned();
        anyhow::ensure!(!line.starts_with('-'), "Redis says: {line}");
        Ok(line)
    }

    async fn bulk(&mut self) -> Result<String> {
        let line = self.line().await?;
        let length: usize = line.strip_prefix('$').and_then(|n| n.parse().ok()).context("Redis sent no text")?;
        let mut text = vec![0; length + 2];
        self.0.read_exact(&mut text).await?;
        text.truncate(length);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Encodes a command.
#[must_use]
pub fn command(words: &[&str]) -> Vec<u8> {
    let mut wire = format!("*{}\r\n", words.len());
    for word in words {
        wire.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    wire.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_lengths_in_bytes() {
        assert_eq!(command(&["GET", "é"]), "*2\r\n$3\r\nGET\r\n$2\r\né\r\n".as_bytes());
    }
}
