//! Registrations are taken back (RFC 3261 §10.2.2): when their trunk is deleted or registers no more,
//! and when the server drains.

use super::securing::expect;
use crate::{Exchange, Output};
use std::{collections::BTreeSet, time::Duration};
use trunkline_routing::record::{Options, OutboundTrunk};
use trunkline_sip::{ClientId, locate::Target};
use trunkline_types::Time;

/// How long a stopping server waits for its registrars: a lost request is repeated once.
const WITHIN: Duration = Duration::from_millis(1_500);

/// A registration as it was asked for; the trunk may be gone when it is taken back.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) trunk: OutboundTrunk,
    pub(super) options: Options,
    pub(super) call_id: String,
    pub(super) routes: Vec<String>,
    pub(super) target: Target,
    /// The addresses that may ask for the trunk's credentials.
    pub(super) peers: Vec<std::net::IpAddr>,
}

/// The user that registers: the digest user, or else the first number.
pub(super) fn user(trunk: &OutboundTrunk) -> &str {
    if trunk.auth_username.is_empty() { trunk.numbers.first().map_or("", String::as_str) } else { &trunk.auth_username }
}

impl Granted {
    /// Whose registration it is, and at which registrar: another one leaves this one in place.
    pub(super) fn whose(&self) -> (String, String) {
        (user(&self.trunk).to_owned(), self.trunk.address.clone())
    }
}

/// Registrations that are being taken back.
#[derive(Default)]
pub(super) struct Farewells {
    asked: BTreeSet<ClientId>,
    until: Option<Time>,
}

impl Farewells {
    /// Takes the answer to one of them, whatever it says; `false` if it is none.
    pub(super) fn answered(&mut self, client: &ClientId) -> bool {
        let is_one = self.asked.remove(client);
        if self.asked.is_empty() {
            self.until = None;
        }
        is_one
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.until
    }

    /// Nobody waits for answers any longer.
    pub(super) fn expire(&mut self, now: Time) {
        if self.until.is_some_and(|until| until <= now) {
            *self = Self::default();
        }
    }

    /// Whether nothing is waited for.
    pub(super) fn are_over(&self) -> bool {
        self.asked.is_empty()
    }
}

impl Exchange {
    /// Whether every registrar knows that we are gone, or has had its time.
    pub(crate) fn is_unregistered(&self) -> bool {
        self.outbound.registrations.farewells.are_over()
    }

    /// REGISTER with `Expires: 0`, to where the last one was taken.
    pub(super) fn unregister(&mut self, granted: Granted, now: Time, outputs: &mut Vec<Output>) {
        let Some(flow) = self.outbound.own.flow_to(granted.target.protocol, granted.target.address) else { return };
        expect(&granted.target, Some(&granted.options), outputs);
        let outgoing = self.register_request(&granted, 0, flow);
        let mut actions = Vec::new();
        let client = self.stack.send_outside("REGISTER", outgoing, now, &mut actions);
        let farewells = &mut self.outbound.registrations.farewells;
        farewells.asked.insert(client);
        farewells.until = Some(now + WITHIN);
        self.sip_actions(actions, None, now, outputs);
    }
}
