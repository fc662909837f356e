//! RTP ports: even ones of the range, RTCP one above, taken in turn.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    ops::RangeInclusive,
    sync::atomic::{AtomicU16, Ordering},
};

/// The range, and where the search goes on.
pub(crate) struct Ports {
    range: RangeInclusive<u16>,
    next: AtomicU16,
}

impl Ports {
    pub(crate) fn new(range: RangeInclusive<u16>) -> Self {
        let next = AtomicU16::new(*range.start());
        Self { range, next }
    }

    /// Opens a pair of sockets.
    pub(crate) fn open(&self, local: IpAddr) -> Result<(UdpSocket, UdpSocket), String> {
        if *self.range.end() == 0 {
            return self.any(local).map_err(|why| format!("no pair of free ports on {local}: {why}"));
        }
        let (first, last) = (self.range.start().next_multiple_of(2), *self.range.end());
        let pairs = (last.saturating_sub(first) / 2).saturating_add(u16::from(last > first));
        for _ in 0..pairs {
            let at = self.next.fetch_add(2, Ordering::Relaxed);
            let port = first + (at.wrapping_sub(first) / 2 % pairs) * 2;
            if let Ok(pair) = pair(local, port) {
                return Ok(pair);
            }
        }
        Err(format!("no free pair of ports in rtp_port {first}-{last}; widen the range"))
    }

    fn any(&self, local: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..64 {
            let probe = UdpSocket::bind(SocketAddr::new(local, 0))?;
            let port = probe.local_addr()?.port() & !1;
            drop(probe);
            match pair(local, port) {
                Ok(pair) => return Ok(pair),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn pair(local: IpAddr, port: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    let rtp = UdpSocket::bind(SocketAddr::new(local, port))?;
    let rtcp = UdpSocket::bind(SocketAddr::new(local, port.saturating_add(1)))?;
    rtp.set_nonblocking(true)?;
    rtcp.set_nonblocking(true)?;
    Ok((rtp, rtcp))
}
