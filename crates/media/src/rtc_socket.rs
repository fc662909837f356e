//! The UDP socket that all WebRTC peers of a thread share, and whose datagram it is.

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket},
};

/// What the kernel shall hold of what we have not read yet: a busy thread loses nothing.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// The magic cookie of STUN (RFC 8489 §5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// The attribute USERNAME (RFC 8489 §14.3).
const USERNAME: u16 = 0x0006;

/// Binds the port, or any free one for 0.
pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // As much as the system allows; a smaller buffer works too.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(UdpSocket::from_std(socket.into()))
}

/// The addresses a peer is told, for a socket bound to `bound`: those configured, else its own,
/// else the one that the default route leaves from.
pub(crate) fn advertised(bound: SocketAddr, configured: &[IpAddr]) -> Vec<SocketAddr> {
    if !configured.is_empty() {
        return configured.iter().map(|ip| SocketAddr::new(*ip, bound.port())).collect();
    }
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    // Nothing is sent: connecting makes the kernel choose the route.
    let route = |local: &str, remote: &str| -> io::Result<IpAddr> {
        let socket = StdUdpSocket::bind(local)?;
        socket.connect(remote)?;
        Ok(socket.local_addr()?.ip())
    };
    let routed = [route("0.0.0.0:0", "192.0.2.1:9"), route("[::]:0", "[2001:db8::1]:9")];
    let mut found: Vec<_> = routed.into_iter().flatten().filter(|ip| ip.is_ipv4() || bound.is_ipv6()).collect();
    if found.is_empty() {
        found.push(IpAddr::from([127, 0, 0, 1]));
    }
    found.into_iter().map(|ip| SocketAddr::new(ip, bound.port())).collect()
}

/// The first half of a binding request's USERNAME: the ICE user fragment of the peer it is for
/// (RFC 8445 §7.2.2). `None` for anything else.
pub(crate) fn stun_ufrag(datagram: &[u8]) -> Option<&str> {
    let [0, 1, high, low, cookie @ ..] = datagram else { return None };
    if !cookie.starts_with(&COOKIE) {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let mut attributes = datagram.get(20..20 + length)?;
    while let [t0, t1, l0, l1, rest @ ..] = attributes {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value = rest.get(..length)?;
        if u16::from_be_bytes([*t0, *t1]) == USERNAME {
            let text = std::str::from_utf8(value).ok()?;
            return text.split_once(':').map(|(ours, _)| ours);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(username: &str) -> Vec<u8> {
        let mut attribute = vec![0x80, 0x22, 0, 1, b'x', 0, 0, 0, 0, 6, 0, username.len() as u8];
        attribute.extend(username.as_bytes());
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        let mut datagram = vec![0, 1, 0, attribute.len() as u8];
        datagram.extend(COOKIE);
        datagram.extend([7; 12]);
        datagram.extend(attribute);
        datagram
    }

    #[test]
    fn finds_our_half_of_the_user_name() {
        assert_eq!(stun_ufrag(&request("ours:theirs")), Some("ours"));
        assert_eq!(stun_ufrag(&request("nobody")), None);
    }

    #[test]
    fn cut_and_twisted_requests_name_nobody_and_do_not_panic() {
        let whole = request("ours:theirs");
        for end in 0..whole.len() {
            let _ = stun_ufrag(&whole[..end]);
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut twisted = whole.clone();
                twisted[at] ^= 1 << bit;
                let _ = stun_ufrag(&twisted);
            }
        }
    }
}
