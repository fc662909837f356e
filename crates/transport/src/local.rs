//! Which of our addresses a peer reaches us at, when a socket is bound to all of them.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};
use trunkline_types::Time;

/// Peers remembered.
const PEERS: usize = 4_096;
/// How long an answer holds: addresses come and go with their interfaces.
const HOLDS: Duration = Duration::from_secs(60);

/// Answers from the routing table, remembered for a while.
#[derive(Debug, Default)]
pub(crate) struct LocalAddresses {
    known: HashMap<IpAddr, IpAddr>,
    since: Option<Time>,
}

impl LocalAddresses {
    /// The concrete form of `bound` towards `remote`.
    pub(crate) fn towards(&mut self, bound: SocketAddr, remote: IpAddr, now: Time) -> SocketAddr {
        if !bound.ip().is_unspecified() {
            return bound;
        }
        let stale = self.since.is_none_or(|since| now.since(since) > HOLDS);
        if stale || self.known.len() >= PEERS {
            self.known.clear();
            self.since = Some(now);
        }
        let ip = *self.known.entry(remote).or_insert_with(|| source_for(remote).unwrap_or(bound.ip()));
        SocketAddr::new(ip, bound.port())
    }
}

/// The source address the kernel would choose towards `remote`. Nothing is sent.
fn source_for(remote: IpAddr) -> Option<IpAddr> {
    let any = if remote.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((remote, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// An IPv4 address that came through an IPv6 socket, as what it is.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_bound_to_all_addresses_gets_a_concrete_one() {
        let mut addresses = LocalAddresses::default();
        let any: SocketAddr = "0.0.0.0:5060".parse().unwrap();
        let local = addresses.towards(any, "127.0.0.1".parse().unwrap(), Time::default());
        assert_eq!(local, "127.0.0.1:5060".parse().unwrap());
        let bound: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        assert_eq!(addresses.towards(bound, "127.0.0.1".parse().unwrap(), Time::default()), bound);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut addresses = LocalAddresses::default();
        let any: SocketAddr = "0.0.0.0:5060".parse().unwrap();
        for number in 0..PEERS as u32 + 10 {
            addresses.towards(any, IpAddr::V4(Ipv4Addr::from_bits(0x7f00_0000 + number)), Time::default());
        }
        assert!(addresses.known.len() <= PEERS);
    }
}
