//! Where the clients of a thread send from: which connection a datagram belongs to.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
};

/// Addresses remembered per connection. A client moves from one network to another now and then;
/// who sends from many more makes room by being forgotten where it was first.
const ADDRESSES: usize = 16;

/// See the module.
#[derive(Default)]
pub(crate) struct Addresses {
    by_address: HashMap<SocketAddr, usize>,
    of_connection: HashMap<usize, VecDeque<SocketAddr>>,
}

impl Addresses {
    /// The connection that was last named from this address.
    pub(crate) fn get(&self, address: SocketAddr) -> Option<usize> {
        self.by_address.get(&address).copied()
    }

    /// The connection sends from this address from now on.
    pub(crate) fn note(&mut self, address: SocketAddr, connection: usize) {
        if let Some(former) = self.by_address.insert(address, connection) {
            if former == connection {
                return;
            }
            if let Some(held) = self.of_connection.get_mut(&former) {
                held.retain(|known| *known != address);
            }
        }
        let held = self.of_connection.entry(connection).or_default();
        held.push_back(address);
        if held.len() > ADDRESSES
            && let Some(oldest) = held.pop_front()
        {
            self.by_address.remove(&oldest);
        }
    }

    /// The connection is gone.
    pub(crate) fn forget(&mut self, connection: usize) {
        for address in self.of_connection.remove(&connection).into_iter().flatten() {
            self.by_address.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn who_sends_from_everywhere_is_known_at_its_latest_addresses_alone() {
        let mut addresses = Addresses::default();
        addresses.note(address(1), 7);
        for port in 10_000..60_000 {
            addresses.note(address(port), 9);
            assert_eq!(addresses.get(address(port)), Some(9));
        }
        assert_eq!(addresses.by_address.len(), 1 + ADDRESSES);
        assert_eq!((addresses.get(address(10_000)), addresses.get(address(1))), (None, Some(7)));
    }

    #[test]
    fn an_address_belongs_to_the_connection_named_last_and_goes_with_it() {
        let mut addresses = Addresses::default();
        addresses.note(address(1), 7);
        addresses.note(address(1), 9);
        addresses.note(address(2), 7);
        addresses.forget(7);
        assert_eq!((addresses.get(address(1)), addresses.get(address(2))), (Some(9), None));
        addresses.forget(9);
        assert!(addresses.by_address.is_empty() && addresses.of_connection.is_empty());
    }
}
