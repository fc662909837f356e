//! Where the far end is (RFC 3263): the question, its answer, and the order in which to try.

use super::leg::Asker;
use crate::{Exchange, Output, port::QueryId};
use std::net::{IpAddr, SocketAddr};
use trunkline_call::dial::{DialEvent, DialFailure};
use trunkline_sip::{
    Uri,
    flow::Protocol,
    locate::{self, Query, Records, Target},
};
use trunkline_types::CallId;
use trunkline_types::Time;

/// Targets of one call.
const MAX_TARGETS: usize = 32;

/// What to ask for a next hop; `transport` is the trunk's, for a URI that names none.
pub(super) fn query_of(uri: &str, transport: i32) -> Query {
    let uri = Uri::parse(uri);
    let of_trunk = match transport {
        1 => Some(Protocol::Udp),
        2 => Some(Protocol::Tcp),
        3 => Some(Protocol::Tls),
        _ => None,
    };
    let secure = uri.scheme == "sips";
    let protocol = if secure { Some(Protocol::Tls) } else { uri.transport.or(of_trunk) };
    Query { host: uri.host, port: uri.port, protocol, secure }
}

/// The target, if the host is an address already.
pub(super) fn literal(query: &Query) -> Option<Target> {
    let ip: IpAddr = query.host.parse().ok()?;
    let protocol = query.protocol.unwrap_or(if query.secure { Protocol::Tls } else { Protocol::Udp });
    let port = query.port.unwrap_or(if protocol == Protocol::Tls { 5061 } else { 5060 });
    Some(Target { protocol, address: SocketAddr::new(ip, port), host: query.host.clone() })
}

impl Exchange {
    /// Asks where the call's far end is.
    pub(super) fn locate_far_end(&mut self, id: &CallId, now: Time, outputs: &mut Vec<Output>) {
        let Some(leg) = self.outbound.legs.get(id) else { return };
        let query = query_of(&leg.plan.next_hop, leg.plan.trunk.transport);
        if query.host.is_empty() {
            return self.dial_failed(id, DialFailure::Unresolved("there is no host in it".into()));
        }
        match literal(&query) {
            Some(target) => self.far_end_located(id, vec![target], now, outputs),
            None => {
                let number = self.outbound.ask(Asker::Call(id.clone()), query.clone());
                outputs.push(Output::Resolve(number, query));
            }
        }
    }

    /// The DNS has answered.
    pub(crate) fn resolved(
        &mut self,
        number: QueryId,
        answer: Result<Records, String>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some((asker, query)) = self.outbound.asked(number) else { return };
        let located = answer.map(|records| locate::order(&query, &records, &mut self.random));
        match asker {
            Asker::Call(id) => match located {
                Err(why) => self.dial_failed(&id, DialFailure::Unresolved(why)),
                Ok(targets) => self.far_end_located(&id, targets, now, outputs),
            },
            Asker::Trunk(trunk) => self.registrar_located(&trunk, located.unwrap_or_default(), now, outputs),
        }
    }

    fn far_end_located(&mut self, id: &CallId, found: Vec<Target>, now: Time, outputs: &mut Vec<Output>) {
        let (mut targets, mut own, mut reachable) = (Vec::<Target>::new(), false, true);
        for target in found.into_iter().take(MAX_TARGETS) {
            if self.outbound.own.is_own(target.protocol, target.address) {
                own = true;
            } else if self.outbound.own.flow_to(target.protocol, target.address).is_none() {
                reachable = false;
            } else if !targets.contains(&target) {
                targets.push(target);
            }
        }
        if targets.is_empty() {
            return self.dial_failed(
                id,
                match (own, reachable) {
                    (true, _) => DialFailure::Loop,
                    (_, false) => DialFailure::Unreachable("no socket of ours leads there".into()),
                    (false, true) => DialFailure::Unresolved("the name has no address".into()),
                },
            );
        }
        // Those that failed lately last; the order among the others stays.
        targets.sort_by_key(|target| self.outbound.health.is_bad(target));
        let Some(leg) = self.outbound.legs.get_mut(id) else { return };
        leg.peers = targets.iter().map(|t| t.address.ip().to_canonical()).collect();
        leg.targets = targets.into();
        self.try_next_target(id, now, outputs);
    }

    pub(super) fn dial_failed(&mut self, id: &CallId, failure: DialFailure) {
        self.events.push_back((id.clone(), trunkline_call::Event::Dial(DialEvent::Failed(failure))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_hop_decides() {
        let host = |uri: &str, transport| {
            let query = query_of(uri, transport);
            (query.host, query.port, query.protocol, query.secure)
        };
        let name = || "example.com".to_owned();
        assert_eq!(host("sip:1@example.com", 0), (name(), None, None, false));
        assert_eq!(host("sip:1@example.com:5070", 2), (name(), Some(5070), Some(Protocol::Tcp), false));
        assert_eq!(host("sip:1@example.com;transport=tcp", 1).2, Some(Protocol::Tcp));
        assert_eq!(host("sips:1@example.com", 1), (name(), None, Some(Protocol::Tls), true));
        let address = |text: &str| literal(&query_of(text, 0)).map(|t| t.address.to_string());
        assert_eq!(address("sip:1@[2001:db8::1]").as_deref(), Some("[2001:db8::1]:5060"));
        assert_eq!(address("sips:1@192.0.2.1").as_deref(), Some("192.0.2.1:5061"));
        assert_eq!(address("sip:1@example.com"), None);
    }
}
