//! The socket of a participant: UDP, which tells the runtime of each datagram or does not, or a
//! stream with a length before each packet (RFC 4571).

use std::{
    collections::VecDeque,
    future::pending,
    io,
    net::{SocketAddr, UdpSocket as Quiet},
};
use str0m::net::Protocol;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// What may wait for a slow server; beyond it packets are lost.
const UNSENT_BYTES: usize = 256 * 1024;
/// What one read of a stream takes.
const READ_BYTES: usize = 16 * 1024;

/// See the module.
pub(crate) enum Socket {
    /// Each datagram wakes whoever waits.
    Awake(UdpSocket),
    /// Nobody is woken: the far end does not pay for that when it sends.
    Dozing(Quiet),
    /// TCP, before the server has named its address.
    Unconnected(TcpSocket),
    /// TCP.
    Connected(Box<Stream>),
    /// On the way from one to the other; never seen.
    Closed,
}

/// A connection over TCP.
pub(crate) struct Stream {
    stream: TcpStream,
    far: SocketAddr,
    read: VecDeque<u8>,
    unsent: VecDeque<u8>,
}

impl Socket {
    /// A socket at a free port.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn bind(at: SocketAddr, tcp: bool) -> io::Result<(Self, SocketAddr)> {
        if tcp {
            let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.bind(at)?;
            let local = socket.local_addr()?;
            return Ok((Self::Unconnected(socket), local));
        }
        let socket = UdpSocket::bind(at).await?;
        let local = socket.local_addr()?;
        Ok((Self::Awake(socket), local))
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        match self {
            Self::Awake(_) | Self::Dozing(_) | Self::Closed => Protocol::Udp,
            Self::Unconnected(_) | Self::Connected(_) => Protocol::Tcp,
        }
    }

    /// Connects to the first passive candidate of an answer (RFC 6544 §4.5), if that is still to do.
    ///
    /// # Errors
    /// The answer has none, or nobody listens there.
    pub(crate) async fn connect(&mut self, sdp: &str) -> io::Result<()> {
        let Self::Unconnected(_) = self else { return Ok(()) };
        let Self::Unconnected(socket) = std::mem::replace(self, Self::Closed) else { return Ok(()) };
        let passive = sdp.lines().find(|line| line.contains("candidate:") && line.contains("tcptype passive"));
        let far = passive.and_then(|line| {
            let mut fields = line.split_whitespace().skip(4);
            Some(SocketAddr::new(fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        });
        let far = far.ok_or_else(|| io::Error::other("the server has no candidate over TCP"))?;
        let stream = socket.connect(far).await?;
        stream.set_nodelay(true)?;
        *self = Self::Connected(Box::new(Stream { stream, far, read: VecDeque::new(), unsent: VecDeque::new() }));
        Ok(())
    }

    /// Until something can be read; for ever if it dozes.
    pub(crate) async fn readable(&self) {
        match self {
            // A socket that has failed says so when it is read.
            Self::Awake(socket) => drop(socket.readable().await),
            Self::Connected(held) => drop(held.stream.readable().await),
            Self::Dozing(_) | Self::Unconnected(_) | Self::Closed => pending().await,
        }
    }

    /// From now on nobody is woken.
    ///
    /// # Errors
    /// The socket cannot be taken from the runtime.
    pub(crate) fn doze(&mut self) -> io::Result<()> {
        if let Self::Awake(_) = self
            && let Self::Awake(socket) = std::mem::replace(self, Self::Closed)
        {
            *self = Self::Dozing(socket.into_std()?);
        }
        Ok(())
    }

    /// A datagram, if there is one.
    ///
    /// # Errors
    /// There is none, or the socket has failed.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Awake(socket) => socket.try_recv_from(buffer),
            Self::Dozing(socket) => socket.recv_from(buffer),
            Self::Connected(held) => held.receive(buffer),
            Self::Unconnected(_) => Err(io::ErrorKind::WouldBlock.into()),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// The network refuses it.
    pub(crate) fn send(&mut self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        match self {
            Self::Awake(socket) => socket.try_send_to(datagram, to),
            Self::Dozing(socket) => socket.send_to(datagram, to),
            Self::Connected(held) => held.send(datagram),
            Self::Unconnected(_) | Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Stream {
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        loop {
            if let (Some(high), Some(low)) = (self.read.front(), self.read.get(1)) {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if self.read.len() >= length + 2 {
                    let packet: Vec<u8> = self.read.drain(..length + 2).skip(2).collect();
                    let taken = packet.len().min(buffer.len());
                    buffer[..taken].copy_from_slice(&packet[..taken]);
                    return Ok((taken, self.far));
                }
            }
            let mut bytes = [0; READ_BYTES];
            match self.stream.try_read(&mut bytes)? {
                0 => return Err(io::ErrorKind::WouldBlock.into()),
                read => self.read.extend(&bytes[..read]),
            }
        }
    }

    fn send(&mut self, datagram: &[u8]) -> io::Result<usize> {
        if self.unsent.len() + datagram.len() < UNSENT_BYTES {
            self.unsent.extend(u16::try_from(datagram.len()).unwrap_or(0).to_be_bytes());
            self.unsent.extend(datagram);
        }
        while !self.unsent.is_empty() {
            match self.stream.try_write(self.unsent.make_contiguous()) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => break,
                Err(why) => return Err(why),
            }
        }
        Ok(datagram.len())
    }
}
