//! Exchanges that call each other over a virtual network, one step at a time: whoever drives a duel
//! chooses which of the things that could happen next does. What a run did is the list of its choices.
//!
//! Side 0 calls; the others take calls at one address in turn, as behind a proxy that forks, where
//! there are several of them.

use bytes::Bytes;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use trunkline_call::{
    media::{LegStats, MediaFact, MediaPlan},
    record::CallRecord,
};
use trunkline_exchange::{
    Exchange, Input, Output,
    command::{Command, Reply},
    port::Record,
};
use trunkline_sip::{
    Message,
    flow::{Flow, Protocol, Received},
    locate::Records,
};
use trunkline_types::{Random, Time};

/// Where those who are called are called.
pub const CALLED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 5060);
/// What one step takes.
const STEP: Duration = Duration::from_millis(1);
/// What a datagram takes, and what the store takes.
const DELAY: Duration = Duration::from_millis(10);

/// One exchange and what it has said so far.
pub struct Side {
    exchange: Exchange,
    address: SocketAddr,
    /// The records as its store holds them.
    pub records: BTreeMap<String, CallRecord>,
    /// The replies to its commands.
    pub replies: Vec<Result<Reply, String>>,
    asked: u64,
    inputs: Vec<Input>,
}

/// Something that can happen.
enum Due {
    /// A datagram arrives: from, to, its bytes.
    Datagram(SocketAddr, SocketAddr, Bytes),
    /// A side is told something by its media threads or its store.
    Input(usize, Box<Input>),
    /// Somebody asks a side for something.
    Act(usize, Box<Command>),
    /// The same, at its own time.
    Later(usize, Box<Command>),
}

/// One of the things that can happen next.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    key: (Time, u64),
    /// It can be lost.
    pub is_datagram: bool,
}

/// See the module.
pub struct Duel {
    /// The exchanges.
    pub sides: Vec<Side>,
    now: Time,
    due: BTreeMap<(Time, u64), Due>,
    next: u64,
    /// Whatever went against an invariant, in words.
    pub faults: Vec<String>,
    /// Chance, and how much the network loses by it, in thousandths.
    loss: (Random, u64),
    /// First lines as they arrived, with who they were for: what a fault is understood by.
    pub ladder: Vec<String>,
}

/// The address of a side.
pub fn address_of(side: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1 + u8::try_from(side).unwrap_or(200))), 5060)
}

impl Duel {
    /// A duel of these exchanges, which have their trunks and rules.
    pub fn new(exchanges: Vec<Exchange>) -> Self {
        let sides = exchanges.into_iter().enumerate().map(|(index, mut exchange)| {
            exchange.listens_on(vec![(Protocol::Udp, address_of(index))]);
            Side {
                exchange,
                address: address_of(index),
                records: BTreeMap::new(),
                replies: Vec::new(),
                asked: 0,
                inputs: Vec::new(),
            }
        });
        Self {
            sides: sides.collect(),
            now: Time::new(1_000_000_000, 1_700_000_000_000_000_000),
            due: BTreeMap::new(),
            next: 0,
            faults: Vec::new(),
            loss: (Random::from_number(0), 0),
            ladder: Vec::new(),
        }
    }

    /// From now on the network loses so many datagrams of a thousand, which ones by this seed; the others
    /// take up to twice as long as without.
    pub fn lose_by_chance(&mut self, per_mille: u64, seed: u64) {
        self.loss = (Random::from_number(seed), per_mille);
    }

    /// Virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Somebody asks `side` for this when his turn comes.
    pub fn act(&mut self, side: usize, command: Command) {
        self.schedule(Duration::ZERO, Due::Act(side, Box::new(command)));
    }

    /// Somebody asks `side` for this after so much time: no matter of choice.
    pub fn act_after(&mut self, after: Duration, side: usize, command: Command) {
        self.schedule(after, Due::Later(side, Box::new(command)));
    }

    /// What can happen next, timers aside: whatever somebody wants to ask for, and the next two things
    /// on the network, in the stores and on the media threads.
    pub fn choices(&self) -> Vec<Choice> {
        let acts = self.due.iter().filter(|(_, due)| matches!(due, Due::Act(..)));
        let others = self.due.iter().filter(|(_, due)| !matches!(due, Due::Act(..) | Due::Later(..))).take(2);
        acts.chain(others)
            .map(|(key, due)| Choice { key: *key, is_datagram: matches!(due, Due::Datagram(..)) })
            .collect()
    }

    /// Lets it happen now.
    pub fn happen(&mut self, choice: Choice) {
        let Some(due) = self.due.remove(&choice.key) else { return };
        self.now = self.now + STEP;
        self.timers();
        self.carry_out(due);
    }

    /// The network loses it.
    pub fn lose(&mut self, choice: Choice) {
        if let Some(Due::Datagram(_, to, bytes)) = self.due.remove(&choice.key) {
            self.note("lost", to, &bytes);
        }
    }

    /// Goes on to the next thing in time, whichever it is; `false` if there is none before `until`.
    pub fn wait(&mut self, until: Time) -> bool {
        let queued = self.due.keys().next().map(|(at, _)| *at);
        let timer = self.sides.iter().filter_map(|side| side.exchange.poll_timeout()).min();
        let Some(at) = queued.into_iter().chain(timer).min().filter(|at| *at <= until) else { return false };
        self.now = self.now.max(at);
        self.timers();
        if queued == Some(at)
            && let Some((_, due)) = self.due.pop_first()
        {
            self.carry_out(due);
        }
        true
    }

    /// Whether no exchange holds anything any more.
    pub fn is_quiet(&self) -> bool {
        self.due.is_empty() && self.sides.iter().all(|side| side.exchange.is_quiet())
    }

    fn schedule(&mut self, after: Duration, due: Due) {
        self.next += 1;
        self.due.insert((self.now + after, self.next), due);
    }

    fn timers(&mut self) {
        for index in 0..self.sides.len() {
            while self.sides.get(index).and_then(|s| s.exchange.poll_timeout()).is_some_and(|at| at <= self.now) {
                self.feed(index, Input::Tick);
            }
        }
    }

    fn carry_out(&mut self, due: Due) {
        match due {
            Due::Datagram(from, to, bytes) => self.arrive(from, to, &bytes),
            Due::Input(side, input) => self.feed(side, *input),
            Due::Act(index, command) | Due::Later(index, command) => {
                let Some(side) = self.sides.get_mut(index) else { return };
                self.ladder.push(format!("{index}: asked to {}", word(&command)));
                side.asked += 1;
                let request = side.asked;
                self.feed(index, Input::Api(request, command));
            }
        }
    }

    /// A datagram to the address of all who are called reaches each of them.
    fn arrive(&mut self, from: SocketAddr, to: SocketAddr, bytes: &Bytes) {
        self.note("", to, bytes);
        for index in 0..self.sides.len() {
            let Some(local) = self.sides.get(index).map(|s| s.address) else { continue };
            if local != to && !(to == CALLED && index > 0) {
                continue;
            }
            let flow = Flow { protocol: Protocol::Udp, local, remote: from, connection: 0 };
            let message = Message::parse(bytes.clone());
            self.feed(index, Input::Sip(Box::new(Received { flow, at: self.now, raw: bytes.clone(), message })));
        }
    }

    fn note(&mut self, what: &str, to: SocketAddr, bytes: &Bytes) {
        let text = String::from_utf8_lossy(bytes);
        let cseq = text.lines().find(|l| l.starts_with("CSeq")).unwrap_or_default();
        self.ladder.push(format!("→ {to} {} ({cseq}) {what}", text.lines().next().unwrap_or_default()));
    }

    fn feed(&mut self, index: usize, input: Input) {
        let Some(side) = self.sides.get_mut(index) else { return };
        side.inputs.push(input);
        while let Some(input) = self.sides.get_mut(index).and_then(|s| s.inputs.pop()) {
            let mut outputs = Vec::new();
            let now = self.now;
            if let Some(side) = self.sides.get_mut(index) {
                side.exchange.handle(input, now, &mut outputs);
            }
            for output in outputs {
                self.output(index, output);
            }
        }
    }

    fn output(&mut self, index: usize, output: Output) {
        let Some(side) = self.sides.get_mut(index) else { return };
        match output {
            Output::Send(transmit) => {
                let (from, to) = (side.address, transmit.flow.remote);
                let (random, per_mille) = &mut self.loss;
                let (is_lost, more) = match per_mille {
                    0 => (false, 0),
                    per_mille => (random.below(1_000) < *per_mille, random.below(10_000)),
                };
                if is_lost {
                    return self.note("lost", to, &transmit.bytes);
                }
                self.schedule(DELAY + Duration::from_micros(more), Due::Datagram(from, to, transmit.bytes));
            }
            Output::Resolve(id, _) => {
                let records = Records { servers: Vec::new(), addresses: vec![CALLED] };
                side.inputs.push(Input::Resolved(id, Ok(records)));
            }
            Output::Media(plan) => self.media(index, plan),
            Output::Reply(_, reply) => side.replies.push(reply.map_err(|e| e.to_string())),
            Output::Persist(id, record) => {
                if let Record::PutCall(call) = *record {
                    self.store(index, call);
                }
                self.schedule(DELAY / 2, Due::Input(index, Box::new(Input::Stored(id, Ok(())))));
            }
            _ => {}
        }
    }

    fn store(&mut self, index: usize, call: CallRecord) {
        let Some(side) = self.sides.get_mut(index) else { return };
        if side.records.get(call.call_id.as_str()).is_some_and(|held| held.ended_at_ms.is_some()) {
            self.faults.push(format!("{index}: the record of a call was written after its end"));
        }
        side.records.insert(call.call_id.to_string(), call);
    }

    /// Media threads that do as they are told, a moment later.
    fn media(&mut self, index: usize, plan: MediaPlan) {
        let fact = match plan {
            MediaPlan::Open { leg, .. } => {
                MediaFact::Opened { leg, rtp: SocketAddr::new(address_of(index).ip(), 20_000) }
            }
            MediaPlan::Drain { leg, .. } => MediaFact::Drained { leg },
            MediaPlan::SendDtmf { leg, .. } => MediaFact::DtmfSent { leg },
            MediaPlan::Close { leg } => MediaFact::Closed { leg, stats: LegStats::default() },
            MediaPlan::StartBuiltin { participant, room, .. } => MediaFact::BuiltinReady { participant, room },
            _ => return,
        };
        self.feed_later(index, Input::Media(fact));
    }

    fn feed_later(&mut self, index: usize, input: Input) {
        if let Some(side) = self.sides.get_mut(index) {
            side.inputs.push(input);
        }
    }
}

impl Side {
    /// Whether everything it was asked for is answered, once each.
    pub fn has_replied(&self) -> bool {
        self.replies.len() as u64 == self.asked
    }

    /// Whether a call of it has been answered and not ended.
    pub fn is_talking(&self) -> bool {
        self.records.values().any(|r| r.answered_at_ms.is_some() && r.ended_at_ms.is_none())
    }
}

fn word(command: &Command) -> &'static str {
    match command {
        Command::CreateSipParticipant(_) => "call",
        Command::TransferSipParticipant(_) => "transfer",
        Command::DeleteRoom(_) => "delete the room",
        Command::RemoveParticipant { .. } => "remove the participant",
        Command::Hold { hold: true, .. } => "hold",
        Command::Hold { .. } => "resume",
        _ => "do something",
    }
}
