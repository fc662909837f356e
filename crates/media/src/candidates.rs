//! The addresses under which a thread is reached, as its clients are told.

use std::net::SocketAddr;
use str0m::{
    Candidate, Rtc,
    net::{Protocol, TcpType},
};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) udp: Vec<SocketAddr>,
    /// Clients connect to these (RFC 6544 §4.5, passive).
    pub(crate) tcp: Vec<SocketAddr>,
}

impl Candidates {
    /// Ours at which somebody with this address has arrived.
    pub(crate) fn facing(&self, from: SocketAddr, protocol: Protocol) -> Option<SocketAddr> {
        let ours = if protocol == Protocol::Tcp { &self.tcp } else { &self.udp };
        ours.iter().find(|c| c.is_ipv4() == from.is_ipv4()).copied()
    }

    /// Names them all to a connection, UDP first.
    pub(crate) fn tell(&self, rtc: &mut Rtc) {
        let udp = self.udp.iter().map(|at| (at, Candidate::host(*at, Protocol::Udp)));
        let passive = |at: SocketAddr| Candidate::builder().tcp().host(at).tcptype(TcpType::Passive).build();
        let tcp = self.tcp.iter().map(|at| (at, passive(*at)));
        for (address, candidate) in udp.chain(tcp) {
            match candidate {
                Ok(candidate) => drop(rtc.add_local_candidate(candidate)),
                Err(why) => tracing::warn!(%address, %why, "not a candidate"),
            }
        }
    }
}
