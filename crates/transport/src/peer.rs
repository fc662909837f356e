//! Who is expected at an address: names of certificates, theirs and ours.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
};

/// Addresses remembered; the oldest goes first.
const PEERS: usize = 4_096;

/// Whom a TLS connection to an address must lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name, or the address in text, that its certificate must have (RFC 5922 §7.2).
    pub name: String,
    /// The name of the certificate that we show ([`Config::tls_identities`](crate::Config)).
    pub identity: Option<String>,
}

/// What is expected where.
#[derive(Default)]
pub(crate) struct Peers {
    held: HashMap<SocketAddr, Arc<Peer>>,
    order: VecDeque<SocketAddr>,
}

impl Peers {
    pub(crate) fn expect(&mut self, remote: SocketAddr, peer: Peer) {
        if self.held.insert(remote, Arc::new(peer)).is_some() {
            return;
        }
        self.order.push_back(remote);
        if self.order.len() > PEERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.held.remove(&oldest);
        }
    }

    pub(crate) fn at(&self, remote: SocketAddr) -> Option<Arc<Peer>> {
        self.held.get(&remote).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_the_oldest_is_forgotten() {
        let mut peers = Peers::default();
        let at = |n: u32| SocketAddr::from((n.to_be_bytes(), 5061));
        let named = |name: &str| Peer { name: name.into(), identity: None };
        for n in 0..=PEERS as u32 {
            peers.expect(at(n), named("a"));
            peers.expect(at(n), named("b"));
        }
        assert_eq!(peers.at(at(0)), None);
        assert_eq!(peers.at(at(1)).as_deref(), Some(&named("b")));
        assert_eq!((peers.held.len(), peers.order.len()), (PEERS, PEERS));
    }
}
