//! One address in front of several instances of a service, for `up` on one machine: connections go to the instances in
//! turn, past one that does not listen. A real deployment has its own; nothing in the services knows of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// An instance on this machine answers at once or not at all.
const CONNECT: Duration = Duration::from_secs(1);

/// A listening balancer; dropping it closes the address and the connections through it.
#[derive(Debug)]
pub struct Balancer(AbortHandle);

impl Balancer {
    /// Listens on `port` of this machine, for the instances behind it.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(port: u16, instances: Vec<SocketAddr>) -> Result<Self> {
        let listener =
            TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("cannot listen on port {port}"))?;
        let (instances, next): (Arc<[SocketAddr]>, _) = (instances.into(), AtomicUsize::new(0));
        let listening = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((client, _)) => {
                            let first = next.fetch_add(1, Ordering::Relaxed);
                            connections.spawn(pass(client, Arc::clone(&instances), first));
                        }
                        // Out of file descriptors, for example, which passes.
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self(listening.abort_handle()))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects a client with an instance until one of them closes. Without any instance the client's connection is closed.
async fn pass(mut client: TcpStream, instances: Arc<[SocketAddr]>, first: usize) {
    for n in 0..instances.len() {
        let instance = instances[(first + n) % instances.len()];
        if let Ok(Ok(mut server)) = tokio::time::timeout(CONNECT, TcpStream::connect(instance)).await {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server that sends its name to every client.
    async fn says(name: &'static str) -> (SocketAddr, AbortHandle) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let _ = socket.write_all(name.as_bytes()).await;
            }
        });
        (address, task.abort_handle())
    }

    async fn ask(port: u16) -> String {
        let mut text = String::new();
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
        socket.read_to_string(&mut text).await.expect("it answers");
        text
    }

    #[tokio::test]
    async fn connections_go_round_and_past_who_is_gone() {
        let ((one, first), (two, _second)) = (says("one").await, says("two").await);
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let balancer = Balancer::start(port, vec![one, two]).await.expect("listens");
        assert_eq!([ask(port).await, ask(port).await, ask(port).await].join(" "), "one two one");
        first.abort();
        while TcpStream::connect(one).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!([ask(port).await, ask(port).await].join(" "), "two two");
        drop(balancer);
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
