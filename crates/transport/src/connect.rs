//! Connections that we open.

use crate::{
    counts::count,
    inward::Inward,
    listener::{HANDSHAKE, prepare},
    local::canonical,
    pool::{Pool, Registered},
    stream::{self, Line},
    task::Life,
};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use trunkline_sip::flow::{Flow, Protocol};

/// The peer's answer to a SYN.
const CONNECT: Duration = Duration::from_secs(5);

/// Opens the connection that `line` waits for and carries it until it ends. Dropping `registered`
/// reports the flows that waited, when it fails.
pub(crate) async fn run(
    mut line: Line,
    registered: Registered,
    tls: Option<Arc<ClientConfig>>,
    pool: Arc<Pool>,
    inward: Arc<Inward>,
    life: Life,
) {
    if line.flow.protocol == Protocol::Tls && tls.is_none() {
        return tracing::warn!("a TLS connection was not opened: no trusted certificates are configured");
    }
    let opened = tokio::select! {
        () = line.kill.notified() => return,
        opened = timeout(CONNECT, open(line.flow)) => opened,
    };
    let stream = match opened {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!("a SIP connection was not opened: {}", error.kind()),
        Err(_) => return count(&inward.counters.slow),
    };
    prepare(&stream);
    let Ok(local) = stream.local_addr() else { return };
    if line.flow.protocol == Protocol::Tls {
        let Some(tls) = tls else { return };
        // Flows name addresses, so the certificate must be for the address.
        let name = ServerName::IpAddress(line.flow.remote.ip().into());
        match timeout(HANDSHAKE, TlsConnector::from(tls).connect(name, stream)).await {
            Ok(Ok(secured)) => {
                count(&inward.counters.opened);
                pool.established(&mut line, canonical(local));
                stream::run(secured, line, &inward, &life).await;
            }
            Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {}", error.kind()),
            Err(_) => count(&inward.counters.slow),
        }
    } else {
        count(&inward.counters.opened);
        pool.established(&mut line, canonical(local));
        stream::run(stream, line, &inward, &life).await;
    }
    drop(registered);
}

async fn open(flow: Flow) -> io::Result<TcpStream> {
    let socket = if flow.remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if !flow.local.ip().is_unspecified() && flow.local.is_ipv4() == flow.remote.is_ipv4() {
        // From the address the peer knows us by, if we still have it.
        let _ = socket.bind(SocketAddr::new(flow.local.ip(), 0));
    }
    socket.connect(flow.remote).await
}
