//! UDP sockets.

use crate::{
    counts::count,
    inward::Inward,
    local::{LocalAddresses, canonical},
    task::Life,
};
use bytes::Bytes;
use socket2::{Domain, Protocol as Layer, Socket, Type};
use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use trunkline_sip::flow::{Flow, Protocol};

/// The kernel's buffers; it grants what `net.core.rmem_max` allows.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
const SEND_BUFFER: usize = 1024 * 1024;
/// The largest datagram.
const DATAGRAM: usize = 65_535;
/// Datagrams read before other tasks get their turn.
const BUDGET: usize = 64;
/// A datagram of at most this many bytes is a keep-alive.
const KEEP_ALIVE: usize = 4;
/// After an error of the socket.
const PAUSE: Duration = Duration::from_millis(10);

/// A bound socket. Sending needs no task: the socket does not block.
#[derive(Debug)]
pub(crate) struct UdpPort {
    socket: UdpSocket,
    pub(crate) bound: SocketAddr,
    /// An IPv6 socket that IPv4 peers reach as well.
    dual: bool,
    locals: Mutex<LocalAddresses>,
}

impl UdpPort {
    /// Binds; an IPv6 socket serves IPv4 as well unless `only_v6`.
    pub(crate) fn bind(address: SocketAddr, only_v6: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Layer::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(only_v6)?;
        }
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let bound = socket.local_addr()?;
        let dual = bound.is_ipv6() && bound.ip().is_unspecified() && !only_v6;
        Ok(Self { socket, bound, dual, locals: Mutex::default() })
    }

    /// Whether a flow with this local address is ours; the better match is the greater.
    pub(crate) fn matches(&self, local: SocketAddr, remote: SocketAddr) -> u8 {
        if self.bound == local {
            return 4;
        }
        if self.bound.is_ipv4() != remote.is_ipv4() && !self.dual {
            return 0;
        }
        match (self.bound.port() == local.port(), self.bound.ip().is_unspecified()) {
            (true, true) => 3,
            (true, false) => 2,
            (false, _) => 1,
        }
    }

    pub(crate) fn send(&self, bytes: &[u8], remote: SocketAddr) -> io::Result<()> {
        let remote = match (self.bound, remote.ip()) {
            (SocketAddr::V6(_), IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), remote.port()),
            _ => remote,
        };
        self.socket.send_to(bytes, remote).map(|_| ())
    }

    /// Receives until the transport closes.
    pub(crate) async fn receive(self: Arc<Self>, inward: Arc<Inward>, life: Life) {
        let socket = match self.socket.try_clone().and_then(tokio::net::UdpSocket::from_std) {
            Ok(socket) => socket,
            Err(error) => return tracing::error!("the UDP socket cannot be read: {error}"),
        };
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let ready = tokio::select! {
                () = life.ended() => return,
                ready = socket.readable() => ready,
            };
            let mut failed = ready.is_err();
            for _ in 0..BUDGET {
                match socket.try_recv_from(&mut buffer) {
                    Ok((length, remote)) => {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        inward.guarded(|| self.take(datagram, canonical(remote), &inward));
                    }
                    Err(error) => {
                        failed |= error.kind() != ErrorKind::WouldBlock;
                        break;
                    }
                }
            }
            if failed {
                tokio::time::sleep(PAUSE).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    fn take(&self, datagram: &[u8], remote: SocketAddr, inward: &Inward) {
        let now = (inward.clock)();
        if !inward.admits(remote.ip(), now) {
            return;
        }
        let text = datagram.trim_ascii_start();
        if datagram.len() <= KEEP_ALIVE || text.is_empty() {
            return count(&inward.counters.keep_alives);
        }
        // STUN, DTLS and RTP are told apart by the first byte (RFC 7983 §7).
        if datagram.first().is_some_and(|byte| *byte <= 3) {
            return count(&inward.counters.stun);
        }
        let local = self.locals.lock().unwrap_or_else(PoisonError::into_inner).towards(self.bound, remote.ip(), now);
        let flow = Flow { protocol: Protocol::Udp, local, remote, connection: 0 };
        let reply = |answer: Bytes| self.send_counted(&answer, remote, inward);
        inward.parse_and_deliver(flow, now, Bytes::copy_from_slice(without_crlf(datagram)), &reply);
    }

    /// Sends, and counts how it went.
    pub(crate) fn send_counted(&self, bytes: &[u8], remote: SocketAddr, inward: &Inward) {
        match self.send(bytes, remote) {
            Ok(()) => count(&inward.counters.sent),
            Err(error) => {
                count(&inward.counters.send_failed);
                tracing::debug!("a datagram was not sent: {}", error.kind());
            }
        }
    }
}

/// RFC 3261 §7.5: empty lines before the start line are ignored.
fn without_crlf(mut datagram: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] = datagram {
        datagram = rest;
    }
    datagram
}
