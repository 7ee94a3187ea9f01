//! TLS before the plain test servers, as a server that has it would speak it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pannier_testkit::certificates::Authority;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// What a client of PostgreSQL sends before it speaks TLS: its length, and a number that is no version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Ports with TLS before plain servers. Every client has to show a certificate. Dropping it closes the ports.
pub struct Fronts {
    /// What TLS is served with. A change closes all connections.
    config: watch::Sender<Arc<ServerConfig>>,
    ports: Mutex<Vec<Port>>,
}

/// A port before the server of a URL.
struct Port {
    /// The scheme of the plain URL.
    scheme: String,
    /// Sessions that were opened.
    sessions: Arc<AtomicUsize>,
}

impl Fronts {
    /// Shows certificates of `issuer`, and lets clients through whose certificate `trusted` has issued.
    pub fn new(trusted: &Authority, issuer: &Authority) -> Self {
        Self { config: watch::Sender::new(config(trusted, issuer)), ports: Mutex::default() }
    }

    /// Other certificates from now on. All connections are closed.
    pub fn renew(&self, trusted: &Authority, issuer: &Authority) {
        self.config.send_replace(config(trusted, issuer));
    }

    /// Opens a port before the server of a plain URL, and gives the URL with TLS that leads there.
    pub fn before(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (login, server) = authority.rsplit_once('@').map_or((None, authority), |(login, at)| (Some(login), at));
        let secure = match scheme {
            "amqp" => "amqps",
            "redis" => "rediss",
            "http" => "https",
            other => other,
        };
        let is_postgres = scheme.starts_with("postgres");
        let mode = match (is_postgres, path.contains('?')) {
            (true, false) => "?sslmode=verify-full",
            (true, true) => "&sslmode=verify-full",
            (false, _) => "",
        };
        let port = self.open(scheme, server.to_owned(), is_postgres);
        let login = login.map(|login| format!("{login}@")).unwrap_or_default();
        format!("{secure}://{login}127.0.0.1:{port}{path}{mode}")
    }

    /// Sessions that were opened at the ports before URLs of this scheme.
    pub fn opened(&self, scheme: &str) -> usize {
        let ports = self.ports.lock().unwrap();
        ports.iter().filter(|port| port.scheme == scheme).map(|port| port.sessions.load(Ordering::Relaxed)).sum()
    }

    fn open(&self, scheme: &str, server: String, is_postgres: bool) -> u16 {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port();
        let listener = TcpListener::from_std(socket).unwrap();
        let sessions = Arc::new(AtomicUsize::new(0));
        self.ports.lock().unwrap().push(Port { scheme: scheme.to_owned(), sessions: Arc::clone(&sessions) });
        let (config, mut closed) = (self.config.subscribe(), self.config.subscribe());
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    is_open = closed.changed() => if is_open.is_ok() { continue } else { return },
                };
                let Ok((socket, _)) = accepted else { return };
                let passing = pass(socket, server.clone(), is_postgres, config.clone(), Arc::clone(&sessions));
                // A client that is refused hears why from TLS.
                tokio::spawn(async move { drop(passing.await) });
            }
        });
        port
    }
}

/// Serves one client until one side closes, or certificates change.
async fn pass(
    mut client: TcpStream,
    server: String,
    is_postgres: bool,
    mut config: watch::Receiver<Arc<ServerConfig>>,
    sessions: Arc<AtomicUsize>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    if is_postgres {
        let mut request = [0; 8];
        client.read_exact(&mut request).await?;
        if request != SSL_REQUEST {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        client.write_all(b"S").await?;
    }
    let acceptor = TlsAcceptor::from(Arc::clone(&config.borrow_and_update()));
    let mut session = acceptor.accept(client).await?;
    sessions.fetch_add(1, Ordering::Relaxed);
    let mut server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    tokio::select! {
        done = tokio::io::copy_bidirectional(&mut session, &mut server) => done.map(drop),
        _ = config.changed() => Ok(()),
    }
}

fn config(trusted: &Authority, issuer: &Authority) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem.as_bytes()).unwrap()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let (cert, key) = issuer.issue("127.0.0.1");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        );
    Arc::new(config.unwrap())
}
