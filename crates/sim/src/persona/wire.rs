//! SIP over UDP, TCP and TLS for a persona: everything is asked for in turn, nothing waits.

use super::{Transport, tls::Tls};
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

/// The longest message.
const LONGEST: usize = 1 << 16;

/// See the module.
pub(crate) struct Wire {
    transport: Transport,
    udp: Option<UdpSocket>,
    listener: Option<TcpListener>,
    streams: Vec<Stream>,
    tls: Option<Tls>,
    local: SocketAddr,
}

struct Stream {
    remote: SocketAddr,
    socket: TcpStream,
    secured: Option<rustls::Connection>,
    inward: Vec<u8>,
    outward: Vec<u8>,
    is_over: bool,
}

impl Wire {
    pub(crate) fn new(transport: Transport, listen: SocketAddr, tls: Option<Tls>) -> io::Result<Self> {
        let (mut udp, mut listener) = (None, None);
        let local = if transport == Transport::Udp {
            let socket = UdpSocket::bind(listen)?;
            socket.set_nonblocking(true)?;
            let local = socket.local_addr()?;
            udp = Some(socket);
            local
        } else {
            let socket = TcpListener::bind(listen)?;
            socket.set_nonblocking(true)?;
            let local = socket.local_addr()?;
            listener = Some(socket);
            local
        };
        Ok(Self { transport, udp, listener, streams: Vec::new(), tls, local })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn is_reliable(&self) -> bool {
        self.transport != Transport::Udp
    }

    /// Everything that has come.
    pub(crate) fn receive(&mut self) -> Vec<(SocketAddr, String)> {
        let mut found = Vec::new();
        if let Some(udp) = &self.udp {
            let mut buffer = [0; LONGEST];
            while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                found.push((from, String::from_utf8_lossy(&buffer[..length]).into_owned()));
            }
        }
        while let Some(Ok((socket, remote))) = self.listener.as_ref().map(TcpListener::accept) {
            let secured = self.tls.as_ref().and_then(Tls::serve);
            if (self.tls.is_none() || secured.is_some()) && socket.set_nonblocking(true).is_ok() {
                self.streams.push(Stream::new(remote, socket, secured));
            }
        }
        for stream in &mut self.streams {
            stream.turn();
            while let Some(text) = stream.message() {
                found.push((stream.remote, text));
            }
        }
        self.streams.retain(|stream| !stream.is_over);
        found
    }

    /// Whether there is a stream to this address.
    pub(crate) fn is_connected(&self, to: SocketAddr) -> bool {
        self.streams.iter().any(|stream| stream.remote == to)
    }

    /// Sends a message; over the stream to that address if there is one.
    pub(crate) fn send(&mut self, to: SocketAddr, text: &str) -> io::Result<()> {
        if let Some(udp) = &self.udp {
            udp.send_to(text.as_bytes(), to)?;
            return Ok(());
        }
        if !self.is_connected(to) {
            let socket = TcpStream::connect_timeout(&to, Duration::from_secs(2))?;
            socket.set_nonblocking(true)?;
            let secured = match &self.tls {
                Some(tls) => Some(tls.connect(to)?),
                None => None,
            };
            self.streams.push(Stream::new(to, socket, secured));
        }
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.remote == to) {
            stream.outward.extend_from_slice(text.as_bytes());
            stream.turn();
        }
        Ok(())
    }
}

impl Stream {
    fn new(remote: SocketAddr, socket: TcpStream, secured: Option<rustls::Connection>) -> Self {
        // A delay of acknowledgements is only slower.
        let _ = socket.set_nodelay(true);
        Self { remote, socket, secured, inward: Vec::new(), outward: Vec::new(), is_over: false }
    }

    /// Reads and writes what can be read and written now.
    fn turn(&mut self) {
        let turned = if self.secured.is_some() { self.turn_secured() } else { self.turn_plain() };
        if turned.is_err() {
            self.is_over = true;
        }
    }

    fn turn_plain(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8_192];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => {
                    self.is_over = true;
                    break;
                }
                Ok(length) => self.inward.extend_from_slice(&buffer[..length]),
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) => return Err(why),
            }
        }
        while !self.outward.is_empty() {
            match self.socket.write(&self.outward) {
                Ok(length) => drop(self.outward.drain(..length)),
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    fn turn_secured(&mut self) -> io::Result<()> {
        let Some(secured) = &mut self.secured else { return Ok(()) };
        loop {
            match secured.read_tls(&mut self.socket) {
                Ok(0) => {
                    self.is_over = true;
                    break;
                }
                Ok(_) => {
                    secured.process_new_packets().map_err(io::Error::other)?;
                }
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) => return Err(why),
            }
        }
        let mut buffer = [0; 8_192];
        while let Ok(length) = secured.reader().read(&mut buffer) {
            if length == 0 {
                break;
            }
            self.inward.extend_from_slice(&buffer[..length]);
        }
        if !secured.is_handshaking() && !self.outward.is_empty() {
            secured.writer().write_all(&self.outward)?;
            self.outward.clear();
        }
        while secured.wants_write() {
            match secured.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    /// The next whole message. Line ends between messages keep the connection alive (RFC 5626 §4.4.1).
    fn message(&mut self) -> Option<String> {
        let blank = self.inward.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.inward.drain(..blank);
        let head = self.inward.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(self.inward.get(..head)?).into_owned();
        let length: usize = super::text::Message::parse(&text)
            .and_then(|message| message.header("Content-Length")?.parse().ok())
            .filter(|length| *length <= LONGEST)
            .unwrap_or(0);
        let whole = self.inward.get(..head + length)?;
        let text = String::from_utf8_lossy(whole).into_owned();
        self.inward.drain(..head + length);
        Some(text)
    }
}
