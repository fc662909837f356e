//! Trunks that register (RFC 3261 §10), whose targets are asked again and again, or to which the way
//! is kept open.

use super::{
    inviting::retry_after,
    question::{Asker, literal, query_of},
    securing::expect,
    unregistering::{Farewells, Granted, user},
};
use crate::{Exchange, Output, exchange::Drain, port::Level};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    time::Duration,
};
use trunkline_routing::{patch::ListFilter, record::Options};
use trunkline_sip::{
    Address, ClientId, Credentials, Event, Message, Outgoing, Uri,
    flow::{Flow, Protocol, Transmit},
    locate::Target,
};
use trunkline_types::{Time, TrunkId};

/// For how long, seconds, if the options do not say.
const EXPIRES: u32 = 300;
/// A registrar's wishes are followed within these, seconds.
const SHORTEST: u32 = 10;
const LONGEST: u32 = 86_400;
/// After the first failure; twice as long after the next, and so on.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(1_800);
/// Trunks that register or are probed.
const MAX_TRUNKS: usize = 1_024;

/// All trunks that are watched over.
#[derive(Default)]
pub(crate) struct Registrations {
    by_trunk: BTreeMap<TrunkId, Registration>,
    by_client: BTreeMap<ClientId, (TrunkId, Box<Granted>)>,
    pub(super) farewells: Farewells,
    /// Trunks or their options have changed.
    stale: bool,
}

/// One trunk.
struct Registration {
    registers: bool,
    expires: u32,
    /// Time between probes; zero for none.
    probe_every: Duration,
    /// Time between two pairs of CRLF that keep the way open (RFC 5626 §3.5.1); zero for none.
    open_every: Duration,
    /// When to register, or register again; `None` while an answer is awaited.
    due: Option<Time>,
    probe_at: Option<Time>,
    open_at: Option<Time>,
    /// To be done once the targets are known.
    probes: bool,
    opens: bool,
    targets: VecDeque<Target>,
    current: Option<Target>,
    is_registered: bool,
    /// What the registrar has taken last, to be taken back when the trunk ends.
    granted: Option<Box<Granted>>,
    failures: u32,
    /// The same for all requests of the trunk (RFC 3261 §10.2.4).
    call_id: String,
}

impl Registrations {
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        if self.stale {
            return Some(Time::default());
        }
        let of_trunks = self.by_trunk.values().flat_map(|held| [held.due, held.probe_at, held.open_at]);
        of_trunks.chain([self.farewells.poll_timeout()]).flatten().min()
    }

    /// The trunks have to be looked at anew.
    pub(crate) fn outdated(&mut self) {
        self.stale = true;
    }

    /// Each registering trunk and whether it is registered.
    pub(crate) fn states(&self) -> BTreeMap<String, bool> {
        let registering = self.by_trunk.iter().filter(|(_, held)| held.registers);
        registering.map(|(trunk, held)| (trunk.to_string(), held.is_registered)).collect()
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE)
}

impl Registration {
    /// Registers no more; what is to be taken back at the registrar.
    fn end(&mut self) -> Option<Box<Granted>> {
        (self.registers, self.is_registered, self.due) = (false, false, None);
        self.targets.clear();
        self.granted.take()
    }
}

fn contact(user: &str, host: &str, flow: &Flow) -> String {
    let transport = match flow.protocol {
        Protocol::Udp => String::new(),
        other => format!(";transport={}", other.as_str().to_ascii_lowercase()),
    };
    let port = flow.local.port();
    let port = if port == 0 { String::new() } else { format!(":{port}") };
    format!("<sip:{user}@{host}{port}{transport}>")
}

impl Exchange {
    /// Where we listen: calls out leave from there, and never go there.
    pub fn listens_on(&mut self, addresses: Vec<(Protocol, std::net::SocketAddr)>) {
        self.stack.listens_on(addresses.clone());
        self.outbound.own.listening = addresses;
        self.outbound.own.advertised = self.config.stack.advertise;
    }

    /// The trunks or their options have changed.
    pub(crate) fn trunks_changed(&mut self) {
        self.outbound.registrations.outdated();
    }

    /// There may be trunks to watch over from the beginning.
    pub(crate) fn trunks_loaded(&mut self) {
        self.outbound.registrations.stale = !self.directory.list_outbound(&ListFilter::default()).is_empty();
    }

    fn watch_trunks(&mut self, now: Time, outputs: &mut Vec<Output>) {
        let serves = self.drain == Drain::No;
        let mut wanted = BTreeMap::new();
        for trunk in self.directory.list_outbound(&ListFilter::default()) {
            let options = self.directory.trunk_options(&trunk.id);
            let registers = options.register == Some(true) && serves;
            let every = |seconds: Option<u32>| Duration::from_secs(seconds.unwrap_or(0).into());
            let (probe_every, open_every) = (every(options.probe_interval), every(options.keepalive_interval));
            let is_watched = registers || !probe_every.is_zero() || !open_every.is_zero();
            if is_watched && wanted.len() < MAX_TRUNKS {
                let expires = options.register_expires.unwrap_or(EXPIRES).clamp(SHORTEST, LONGEST);
                wanted.insert(trunk.id, (registers, expires, probe_every, open_every));
            }
        }
        let (registrations, random) = (&mut self.outbound.registrations, &mut self.random);
        registrations.stale = false;
        let mut over = Vec::new();
        registrations.by_trunk.retain(|trunk, held| {
            let stays = wanted.contains_key(trunk);
            if !stays {
                over.extend(held.end());
            }
            stays
        });
        for (trunk, (registers, expires, probe_every, open_every)) in wanted {
            let held = registrations.by_trunk.entry(trunk).or_insert_with(|| Registration {
                registers: false,
                expires,
                probe_every: Duration::ZERO,
                open_every: Duration::ZERO,
                due: None,
                probe_at: None,
                open_at: None,
                probes: false,
                opens: false,
                targets: VecDeque::new(),
                current: None,
                is_registered: false,
                granted: None,
                failures: 0,
                call_id: random.hex(32),
            });
            if registers != held.registers || expires != held.expires {
                if !registers {
                    over.extend(held.end());
                }
                (held.registers, held.expires, held.is_registered) = (registers, expires, false);
                held.due = registers.then_some(now);
            }
            if probe_every != held.probe_every {
                held.probe_every = probe_every;
                held.probe_at = (!probe_every.is_zero()).then_some(now);
            }
            if open_every != held.open_every {
                held.open_every = open_every;
                held.open_at = (!open_every.is_zero()).then_some(now);
            }
        }
        for granted in over {
            self.unregister(*granted, now, outputs);
        }
    }

    /// The server drains: its registrars shall send calls elsewhere. Running calls need no
    /// registration, but the ways to them stay open.
    pub(crate) fn unregister_trunks(&mut self, now: Time, outputs: &mut Vec<Output>) {
        let over: Vec<_> = self.outbound.registrations.by_trunk.values_mut().filter_map(Registration::end).collect();
        for granted in over {
            self.unregister(*granted, now, outputs);
        }
    }

    pub(super) fn registrations_tick(&mut self, now: Time, outputs: &mut Vec<Output>) {
        if self.outbound.registrations.stale {
            self.watch_trunks(now, outputs);
        }
        self.outbound.registrations.farewells.expire(now);
        let mut due = Vec::new();
        for (trunk, held) in &mut self.outbound.registrations.by_trunk {
            let registers = held.due.is_some_and(|at| at <= now);
            let probes = held.probe_at.is_some_and(|at| at <= now);
            let opens = held.open_at.is_some_and(|at| at <= now);
            if registers {
                held.due = None;
            }
            if probes {
                (held.probe_at, held.probes) = (Some(now + held.probe_every), true);
            }
            if opens {
                (held.open_at, held.opens) = (Some(now + held.open_every), true);
            }
            if registers || probes || opens {
                due.push(trunk.clone());
            }
        }
        for trunk in due {
            let Some(stored) = self.directory.outbound(&trunk) else { continue };
            let routes = proxy(&self.directory.trunk_options(&trunk));
            let hop = routes
                .first()
                .map_or_else(|| format!("sip:{}", stored.address), |route| Address::parse(route).uri.text);
            let query = query_of(&hop, stored.transport);
            match literal(&query) {
                Some(target) => self.registrar_located(&trunk, vec![target], now, outputs),
                None => {
                    let number = self.outbound.questions.ask(Asker::Trunk(trunk), query.clone());
                    outputs.push(Output::Resolve(number, query));
                }
            }
        }
    }

    /// The trunk's targets are known: probes them, and registers if that is due.
    pub(super) fn registrar_located(
        &mut self,
        trunk: &TrunkId,
        targets: Vec<Target>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let targets: Vec<_> =
            targets.into_iter().filter(|t| !self.outbound.own.is_own(t.protocol, t.address)).take(32).collect();
        let options = self.directory.trunk_options(trunk);
        for target in &targets {
            expect(target, Some(&options), outputs);
        }
        let Some(held) = self.outbound.registrations.by_trunk.get_mut(trunk) else { return };
        let registers = held.registers && held.due.is_none() && held.current.is_none();
        if registers {
            held.targets = targets.clone().into();
        }
        let (probes, opens) = (std::mem::take(&mut held.probes), std::mem::take(&mut held.opens));
        for target in targets.iter().filter(|_| probes) {
            self.probe(target, now, outputs);
        }
        let ways = targets.iter().filter(|_| opens).filter_map(|t| self.outbound.own.flow_to(t.protocol, t.address));
        let pairs = ways.map(|flow| Output::Send(Transmit { flow, bytes: Bytes::from_static(b"\r\n\r\n") }));
        outputs.extend(pairs);
        if registers {
            self.register_trunk(trunk, None, now, outputs);
        }
    }

    /// Sends REGISTER to the next target.
    fn register_trunk(&mut self, trunk: &TrunkId, expires: Option<u32>, now: Time, outputs: &mut Vec<Output>) {
        let Some(stored) = self.directory.outbound(trunk).cloned() else { return };
        let options = self.directory.trunk_options(trunk);
        let routes = proxy(&options);
        let Some(held) = self.outbound.registrations.by_trunk.get_mut(trunk) else { return };
        let call_id = held.call_id.clone();
        let peers: Vec<IpAddr> = held.targets.iter().map(|t| t.address.ip().to_canonical()).collect();
        let Some(target) = held.targets.pop_front() else {
            return self.not_registered(trunk, "no target answered", None, now, outputs);
        };
        let expires = expires.unwrap_or(held.expires);
        let Some(flow) = self.outbound.own.flow_to(target.protocol, target.address) else {
            return self.not_registered(trunk, "no socket of ours leads there", None, now, outputs);
        };
        held.current = Some(target.clone());
        let granted = Granted { trunk: stored, options, call_id, routes, target, peers };
        let outgoing = self.register_request(&granted, expires, flow);
        let mut actions = Vec::new();
        let client = self.stack.send_outside("REGISTER", outgoing, now, &mut actions);
        self.outbound.registrations.by_client.insert(client, (trunk.clone(), Box::new(granted)));
        self.sip_actions(actions, None, now, outputs);
    }

    pub(super) fn register_request(&mut self, granted: &Granted, expires: u32, flow: Flow) -> Outgoing {
        let Granted { trunk, call_id, routes, peers, .. } = granted;
        let (user, own) = (user(trunk), self.outbound.own.host(&flow));
        let host = if trunk.from_host.is_empty() { &trunk.address } else { &trunk.from_host };
        let credentials = (!trunk.auth_username.is_empty() && !trunk.auth_password.is_empty()).then(|| Credentials {
            username: trunk.auth_username.clone(),
            password: trunk.auth_password.clone(),
            peers: peers.clone(),
        });
        Outgoing {
            call_id: call_id.clone(),
            local_tag: self.random.hex(16),
            request_uri: format!("sip:{}", trunk.address),
            from: format!("<sip:{user}@{host}>"),
            to: format!("<sip:{user}@{host}>"),
            routes: routes.clone(),
            headers: vec![("Contact".into(), contact(user, &own, &flow)), ("Expires".into(), expires.to_string())],
            body: None,
            flow,
            credentials,
        }
    }

    /// Takes what is about registrations and probes; gives back what is not.
    pub(super) fn trunk_event(&mut self, event: Event, now: Time, outputs: &mut Vec<Output>) -> Option<Event> {
        let (client, message) = match &event {
            Event::Response { client, message } => (client, Some(message)),
            Event::Failed { client, .. } => (client, None),
            _ => return Some(event),
        };
        if self.probe_answered(client, message, now) || self.outbound.registrations.farewells.answered(client) {
            return None;
        }
        let Some((trunk, granted)) = self.outbound.registrations.by_client.remove(client) else { return Some(event) };
        let is_taken = message.and_then(Message::status).is_some_and(|status| matches!(status, 200..=299));
        match self.outbound.registrations.by_trunk.get_mut(&trunk) {
            Some(held) if held.registers => {
                let before = if is_taken { held.granted.replace(granted) } else { None };
                let kept = held.granted.as_ref().map(|granted| granted.whose());
                let moved = before.filter(|before| Some(before.whose()) != kept);
                self.register_answered(&trunk, message, now, outputs);
                if let Some(before) = moved {
                    self.unregister(*before, now, outputs);
                }
            }
            // It ended while the answer was on its way.
            ended => {
                if let Some(held) = ended {
                    held.current = None;
                }
                if is_taken {
                    self.unregister(*granted, now, outputs);
                }
            }
        }
        None
    }

    fn register_answered(&mut self, trunk: &TrunkId, message: Option<&Message>, now: Time, outputs: &mut Vec<Output>) {
        let Some(held) = self.outbound.registrations.by_trunk.get_mut(trunk) else { return };
        let status = message.and_then(Message::status);
        match (status, message) {
            (Some(200..=299), Some(message)) => {
                let ours = held.granted.as_ref().and_then(|granted| {
                    let flow = self.outbound.own.flow_to(granted.target.protocol, granted.target.address)?;
                    Some(Address::parse(&contact(user(&granted.trunk), &self.outbound.own.host(&flow), &flow)).uri)
                });
                let granted = granted(message, ours.as_ref(), held.expires).clamp(SHORTEST, LONGEST);
                let was = std::mem::replace(&mut held.is_registered, true);
                (held.current, held.failures) = (None, 0);
                // Early enough for a few repetitions of a lost request.
                held.due = Some(now + Duration::from_secs(u64::from(granted.saturating_sub((granted / 4).min(60)))));
                if !was {
                    Self::log(Level::Info, None, format!("trunk {trunk} is registered"), outputs);
                }
            }
            (Some(423), Some(message)) if held.failures == 0 => {
                let least = message.header("Min-Expires").and_then(|v| v.trim().parse::<u32>().ok());
                let least = least.unwrap_or(held.expires).clamp(held.expires, LONGEST);
                held.failures = 1;
                if let Some(target) = held.current.take() {
                    held.targets.push_front(target);
                }
                self.register_trunk(trunk, Some(least), now, outputs);
            }
            (None | Some(408 | 503 | 504), _) if !held.targets.is_empty() => {
                self.register_trunk(trunk, None, now, outputs)
            }
            (status, message) => {
                let wait = message.and_then(|m| m.header("Retry-After")).and_then(|v| retry_after(&v));
                let why = status.map_or_else(|| "no answer".into(), |s| format!("refused with {s}"));
                self.not_registered(trunk, &why, wait, now, outputs);
            }
        }
    }

    fn not_registered(
        &mut self,
        trunk: &TrunkId,
        why: &str,
        wait: Option<Duration>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let chance = self.random.below(200);
        let Some(held) = self.outbound.registrations.by_trunk.get_mut(trunk) else { return };
        // Not all trunks of a registrar that was away come back in the same moment.
        let pause = pause(held.failures).saturating_mul(u32::try_from(900 + chance).unwrap_or(1_000)) / 1_000;
        held.failures = held.failures.saturating_add(1);
        (held.current, held.is_registered) = (None, false);
        held.due = Some(now + wait.unwrap_or(pause));
        let text = format!("trunk {trunk} is not registered: {why}");
        Self::log(Level::Warn, None, text, outputs);
    }
}

/// The proxy of a trunk's options, as a route.
fn proxy(options: &Options) -> Vec<String> {
    let of = |uri: &String| if uri.contains('<') { uri.clone() } else { format!("<{uri}>") };
    options.outbound_proxy.iter().filter(|uri| !uri.is_empty()).map(of).collect()
}

/// For how long a registrar keeps us, seconds: by our Contact among all those it knows, by `Expires`,
/// as we asked. Where it has put another address for ours, the Contact that ends first counts.
fn granted(message: &Message, ours: Option<&Uri>, asked: u32) -> u32 {
    let known = message.contacts();
    let place = |uri: &Uri| (uri.user.clone(), uri.host.to_ascii_lowercase(), uri.port);
    let of_contact = match known.iter().find(|contact| ours.is_some_and(|ours| place(&contact.uri) == place(ours))) {
        Some(contact) => contact.expires,
        None => known.iter().filter_map(|contact| contact.expires).min(),
    };
    let of_message = || message.header("Expires").and_then(|value| value.trim().parse().ok());
    of_contact.or_else(of_message).unwrap_or(asked)
}
