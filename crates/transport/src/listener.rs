//! TCP and TLS listeners.

use crate::{counts::count, inward::Inward, local::canonical, pool::Pool, stream, task::Life};
use socket2::{Domain, Protocol as Layer, SockRef, Socket, TcpKeepalive, Type};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use trunkline_sip::flow::{Flow, Protocol};

/// A TLS handshake.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(5);
/// Connections the kernel keeps for us to accept.
const BACKLOG: i32 = 1_024;
/// After a failed accept: most often there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);
/// A peer that has gone without a word is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// A bound listener.
pub(crate) struct Listener {
    listener: TcpListener,
    pub(crate) bound: SocketAddr,
    protocol: Protocol,
    tls: Option<TlsAcceptor>,
    pool: Arc<Pool>,
    inward: Arc<Inward>,
    life: Life,
}

/// Binds a TCP socket; an IPv6 socket serves IPv4 as well unless `only_v6`.
pub(crate) fn bind(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Layer::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // The connections of a server that has just stopped do not keep the next one from its port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// What every stream socket gets.
pub(crate) fn prepare(stream: &TcpStream) {
    // Neither is worth losing a connection for.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE));
}

impl Listener {
    pub(crate) fn new(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        pool: Arc<Pool>,
        inward: Arc<Inward>,
        life: Life,
    ) -> io::Result<Self> {
        let bound = listener.local_addr()?;
        let protocol = if tls.is_some() { Protocol::Tls } else { Protocol::Tcp };
        Ok(Self { listener, bound, protocol, tls, pool, inward, life })
    }

    /// Accepts until the transport closes.
    pub(crate) async fn accept(self: Arc<Self>) {
        loop {
            let accepted = tokio::select! {
                () = self.life.ended() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => self.admit(stream, canonical(remote)),
                Err(error) => {
                    tracing::debug!("a SIP connection was not accepted: {}", error.kind());
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, remote: SocketAddr) {
        let Some(slot) = self.pool.admit(remote.ip()) else {
            return count(&self.inward.counters.refused);
        };
        count(&self.inward.counters.accepted);
        let listener = self.clone();
        tokio::spawn(async move {
            let _slot = slot;
            listener.serve(stream, remote).await;
        });
    }

    async fn serve(&self, stream: TcpStream, remote: SocketAddr) {
        prepare(&stream);
        let Ok(local) = stream.local_addr() else { return };
        let flow = Flow { protocol: self.protocol, local: canonical(local), remote, connection: 0 };
        match &self.tls {
            None => {
                let (line, _registered) = self.pool.accepted(flow, &self.inward);
                stream::run(stream, line, &self.inward, &self.life).await;
            }
            Some(tls) => {
                let secured = tokio::select! {
                    () = self.life.ended() => return,
                    secured = timeout(HANDSHAKE, tls.accept(stream)) => secured,
                };
                match secured {
                    Ok(Ok(secured)) => {
                        let (line, _registered) = self.pool.accepted(flow, &self.inward);
                        stream::run(secured, line, &self.inward, &self.life).await;
                    }
                    Ok(Err(error)) => self.inward.not_secured(remote, &error),
                    Err(_) => count(&self.inward.counters.slow),
                }
            }
        }
    }
}
