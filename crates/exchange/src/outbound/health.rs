//! Which targets failed lately: they are tried last, and asked with OPTIONS until they answer.

use crate::{Exchange, Output};
use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    time::Duration,
};
use trunkline_sip::{ClientId, HeaderList, Message, Outgoing, locate::Target};
use trunkline_types::Time;

/// Targets remembered; the one that recovers first goes first.
const REMEMBERED: usize = 1_024;
/// Probes of a target until it is forgotten, and with that tried like any other.
const PROBES: u32 = 10;
/// Between the first two probes; twice as long between the next, and so on.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// Between probes at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

type Key = (&'static str, SocketAddr);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Health {
    bad: BTreeMap<Key, Bad>,
    probes: HashMap<ClientId, Key>,
}

#[derive(Debug)]
struct Bad {
    target: Target,
    /// When it is asked again; `None` while it is being asked.
    probe_at: Option<Time>,
    probed: u32,
}

fn key(target: &Target) -> Key {
    (target.protocol.as_str(), target.address)
}

impl Health {
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.bad.values().filter_map(|bad| bad.probe_at).min()
    }

    /// The target failed; it is avoided until then at least.
    pub(super) fn failed(&mut self, target: &Target, until: Time) {
        if self.bad.len() >= REMEMBERED && !self.bad.contains_key(&key(target)) {
            let soonest = self.bad.iter().min_by_key(|(_, bad)| bad.probe_at).map(|(key, _)| *key);
            if let Some(soonest) = soonest {
                self.bad.remove(&soonest);
            }
        }
        let fresh = || Bad { target: target.clone(), probe_at: None, probed: 0 };
        let bad = self.bad.entry(key(target)).or_insert_with(fresh);
        bad.probe_at = Some(bad.probe_at.map_or(until, |at| at.max(until)));
    }

    /// The target has answered.
    pub(super) fn works(&mut self, target: &Target) {
        self.bad.remove(&key(target));
    }

    pub(super) fn is_bad(&self, target: &Target) -> bool {
        self.bad.contains_key(&key(target))
    }

    /// The targets to ask now.
    fn due(&mut self, now: Time) -> Vec<Target> {
        let mut due = Vec::new();
        for bad in self.bad.values_mut() {
            if bad.probe_at.is_some_and(|at| at <= now) {
                bad.probe_at = None;
                due.push(bad.target.clone());
            }
        }
        due
    }

    fn probed(&mut self, target: &Target, client: ClientId) {
        self.probes.insert(client, key(target));
    }

    /// What came of a probe; `false` if it is none.
    fn answered(&mut self, client: &ClientId, works: bool, now: Time) -> bool {
        let Some(key) = self.probes.remove(client) else { return false };
        let Some(bad) = self.bad.get_mut(&key) else { return true };
        bad.probed = bad.probed.saturating_add(1);
        if works || bad.probed >= PROBES {
            self.bad.remove(&key);
            return true;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << bad.probed.min(8)).min(LONGEST_PAUSE);
        bad.probe_at = Some(now + pause);
        true
    }
}

impl Exchange {
    /// Sends OPTIONS to the targets that are due.
    pub(super) fn probe_targets(&mut self, now: Time, outputs: &mut Vec<Output>) {
        for target in self.outbound.health.due(now) {
            self.probe(&target, now, outputs);
        }
    }

    /// Asks one target whether it is there. One that is not known to be bad is so by its silence.
    pub(super) fn probe(&mut self, target: &Target, now: Time, outputs: &mut Vec<Output>) {
        let Some(flow) = self.outbound.own.flow_to(target.protocol, target.address) else { return };
        let transport = target.protocol.as_str().to_ascii_lowercase();
        let uri = format!("sip:{};transport={transport}", target.address);
        let outgoing = Outgoing {
            call_id: self.random.hex(32),
            local_tag: self.random.hex(16),
            from: format!("<sip:{}>", self.outbound.own.host(&flow)),
            to: format!("<{uri}>"),
            request_uri: uri,
            routes: Vec::new(),
            headers: HeaderList::new(),
            body: None,
            flow,
            credentials: None,
        };
        let mut actions = Vec::new();
        let client = self.stack.send_outside("OPTIONS", outgoing, now, &mut actions);
        self.outbound.health.probed(target, client);
        self.sip_actions(actions, None, now, outputs);
    }

    /// Takes the answer to a probe; `false` if the client is none.
    pub(super) fn probe_answered(&mut self, client: &ClientId, message: Option<&Message>, now: Time) -> bool {
        let works = message.and_then(Message::status).is_some_and(|status| !matches!(status, 408 | 503 | 504));
        self.outbound.health.answered(client, works, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_sip::flow::Protocol;

    fn target(port: u16) -> Target {
        let address = SocketAddr::from(([192, 0, 2, 1], port));
        Target { protocol: Protocol::Udp, address, host: "h".into() }
    }

    #[test]
    fn a_target_is_avoided_until_it_answers_or_is_forgotten() {
        let (mut health, at) = (Health::default(), |s: u64| Time::new(s * 1_000_000_000, 0));
        health.failed(&target(1), at(30));
        assert!(health.is_bad(&target(1)) && !health.is_bad(&target(2)));
        assert_eq!(health.poll_timeout(), Some(at(30)));
        assert!(health.due(at(29)).is_empty());
        assert_eq!(health.due(at(30)), [target(1)]);
        health.works(&target(1));
        assert!(!health.is_bad(&target(1)));
        health.failed(&target(3), at(30));
        let mut asked = 0;
        while let Some(now) = health.poll_timeout() {
            asked += health.due(now).len();
            let bad = health.bad.values_mut().next().unwrap();
            bad.probed += 1;
            let forgotten = bad.probed >= PROBES;
            bad.probe_at = (!forgotten).then(|| now + FIRST_PAUSE);
        }
        assert_eq!(asked, 10);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut health = Health::default();
        for port in 0..2_000 {
            health.failed(&target(port), Time::new(u64::from(port), 0));
        }
        assert_eq!(health.bad.len(), REMEMBERED);
    }
}
