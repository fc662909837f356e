//! TLS.

use crate::fixture::{Bound, bind, loopback, request, soon};
use bytes::Bytes;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use trunkline_sip::flow::{Flow, Protocol, Transmit};
use trunkline_transport::{Config, Error, server_tls};

pub fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transport/certs")).join(name)
}

pub fn certs() -> Vec<(PathBuf, PathBuf)> {
    ["one", "two"].iter().map(|name| (file(&format!("{name}.pem")), file(&format!("{name}.key")))).collect()
}

fn client(trusted: &str, alpn: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file(trusted)).expect("a certificate")).expect("a root");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub async fn server() -> Bound {
    let tls_server = Some(server_tls(&certs(), None).expect("certificates"));
    bind(Config { tls: vec![loopback()], tls_server, ..Config::default() }).await
}

async fn connect(
    bound: &Bound,
    config: Arc<ClientConfig>,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(bound.transport.addresses().tls[0]).await?;
    soon(TlsConnector::from(config).connect(ServerName::try_from(name).expect("a name"), stream)).await
}

#[tokio::test]
async fn each_name_gets_its_certificate_and_messages_flow() {
    let bound = server().await;
    for (name, trusted) in [("one.example", "one.pem"), ("two.example", "two.pem")] {
        let mut stream = connect(&bound, client(trusted, &["sip"]), name).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"sip"[..]));
        let options = request("OPTIONS", name);
        stream.write_all(&options).await.expect("written");
        let received = bound.received().await;
        assert_eq!(received.raw, options);
        assert_eq!(received.flow.protocol, Protocol::Tls);
        bound.transport.send(Transmit { flow: received.flow, bytes: Bytes::from_static(b"answer") });
        let mut answer = [0; 6];
        soon(stream.read_exact(&mut answer)).await.expect("an answer");
        assert_eq!(&answer, b"answer");
        drop(stream);
        assert_eq!(bound.closed().await, received.flow);
    }
}

#[tokio::test]
async fn without_alpn_it_works_and_with_a_foreign_one_it_does_not() {
    let bound = server().await;
    assert!(connect(&bound, client("one.pem", &[]), "one.example").await.is_ok());
    assert!(connect(&bound, client("one.pem", &["sip/2"]), "one.example").await.is_ok());
    assert!(connect(&bound, client("one.pem", &["h2"]), "one.example").await.is_err());
}

#[tokio::test]
async fn plain_text_on_the_tls_port_reaches_nobody() {
    let bound = server().await;
    let mut stream = TcpStream::connect(bound.transport.addresses().tls[0]).await.expect("connected");
    stream.write_all(&request("OPTIONS", "plain")).await.expect("written");
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
    assert!(!rest.starts_with(b"SIP"));
    assert_eq!(bound.transport.counts().received, 0);
}

#[tokio::test]
async fn a_connection_of_ours_verifies_its_peer() {
    let peer = server().await;
    let remote = peer.transport.addresses().tls[0];
    let flow = Flow { protocol: Protocol::Tls, local: loopback(), remote, connection: 0 };
    let options = request("OPTIONS", "out");
    let trusting = bind(Config { tls_client: Some(client("one.pem", &["sip"])), ..Config::default() }).await;
    trusting.transport.send(Transmit { flow, bytes: options.clone().into() });
    assert_eq!(peer.received().await.raw, options);
    let wary = bind(Config { tls_client: Some(client("two.pem", &["sip"])), ..Config::default() }).await;
    wary.transport.send(Transmit { flow, bytes: options.into() });
    assert_eq!(wary.closed().await, flow);
}

#[test]
fn wrong_files_are_named() {
    let text = |certs: &[(PathBuf, PathBuf)]| match server_tls(certs, None) {
        Err(error @ Error::Certificate { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(text(&[(file("none.pem"), file("one.key"))]).contains("none.pem"));
    assert!(text(&[(file("one.key"), file("one.key"))]).contains("one.key"));
    assert!(text(&[(file("one.pem"), file("one.pem"))]).contains("one.pem"));
    assert!(text(&[(file("one.pem"), file("two.key"))]).contains("does not fit"));
    assert!(text(&[]).contains("no certificate"));
    let authorities = |name: &str| server_tls(&certs(), Some(&file(name))).unwrap_err().to_string();
    assert!(authorities("none.pem").contains("none.pem"));
    assert!(authorities("one.key").contains("no certificate in it"));
}

#[tokio::test]
async fn a_tls_address_without_a_certificate_is_refused() {
    let config = Config { tls: vec![loopback()], ..Config::default() };
    let clock = Arc::new(trunkline_types::Time::default);
    let error = trunkline_transport::Transport::bind(config, clock, Arc::new(|_| true)).await.err();
    assert!(matches!(error, Some(Error::NoCertificate(_))));
}
