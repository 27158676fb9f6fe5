//! Requests to a real server over TLS, whose certificates are made for each test.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;

#[test]
fn signatures_are_those_of_standard_webhooks() {
    // The example of the specification.
    let signature = standard_signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(BASE64.encode(signature), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

/// An authority that signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    Authority { pem: certificate.pem(), issuer: Issuer::new(params, key) }
}

/// From when and until when a certificate is good: days of 2020 or of far away.
#[derive(Clone, Copy)]
enum Good {
    Now,
    Before,
    Later,
}

/// A server with a certificate for these names: it answers every request, and counts connections.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// Ends with it.
    _tasks: JoinSet<()>,
}

async fn server(authority: &Authority, names: &[&str], good: Good) -> Server {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        .expect("names");
    let (from, to) = match good {
        Good::Now => (2020, 4000),
        Good::Before => (2019, 2020),
        Good::Later => (3999, 4000),
    };
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &authority.issuer).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("a certificate with its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connected = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let acceptor = acceptor.clone();
            connected.spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut seen = Vec::new();
                // A request of the tests ends with this body.
                while let Ok(read @ 1..) = stream.read_buf(&mut seen).await {
                    if seen[..].ends_with(b"ask") {
                        seen.clear();
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nheard";
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                    assert!(read > 0, "the other side is there");
                }
            });
        }
    });
    Server { address, connections, _tasks: tasks }
}

fn request(url: String, ca: Option<&Path>, alone: bool) -> Request {
    Request {
        url,
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
        body: Bytes::from_static(b"ask"),
        timeout: Duration::from_secs(60),
        ca: ca.map(Path::to_owned),
        keep: 3,
        alone,
    }
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    path
}

fn untrusted(answer: Result<Reply, NoReply>) -> String {
    match answer {
        Err(NoReply::Untrusted(reason)) => reason,
        other => panic!("it is not trusted, but: {other:?}"),
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_when_its_file_is_named() {
    let (own, other) = (authority("Own"), authority("Other"));
    let server = server(&own, &["localhost", "127.0.0.1"], Good::Now).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (ca, wrong) = (write(&folder, "ca.pem", &own.pem), write(&folder, "wrong.pem", &other.pem));
    let network = Network::default();
    let asked = |ca: Option<&Path>, alone| {
        network.post(request(format!("https://localhost:{}/hook", server.address.port()), ca, alone))
    };
    let unknown = untrusted(asked(None, false).await);
    assert!(
        unknown.contains("an authority that is not trusted here") && unknown.contains("`ca`"),
        "{unknown}"
    );
    assert!(untrusted(asked(Some(&wrong), false).await).contains("not trusted here"));
    let before = server.connections.load(Ordering::SeqCst);
    for _ in 0..3 {
        let reply = asked(Some(&ca), false).await.expect("it answers");
        assert_eq!((reply.status, &reply.body[..]), (200, &b"hea"[..]), "and what it says is cut short");
    }
    assert!(server.connections.load(Ordering::SeqCst) - before <= 3);
    let before = server.connections.load(Ordering::SeqCst);
    for _ in 0..2 {
        asked(Some(&ca), true).await.expect("it answers");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst) - before, 2, "each with a connection of its own");
    // The file is read again when it has changed.
    std::fs::write(&wrong, format!("{}{}", other.pem, own.pem)).expect("written");
    assert_eq!(asked(Some(&wrong), false).await.expect("it answers").status, 200);
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_is_told_by_what_is_wrong_with_it() {
    let own = authority("Own");
    let folder = tempfile::tempdir().expect("a folder");
    let ca = write(&folder, "ca.pem", &own.pem);
    let network = Network::default();
    for (names, good, host, said) in [
        (["localhost"], Good::Before, "localhost", "its certificate has expired"),
        (["localhost"], Good::Later, "localhost", "its certificate is not valid yet"),
        (["hooks.example"], Good::Now, "localhost", "its certificate is for another host than the URL names"),
        (["localhost"], Good::Now, "127.0.0.1", "its certificate is for another host than the URL names"),
    ] {
        let server = server(&own, &names, good).await;
        let url = format!("https://{host}:{}/hook?key=hunter2", server.address.port());
        let reason = untrusted(network.post(request(url, Some(&ca), false)).await);
        assert!(reason.starts_with(said) && !reason.contains("hunter2"), "{reason}");
    }
    // One that nobody signed.
    let key = KeyPair::generate().expect("a key");
    let lonely = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let lonely = Authority { pem: String::new(), issuer: Issuer::new(lonely, key) };
    let server = server(&lonely, &["localhost"], Good::Now).await;
    let url = format!("https://localhost:{}/", server.address.port());
    assert!(untrusted(network.post(request(url, Some(&ca), false)).await).contains("not trusted here"));
}

#[tokio::test]
async fn files_of_certificates_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let network = Network::default();
    let url = "https://localhost:1/".to_owned();
    for (name, text, said) in [
        ("none.pem", Some("no certificate"), "there is none in it"),
        ("empty.pem", Some(""), "there is none in it"),
        ("gone.pem", None, "No such file"),
        ("bad.pem", Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "cannot be read"),
        ("cut.pem", Some("-----BEGIN CERTIFICATE-----\nAAAA"), "cannot be read"),
    ] {
        let path = folder.path().join(name);
        if let Some(text) = text {
            std::fs::write(&path, text).expect("written");
        }
        let reason = untrusted(network.post(request(url.clone(), Some(&path), false)).await);
        assert!(reason.contains(name) && reason.contains(said), "{reason}");
    }
}

#[tokio::test]
async fn what_is_no_tls_server_or_no_server_is_told_apart() {
    let network = Network::default();
    let folder = tempfile::tempdir().expect("a folder");
    let ca = write(&folder, "ca.pem", &authority("Own").pem);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut plain = JoinSet::new();
    plain.spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("it is called");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("written");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let url = format!("https://localhost:{port}/");
    let reason = untrusted(network.post(request(url.clone(), Some(&ca), false)).await);
    assert!(reason.contains("there is no encrypted connection to it"), "{reason}");
    plain.join_next().await.expect("one").expect("it ends");
    let gone = network.post(request(url, Some(&ca), false)).await;
    assert!(matches!(gone, Err(NoReply::Unreached(_))), "{gone:?}");
}
