//! Connections that we open.

use crate::{
    Peer,
    counts::count,
    inward::Inward,
    listener::{HANDSHAKE, prepare},
    local::canonical,
    pool::{Pool, Registered},
    stream::{self, Line},
    task::Life,
    why,
};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};
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
    mut registered: Registered,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pool: Arc<Pool>,
    inward: Arc<Inward>,
    life: Life,
) {
    if line.flow.protocol == Protocol::Tls && tls.is_none() {
        registered.why = why::NO_TLS;
        return tracing::warn!("a TLS connection was not opened: {}", registered.why);
    }
    let opened = tokio::select! {
        () = line.kill.notified() => return,
        opened = timeout(CONNECT, open(line.flow)) => opened,
    };
    let stream = match opened {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            registered.why = why::of_connecting(&error);
            return tracing::debug!("a SIP connection was not opened: {}", error.kind());
        }
        Err(_) => {
            registered.why = why::NO_CONNECTION;
            return count(&inward.counters.slow);
        }
    };
    prepare(&stream);
    let Ok(local) = stream.local_addr() else { return };
    if line.flow.protocol == Protocol::Tls {
        let Some((tls, name)) = tls else { return };
        match timeout(HANDSHAKE, TlsConnector::from(tls).connect(name, stream)).await {
            Ok(Ok(secured)) => {
                count(&inward.counters.opened);
                pool.established(&mut line, canonical(local));
                registered.why = stream::run(secured, line, &inward, &life).await;
            }
            Ok(Err(error)) => {
                registered.why = why::of_handshake(&error);
                tracing::debug!("a TLS handshake failed: {}", registered.why);
            }
            Err(_) => {
                registered.why = why::SLOW_HANDSHAKE;
                count(&inward.counters.slow);
            }
        }
    } else {
        count(&inward.counters.opened);
        pool.established(&mut line, canonical(local));
        registered.why = stream::run(stream, line, &inward, &life).await;
    }
    drop(registered);
}

/// The client and the name that its peer's certificate must have: of whoever is expected there, else
/// the address itself.
pub(crate) fn secured(
    remote: SocketAddr,
    peer: Option<&Peer>,
    anonymous: Option<&Arc<ClientConfig>>,
    identities: &BTreeMap<String, Arc<ClientConfig>>,
) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
    let config = match peer.and_then(|peer| peer.identity.as_ref()) {
        Some(identity) => identities.get(identity)?,
        None => anonymous?,
    };
    let name = match peer {
        Some(peer) => ServerName::try_from(peer.name.clone()).ok()?,
        None => ServerName::IpAddress(remote.ip().into()),
    };
    Some((config.clone(), name))
}

async fn open(flow: Flow) -> io::Result<TcpStream> {
    let socket = if flow.remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if !flow.local.ip().is_unspecified() && flow.local.is_ipv4() == flow.remote.is_ipv4() {
        // From the address the peer knows us by, if we still have it.
        let _ = socket.bind(SocketAddr::new(flow.local.ip(), 0));
    }
    socket.connect(flow.remote).await
}
