//! TLS connections of ours: whom they lead to, and who we are there.

use crate::{
    fixture::{Bound, bind, loopback, plain, request, soon},
    secured::{certs, file, server},
};
use bytes::Bytes;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{net::SocketAddr, sync::Arc};
use tokio::{io::AsyncReadExt, net::TcpListener};
use tokio_rustls::TlsAcceptor;
use trunkline_sip::flow::{Flow, Protocol, Transmit};
use trunkline_transport::{ClientTls, Config, Peer, client_tls, server_tls};

fn flow(protocol: Protocol, remote: SocketAddr) -> Flow {
    Flow { protocol, local: loopback(), remote, connection: 0 }
}

fn peer(name: &str, identity: Option<&str>) -> Peer {
    Peer { name: name.into(), identity: identity.map(str::to_owned) }
}

/// Waits until the flow is reported as closed; a connection that stood for a moment is reported, too.
async fn closed(bound: &Bound, flow: Flow) {
    while bound.closed().await != flow {}
}

/// Trusts both certificates, and can show the second.
async fn caller() -> Bound {
    let ca = std::env::temp_dir().join(format!("trunkline-roots-{}.pem", std::process::id()));
    let roots = ["one.pem", "two.pem"].map(|name| std::fs::read_to_string(file(name)).expect("a certificate"));
    std::fs::write(&ca, roots.concat()).expect("written");
    let identity = ("ours".to_owned(), file("two.pem"), file("two.key"));
    let ClientTls { anonymous, identities } = client_tls(Some(&ca), &[identity]).expect("a client");
    bind(Config { tls_client: Some(anonymous), tls_identities: identities, ..Config::default() }).await
}

#[tokio::test]
async fn the_certificate_must_have_the_name_that_is_expected() {
    let far_end = server().await;
    let remote = far_end.transport.addresses().tls[0];
    let caller = caller().await;
    for name in ["one.example", "two.example"] {
        caller.transport.expect(remote, peer(name, None));
        let options = request("OPTIONS", name);
        caller.transport.send(Transmit { flow: flow(Protocol::Tls, remote), bytes: options.clone().into() });
        assert_eq!(far_end.received().await.raw, options);
        // The same name: the same connection.
        caller.transport.send(Transmit { flow: flow(Protocol::Tls, remote), bytes: options.clone().into() });
        assert_eq!(far_end.received().await.raw, options);
    }
    assert_eq!(caller.transport.counts().opened, 2, "another name is another connection");
    for name in ["three.example", "not a name"] {
        caller.transport.expect(remote, peer(name, None));
        let flow = flow(Protocol::Tls, remote);
        caller.transport.send(Transmit { flow, bytes: request("OPTIONS", "x").into() });
        assert_eq!(caller.closed().await, flow, "{name}");
    }
}

#[tokio::test]
async fn our_certificate_is_shown_where_it_is_named() {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("two.pem")).expect("a certificate")).expect("a root");
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build();
    let (cert, key) = certs().remove(0);
    let chain = vec![CertificateDer::from_pem_file(cert).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.expect("a verifier"))
        .with_single_cert(chain, key)
        .expect("a server");
    config.alpn_protocols = vec![b"sip".to_vec()];
    let listener = TcpListener::bind(loopback()).await.expect("bound");
    let remote = listener.local_addr().expect("an address");
    let caller = caller().await;
    let flow = flow(Protocol::Tls, remote);
    let accept = async |config: &Arc<ServerConfig>| {
        let (stream, _) = soon(listener.accept()).await.expect("accepted");
        soon(TlsAcceptor::from(config.clone()).accept(stream)).await
    };
    let config = Arc::new(config);
    caller.transport.expect(remote, peer("one.example", Some("ours")));
    caller.transport.send(Transmit { flow, bytes: Bytes::from_static(b"hello") });
    let mut stream = accept(&config).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"sip"[..]));
    let shown = stream.get_ref().1.peer_certificates().expect("certificates")[0].clone();
    assert_eq!(shown, CertificateDer::from_pem_file(file("two.pem")).expect("a certificate"));
    let mut text = [0; 5];
    soon(stream.read_exact(&mut text)).await.expect("read");
    assert_eq!(&text, b"hello");
    caller.transport.expect(remote, peer("one.example", None));
    caller.transport.send(Transmit { flow, bytes: Bytes::from_static(b"hello") });
    assert!(accept(&config).await.is_err(), "nothing is shown unasked");
    closed(&caller, flow).await;
    caller.transport.expect(remote, peer("one.example", Some("nobody's")));
    caller.transport.send(Transmit { flow, bytes: Bytes::from_static(b"hello") });
    closed(&caller, flow).await;
}

#[tokio::test]
async fn who_calls_shows_a_certificate_of_an_authority_that_is_named() {
    let tls_server = Some(server_tls(&certs(), Some(&file("two.pem"))).expect("certificates"));
    let far_end = bind(Config { tls: vec![loopback()], tls_server, ..Config::default() }).await;
    let remote = far_end.transport.addresses().tls[0];
    let caller = caller().await;
    let options = request("OPTIONS", "shown");
    caller.transport.expect(remote, peer("one.example", Some("ours")));
    caller.transport.send(Transmit { flow: flow(Protocol::Tls, remote), bytes: options.clone().into() });
    assert_eq!(far_end.received().await.raw, options);
    caller.transport.expect(remote, peer("one.example", None));
    caller.transport.send(Transmit { flow: flow(Protocol::Tls, remote), bytes: request("OPTIONS", "none").into() });
    closed(&caller, flow(Protocol::Tls, remote)).await;
    let counts = far_end.transport.counts();
    assert_eq!((counts.received, counts.unsecured), (1, 1));
}

#[tokio::test]
async fn a_keep_alive_is_answered_and_opens_nothing() {
    let (far_end, caller) = (plain().await, plain().await);
    let flow = flow(Protocol::Tcp, far_end.tcp());
    let ping = || Transmit { flow, bytes: Bytes::from_static(b"\r\n\r\n") };
    caller.transport.send(ping());
    caller.transport.send(Transmit { flow, bytes: request("OPTIONS", "a").into() });
    far_end.received().await;
    caller.transport.send(ping());
    caller.transport.send(Transmit { flow, bytes: request("OPTIONS", "b").into() });
    far_end.received().await;
    assert_eq!((far_end.transport.counts().keep_alives, caller.transport.counts().opened), (1, 1));
}
