//! The addresses that calls out leave from: those the sockets are bound to, made concrete.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use trunkline_sip::flow::Protocol;
use trunkline_transport::Transport;

/// What the transport listens on. A socket that is bound to all addresses counts with the one that
/// the route to the internet has, and with the loopback address.
pub(crate) fn concrete(transport: &Transport) -> Vec<(Protocol, SocketAddr)> {
    let bound = transport.addresses();
    let all = [(Protocol::Udp, &bound.udp), (Protocol::Tcp, &bound.tcp), (Protocol::Tls, &bound.tls)];
    let of = |(protocol, addresses): (Protocol, &Vec<SocketAddr>)| {
        let concrete: Vec<_> = addresses.iter().flat_map(|address| made_concrete(*address)).collect();
        concrete.into_iter().map(move |address| (protocol, address)).collect::<Vec<_>>()
    };
    all.into_iter().flat_map(of).collect()
}

fn made_concrete(bound: SocketAddr) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let v4 =
        [routed(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()), Some(Ipv4Addr::LOCALHOST.into())];
    let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let v6 = [routed(Ipv6Addr::UNSPECIFIED.into(), documentation.into()), Some(Ipv6Addr::LOCALHOST.into())];
    // A socket for all addresses of IPv6 usually serves IPv4 as well.
    let ips: Vec<_> = if bound.is_ipv4() { v4.to_vec() } else { v4.into_iter().chain(v6).collect() };
    ips.into_iter().flatten().map(|ip| SocketAddr::new(ip, bound.port())).collect()
}

/// The source address towards there. Nothing is sent: connecting makes the kernel choose the route.
fn routed(any: IpAddr, there: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((there, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_for_all_addresses_has_the_loopback_one() {
        let own = made_concrete("0.0.0.0:5060".parse().unwrap());
        assert!(own.contains(&"127.0.0.1:5060".parse().unwrap()));
        assert!(own.iter().all(|a| !a.ip().is_unspecified() && a.port() == 5060));
        assert_eq!(made_concrete("192.0.2.1:5060".parse().unwrap()), ["192.0.2.1:5060".parse().unwrap()]);
    }
}
