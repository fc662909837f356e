//! Where a request goes (RFC 3263): what to ask the DNS, and in which order to try what it says.

use crate::flow::Protocol;
use std::net::SocketAddr;
use trunkline_types::{Random, limits};

/// What is to be located.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// A host name or an address, without brackets.
    pub host: String,
    /// The port, if the URI names one: then there is no SRV.
    pub port: Option<u16>,
    /// The protocol, if the URI or the trunk names one: then there is no NAPTR.
    pub protocol: Option<Protocol>,
    /// Only TLS will do (`sips`).
    pub secure: bool,
}

/// One SRV record, with the addresses of its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The protocol of the service that was asked for.
    pub protocol: Protocol,
    /// Of the NAPTR record that led here, order and preference; 0 without one.
    pub naptr: (u16, u16),
    /// The lower the earlier.
    pub priority: u16,
    /// Among those of one priority.
    pub weight: u16,
    /// The name it was found under.
    pub host: String,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
}

/// What the DNS said: servers by SRV, or else the addresses of the name itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// By SRV.
    pub servers: Vec<Server>,
    /// By A and AAAA, if there is no SRV; with the port of the query or the protocol's own.
    pub addresses: Vec<SocketAddr>,
}

/// One way to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The protocol.
    pub protocol: Protocol,
    /// The address.
    pub address: SocketAddr,
    /// The name that a certificate must have.
    pub host: String,
}

impl Query {
    /// The protocol when nothing else says one (RFC 3263 §4.1).
    pub fn default_protocol(&self) -> Protocol {
        match self.protocol {
            _ if self.secure => Protocol::Tls,
            Some(protocol) => protocol,
            None => Protocol::Udp,
        }
    }

    /// The port for a protocol when there is no SRV.
    pub fn port_for(&self, protocol: Protocol) -> u16 {
        self.port.unwrap_or(protocol.default_port())
    }

    /// Whether a service of this protocol may be used.
    pub fn accepts(&self, protocol: Protocol) -> bool {
        if self.secure { protocol == Protocol::Tls } else { self.protocol.is_none_or(|wanted| wanted == protocol) }
    }
}

/// The targets in the order in which to try them: by NAPTR, by priority, among one priority by
/// weight and chance (RFC 2782). A certificate must have the name that was asked for, whatever name
/// the DNS leads to (RFC 5922 §7.2). At most 16.
pub fn order(query: &Query, records: &Records, random: &mut Random) -> Vec<Target> {
    let mut servers: Vec<&Server> = records.servers.iter().filter(|s| query.accepts(s.protocol)).collect();
    // Without NAPTR: as RFC 3263 §4.1 asks for them.
    let rank = |server: &Server| match server.protocol {
        Protocol::Udp => 0,
        Protocol::Tcp => 1,
        Protocol::Tls => 2,
    };
    let class = |server: &Server| (server.naptr, rank(server), server.priority);
    servers.sort_by_key(|server| class(server));
    let mut targets = Vec::new();
    let mut rest = servers.as_slice();
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|s| class(s) == class(first)).count();
        let (group, others) = rest.split_at(same);
        rest = others;
        for server in by_weight(group.to_vec(), random) {
            let of = |address: &SocketAddr| (server.protocol, *address);
            targets.extend(server.addresses.iter().filter(|a| a.port() != 0).map(of));
        }
    }
    if targets.is_empty() {
        let protocol = query.default_protocol();
        targets.extend(records.addresses.iter().map(|address| (protocol, *address)));
    }
    let mut ordered: Vec<Target> = Vec::new();
    for (protocol, address) in targets {
        let target = Target { protocol, address, host: query.host.clone() };
        if ordered.len() < limits::TARGETS && !ordered.contains(&target) {
            ordered.push(target);
        }
    }
    ordered
}

/// Servers of one priority: each next one by chance, as likely as its share of the weight that is
/// left; those of weight 0 come first only by the smallest chance (RFC 2782).
fn by_weight<'a>(mut servers: Vec<&'a Server>, random: &mut Random) -> Vec<&'a Server> {
    let mut ordered = Vec::with_capacity(servers.len());
    servers.sort_by_key(|server| server.weight != 0);
    while !servers.is_empty() {
        let sum: u64 = servers.iter().map(|s| u64::from(s.weight)).sum();
        let chosen = random.below(sum.saturating_add(1));
        let mut running = 0;
        let reaches = |server: &&Server| {
            running += u64::from(server.weight);
            running >= chosen
        };
        let at = servers.iter().position(reaches).unwrap_or(0);
        ordered.push(servers.remove(at));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> Query {
        Query { host: "example.com".into(), port: None, protocol: None, secure: false }
    }

    fn server(protocol: Protocol, naptr: (u16, u16), priority: u16, weight: u16, last: u8) -> Server {
        let addresses = vec![SocketAddr::from(([192, 0, 2, last], 5060))];
        Server { protocol, naptr, priority, weight, host: format!("s{last}.example.net"), addresses }
    }

    fn last(target: &Target) -> u8 {
        match target.address {
            SocketAddr::V4(address) => address.ip().octets()[3],
            SocketAddr::V6(_) => 0,
        }
    }

    #[test]
    fn naptr_comes_before_priority_and_priority_before_weight() {
        let records = Records {
            servers: vec![
                server(Protocol::Udp, (20, 0), 0, 9, 4),
                server(Protocol::Tcp, (10, 5), 2, 60_000, 3),
                server(Protocol::Tcp, (10, 5), 1, 0, 2),
                server(Protocol::Tls, (10, 1), 9, 0, 1),
            ],
            addresses: vec!["192.0.2.9:5060".parse().unwrap()],
        };
        for seed in 0..50 {
            let targets = order(&query(), &records, &mut Random::from_number(seed));
            assert_eq!(targets.iter().map(last).collect::<Vec<_>>(), [1, 2, 3, 4]);
            assert!(targets.iter().all(|t| t.host == "example.com"));
        }
        let only = |query: Query| {
            let targets = order(&query, &records, &mut Random::from_number(0));
            targets.iter().map(last).collect::<Vec<_>>()
        };
        assert_eq!(only(Query { secure: true, ..query() }), [1]);
        assert_eq!(only(Query { protocol: Some(Protocol::Tcp), ..query() }), [2, 3]);
    }

    #[test]
    fn weights_are_shares_of_chance() {
        let weights = [0_u16, 10, 30, 60];
        let servers = weights.iter().enumerate();
        let servers = servers.map(|(i, w)| server(Protocol::Udp, (0, 0), 1, *w, i as u8)).collect();
        let records = Records { servers, addresses: vec![] };
        let (mut first, mut random) = ([0_u32; 4], Random::from_number(7));
        for _ in 0..10_000 {
            let targets = order(&query(), &records, &mut random);
            let mut all: Vec<_> = targets.iter().map(last).collect();
            first[usize::from(all[0])] += 1;
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3], "every one is tried, once");
        }
        for (count, weight) in first.iter().zip(weights) {
            let wanted = u32::from(weight) * 100;
            assert!(count.abs_diff(wanted) < 300, "{first:?}");
        }
        assert!(first[0] > 0, "a weight of 0 has a small chance");
    }

    #[test]
    fn whatever_the_dns_says_the_order_is_one_of_its_addresses_each_once_and_bounded() {
        let mut random = Random::from_number(3);
        for _ in 0..2_000 {
            let mut servers = Vec::new();
            for _ in 0..random.below(12) {
                let protocol = [Protocol::Udp, Protocol::Tcp, Protocol::Tls][random.below(3) as usize];
                let (a, b) = (random.below(3) as u16, random.below(3) as u16);
                let weight = [0, 1, 65_535, random.below(100) as u16][random.below(4) as usize];
                let mut one = server(protocol, (a, b), b, weight, random.below(6) as u8);
                one.addresses = (0..random.below(4)).map(|n| SocketAddr::from(([10, 0, 0, n as u8], 5060))).collect();
                servers.push(one);
            }
            let records = Records { servers, addresses: vec!["192.0.2.9:5060".parse().unwrap()] };
            let secure = random.below(4) == 0;
            let query = Query { secure, ..query() };
            let targets = order(&query, &records, &mut random);
            assert!((1..=limits::TARGETS).contains(&targets.len()));
            for (at, target) in targets.iter().enumerate() {
                assert!(query.accepts(target.protocol) && !targets[..at].contains(target));
                let of = |s: &Server| s.protocol == target.protocol && s.addresses.contains(&target.address);
                assert!(records.servers.iter().any(of) || records.addresses.contains(&target.address));
            }
        }
    }

    #[test]
    fn without_srv_the_names_own_addresses_are_tried() {
        let addresses = vec!["192.0.2.1:5061".parse().unwrap(), "[2001:db8::1]:5061".parse().unwrap()];
        let records = Records { servers: vec![], addresses: addresses.clone() };
        let targets = order(&Query { secure: true, ..query() }, &records, &mut Random::from_number(0));
        assert!(targets.iter().all(|t| t.protocol == Protocol::Tls));
        assert_eq!(targets.iter().map(|t| t.address).collect::<Vec<_>>(), addresses);
        assert_eq!(query().port_for(Protocol::Tls), 5061);
        assert!(order(&query(), &Records::default(), &mut Random::from_number(0)).is_empty());
    }
}
