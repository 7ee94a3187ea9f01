use std::fs;

use pannier_testkit::certificates::{Authority, CertificateFiles};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::*;

fn files(of: &CertificateFiles) -> Files {
    Files { ca: of.ca(), cert: of.cert(), key: of.key() }
}

fn serving(files: &CertificateFiles) -> TlsAcceptor {
    let config = server(&files.cert(), &files.key()).unwrap().expect("both files are set");
    TlsAcceptor::from(Arc::new(config))
}

/// A byte from the server to the client, or why there is none.
async fn speak(client: &Tls, host: &str, server: &TlsAcceptor) -> Result<(), String> {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let server = server.clone();
    tokio::spawn(async move {
        if let Ok(mut session) = server.accept(far).await {
            let _ = session.write_all(b"!").await;
            let _ = session.shutdown().await;
        }
    });
    let mut session = client.connect(host, near).await.map_err(|e| e.to_string())?;
    session.read_u8().await.map(drop).map_err(|e| e.to_string())
}

#[tokio::test]
async fn only_a_certificate_of_our_ca_for_this_host_is_accepted() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (our_files, their_files) = (CertificateFiles::new(&ours, &ours), CertificateFiles::new(&theirs, &theirs));
    let client = Tls::new(&files(&our_files)).unwrap();
    speak(&client, "127.0.0.1", &serving(&our_files)).await.unwrap();
    let refused = speak(&client, "127.0.0.1", &serving(&their_files)).await.unwrap_err();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let refused = speak(&client, "localhost", &serving(&our_files)).await.unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn changed_files_are_used_by_the_next_connection() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (ours, theirs) = (CertificateFiles::new(&old, &old), CertificateFiles::new(&old, &old));
    let (client, server) = (Tls::new(&files(&ours)).unwrap(), serving(&theirs));
    speak(&client, "127.0.0.1", &server).await.unwrap();

    theirs.renew(&new, &new);
    let refused = speak(&client, "127.0.0.1", &server).await.unwrap_err();
    assert!(refused.contains("UnknownIssuer"), "the server has a new certificate: {refused}");
    ours.renew(&new, &new);
    speak(&client, "127.0.0.1", &server).await.unwrap();

    // Files that cannot be used leave those from before in use.
    fs::write(ours.ca(), "half a certif").unwrap();
    fs::remove_file(theirs.key()).unwrap();
    speak(&client, "127.0.0.1", &server).await.unwrap();
}

#[test]
fn errors_name_the_setting() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let (first, second) = (CertificateFiles::new(&one, &one), CertificateFiles::new(&other, &other));
    let whole = files(&first);
    let none = PathBuf::new;
    for (wrong, message) in [
        (Files { key: none(), ..whole.clone() }, "tls_cert is set and tls_key is not"),
        (Files { cert: none(), ..whole.clone() }, "tls_key is set and tls_cert is not"),
        (Files { ca: "/no/such/file".into(), ..whole.clone() }, "tls_ca names /no/such/file"),
        (Files { ca: first.key(), ..whole.clone() }, "there is no certificate in it"),
        (Files { key: first.cert(), ..whole.clone() }, "there is no private key in it"),
        (Files { key: second.key(), ..whole.clone() }, "tls_cert and tls_key do not belong together"),
    ] {
        let error = format!("{:#}", Tls::new(&wrong).unwrap_err());
        assert!(error.contains(message), "{message}: {error}");
    }
    let error = server(&first.cert(), &none()).unwrap_err().to_string();
    assert!(error.contains("http_tls_key is not"), "{error}");
    assert!(server(&none(), &none()).unwrap().is_none());
}
