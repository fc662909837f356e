//! Our own SIP addresses: which socket a request of ours leaves from, and who is we ourselves.

use std::net::{IpAddr, SocketAddr};
use trunkline_sip::flow::{Flow, Protocol};

/// Where we listen.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Concrete addresses, the preferred one of each protocol first.
    pub(crate) listening: Vec<(Protocol, SocketAddr)>,
    /// The address others see, if it is another.
    pub(crate) advertised: Option<IpAddr>,
}

impl Own {
    /// The way to a peer; `None` if no socket of ours leads there.
    pub(crate) fn flow_to(&self, protocol: Protocol, remote: SocketAddr) -> Option<Flow> {
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let fits = |address: &SocketAddr| address.is_ipv4() == remote.is_ipv4();
        let of = |wanted: Protocol| {
            let here = || self.listening.iter().filter(|(p, _)| *p == wanted).map(|(_, a)| *a).filter(fits);
            here().find(|a| a.ip().is_loopback() == remote.ip().is_loopback()).or_else(|| here().next())
        };
        // A stream can be opened from anywhere, though nobody can open one back to us then.
        let elsewhere = || match protocol {
            Protocol::Udp => None,
            Protocol::Tcp | Protocol::Tls => {
                [Protocol::Udp, Protocol::Tcp].into_iter().find_map(of).map(|a| SocketAddr::new(a.ip(), 0))
            }
        };
        let local = of(protocol).or_else(elsewhere)?;
        Some(Flow { protocol, local, remote, connection: 0 })
    }

    /// Whether a target is we.
    pub(crate) fn is_own(&self, protocol: Protocol, remote: SocketAddr) -> bool {
        let ip = remote.ip().to_canonical();
        self.listening.iter().any(|(p, own)| {
            *p == protocol
                && own.port() == remote.port()
                && (own.ip().to_canonical() == ip || ip.is_unspecified() || self.advertised == Some(ip))
        })
    }

    /// An address for media, before it is known which way a call will take.
    pub(crate) fn for_media(&self, peer: Option<IpAddr>) -> Option<IpAddr> {
        let of = |(_, address): &(Protocol, SocketAddr)| address.ip();
        let outward = || self.listening.iter().map(of).find(|ip| !ip.is_loopback());
        match peer {
            Some(peer) => [Protocol::Udp, Protocol::Tcp, Protocol::Tls]
                .into_iter()
                .find_map(|p| self.flow_to(p, SocketAddr::new(peer, 5060)))
                .map(|flow| flow.local.ip()),
            None => outward().or_else(|| self.listening.first().map(of)),
        }
    }

    /// What stands in From if nobody named a host.
    pub(crate) fn host(&self, flow: &Flow) -> String {
        let local = flow.local.ip();
        let ip = self.advertised.filter(|a| a.is_ipv4() == local.is_ipv4()).unwrap_or(local);
        if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Own {
        let at = |text: &str| text.parse().unwrap();
        let listening = vec![
            (Protocol::Udp, at("127.0.0.1:5060")),
            (Protocol::Udp, at("192.0.2.1:5060")),
            (Protocol::Udp, at("[2001:db8::1]:5060")),
            (Protocol::Tcp, at("192.0.2.1:5070")),
        ];
        Own { listening, advertised: Some("203.0.113.9".parse().unwrap()) }
    }

    #[test]
    fn the_socket_fits_protocol_family_and_reach() {
        let way = |p, remote: &str| own().flow_to(p, remote.parse().unwrap()).map(|f| f.local.to_string());
        assert_eq!(way(Protocol::Udp, "198.51.100.1:5060").as_deref(), Some("192.0.2.1:5060"));
        assert_eq!(way(Protocol::Udp, "127.0.0.1:9000").as_deref(), Some("127.0.0.1:5060"));
        assert_eq!(way(Protocol::Udp, "[2001:db8::2]:5060").as_deref(), Some("[2001:db8::1]:5060"));
        assert_eq!(way(Protocol::Tcp, "198.51.100.1:5060").as_deref(), Some("192.0.2.1:5070"));
        assert_eq!(way(Protocol::Tls, "198.51.100.1:5061").as_deref(), Some("192.0.2.1:0"));
        assert_eq!(Own::default().flow_to(Protocol::Udp, "127.0.0.1:5060".parse().unwrap()), None);
    }

    #[test]
    fn we_know_ourselves_by_every_address() {
        for (p, address, is_own) in [
            (Protocol::Udp, "192.0.2.1:5060", true),
            (Protocol::Udp, "203.0.113.9:5060", true),
            (Protocol::Udp, "0.0.0.0:5060", true),
            (Protocol::Udp, "192.0.2.1:5061", false),
            (Protocol::Tcp, "192.0.2.1:5060", false),
            (Protocol::Udp, "192.0.2.2:5060", false),
        ] {
            assert_eq!(own().is_own(p, address.parse().unwrap()), is_own, "{address}");
        }
    }
}
