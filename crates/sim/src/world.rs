//! The exchange in a world of its own: a virtual clock, a lossy network, a store that answers, and
//! far ends that behave like careful callers. A seed replays a run exactly.

use crate::{
    callee::{Behaviour, Callee},
    caller::Caller,
};
use bytes::Bytes;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use trunkline_call::{
    media::{LegStats, MediaFact, MediaPlan, Sound},
    record::CallRecord,
};
use trunkline_exchange::{
    Exchange, Input, Output,
    command::{Command, Reply},
    port::Record,
};
use trunkline_room::ParticipantPatch;
use trunkline_sip::{
    Message,
    flow::{Flow, Protocol, Received},
    locate::Records,
};
use trunkline_types::{Random, Time};

/// What the network does to a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Lost, in thousandths, each way.
    pub loss_per_mille: u64,
    /// Delivered twice, in thousandths.
    pub duplicate_per_mille: u64,
    /// One way, at least.
    pub delay: Duration,
    /// At most this much more, which reorders.
    pub jitter: Duration,
}

/// Who is at an address.
#[derive(Clone, Copy)]
enum FarEnd {
    Caller(usize),
    Callee(usize),
}

/// What there is to do at a time.
enum Due {
    ToServer(SocketAddr, Bytes),
    ToFarEnd(FarEnd, Bytes),
    CallerTimer(usize),
    CalleeTimer(usize),
    Input(Box<Input>),
    /// Somebody in the room ends the call of this caller: attributes, then the room is deleted.
    EndFromRoom(usize),
}

/// The world.
pub struct World {
    exchange: Exchange,
    link: Link,
    random: Random,
    now: Time,
    due: BinaryHeap<Reverse<(Time, u64)>>,
    what: BTreeMap<u64, Due>,
    next: u64,
    callers: Vec<Caller>,
    callees: Vec<Callee>,
    by_address: HashMap<SocketAddr, FarEnd>,
    /// Until when whatever the called say is lost.
    muted_until: Time,
    /// What the DNS says of a name.
    names: BTreeMap<String, Records>,
    /// The records as the store holds them.
    pub records: BTreeMap<String, CallRecord>,
    /// Whatever went against an invariant, in words.
    pub faults: Vec<String>,
    /// SIP Call-ID → call.
    by_call_id: HashMap<String, String>,
    requests: u64,
}

/// The attributes that are set just before a room is deleted, and the headers they must become.
pub const ROUTING: [(&str, &str, &str); 2] = [
    ("five9.route_reason", "X-RouteReason", "caller asked for sales"),
    ("five9.route_value", "X-RouteValue", "Sales Queue"),
];

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 5060);

fn caller_address(index: usize) -> SocketAddr {
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from(0x0a01_0000 + index / 50_000)), 10_000 + (index % 50_000) as u16)
}

fn callee_address(index: usize) -> SocketAddr {
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from(0x0a02_0000_u32.saturating_add(index))), 5060)
}

impl World {
    /// A world around an exchange that has its trunks and rules.
    pub fn new(exchange: Exchange, link: Link, seed: u64) -> Self {
        Self {
            exchange,
            link,
            random: Random::from_number(seed),
            now: Time::new(0, 1_700_000_000_000_000_000),
            due: BinaryHeap::new(),
            what: BTreeMap::new(),
            next: 0,
            callers: Vec::new(),
            callees: Vec::new(),
            by_address: HashMap::new(),
            muted_until: Time::new(0, 0),
            names: BTreeMap::new(),
            records: BTreeMap::new(),
            faults: Vec::new(),
            by_call_id: HashMap::new(),
            requests: 0,
        }
    }

    /// Virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The callers, for what they saw.
    pub fn callers(&self) -> &[Caller] {
        &self.callers
    }

    /// The far ends that are called, for what they saw.
    pub fn callees(&self) -> &[Callee] {
        &self.callees
    }

    /// A far end that is called and behaves so; its address, by UDP.
    pub fn answer_as(&mut self, behaviour: Behaviour) -> SocketAddr {
        let index = self.callees.len();
        let address = callee_address(index);
        self.by_address.insert(address, FarEnd::Callee(index));
        self.callees.push(Callee::new(address, behaviour));
        address
    }

    /// The network loses whatever those who are called say before so long from now.
    pub fn mute_callees(&mut self, during: Duration) {
        self.muted_until = self.now + during;
    }

    /// What the DNS says of a name from now on. Other names do not exist.
    pub fn resolve(&mut self, name: &str, records: Records) {
        self.names.insert(name.to_owned(), records);
    }

    /// Whether the exchange holds nothing any more.
    pub fn is_quiet(&self) -> bool {
        self.exchange.is_quiet()
    }

    /// Gives the exchange a command, outside the network, and returns its reply.
    pub fn ask(&mut self, command: Command) -> Option<Result<Reply, String>> {
        self.requests += 1;
        let wanted = self.requests;
        let mut replies = Vec::new();
        self.feed_collecting(Input::Api(wanted, Box::new(command)), &mut replies);
        replies.into_iter().find(|(id, _)| *id == wanted).map(|(_, reply)| reply)
    }

    /// A caller begins to call `after` from now; it hangs up itself if it is told to.
    pub fn call(&mut self, after: Duration, from: &str, to: &str, hang_up_after: Option<Duration>) {
        let index = self.callers.len();
        self.by_address.insert(caller_address(index), FarEnd::Caller(index));
        self.callers.push(Caller::new(index, caller_address(index), SERVER, from, to, hang_up_after));
        self.schedule(after, Due::CallerTimer(index));
    }

    /// Runs until nothing is left to do; `false` if that takes longer than `limit`.
    pub fn run(&mut self, limit: Duration) -> bool {
        let end = self.now + limit;
        loop {
            let queued = self.due.peek().map(|Reverse((at, _))| *at);
            let timer = self.exchange.poll_timeout();
            let Some(at) = queued.into_iter().chain(timer).min() else { return true };
            if at > end {
                return false;
            }
            self.now = self.now.max(at);
            if timer.is_some_and(|t| t <= self.now) {
                self.feed(Input::Tick);
            }
            while let Some(Reverse((due, _))) = self.due.peek()
                && *due <= self.now
            {
                let Some(Reverse((_, key))) = self.due.pop() else { break };
                if let Some(due) = self.what.remove(&key) {
                    self.happen(due);
                }
            }
        }
    }

    fn schedule(&mut self, after: Duration, due: Due) {
        self.next += 1;
        self.due.push(Reverse((self.now + after, self.next)));
        self.what.insert(self.next, due);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::ToServer(remote, bytes) => {
                let flow = Flow { protocol: Protocol::Udp, local: SERVER, remote, connection: 0 };
                let message = Message::parse(bytes.clone());
                self.feed(Input::Sip(Box::new(Received { flow, at: self.now, raw: bytes, message })));
            }
            Due::ToFarEnd(far_end, bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                match far_end {
                    FarEnd::Caller(index) => self.step(index, |caller, now, out| caller.received(&text, now, out)),
                    FarEnd::Callee(index) => {
                        self.step_callee(index, |callee, now, out| callee.received(&text, now, out))
                    }
                }
            }
            Due::CallerTimer(index) => self.step(index, |caller, now, out| caller.timed_out(now, out)),
            Due::CalleeTimer(index) => self.step_callee(index, |callee, now, out| callee.timed_out(now, out)),
            Due::Input(input) => self.feed(*input),
            Due::EndFromRoom(index) => self.end_from_room(index),
        }
    }

    fn step(&mut self, index: usize, action: impl FnOnce(&mut Caller, Time, &mut Vec<String>)) {
        let now = self.now;
        let Some(caller) = self.callers.get_mut(index) else { return };
        let (was_answered, mut out) = (caller.is_answered(), Vec::new());
        action(caller, now, &mut out);
        let due = caller.next_timer();
        let waits_for_room = !was_answered && caller.is_answered() && caller.waits_for_far_end();
        for message in out {
            self.send(Bytes::from(message), |bytes| Due::ToServer(caller_address(index), bytes));
        }
        if let Some(at) = due {
            self.schedule(at.since(now), Due::CallerTimer(index));
        }
        if waits_for_room {
            self.schedule(Duration::from_secs(2), Due::EndFromRoom(index));
        }
    }

    fn step_callee(&mut self, index: usize, action: impl FnOnce(&mut Callee, Time, &mut Vec<String>)) {
        let now = self.now;
        let Some(callee) = self.callees.get_mut(index) else { return };
        let mut out = Vec::new();
        action(callee, now, &mut out);
        let due = callee.next_timer();
        if now < self.muted_until {
            out.clear();
        }
        for message in out {
            self.send(Bytes::from(message), |bytes| Due::ToServer(callee_address(index), bytes));
        }
        if let Some(at) = due {
            self.schedule(at.since(now), Due::CalleeTimer(index));
        }
    }

    fn send(&mut self, bytes: Bytes, due: impl Fn(Bytes) -> Due) {
        let copies = 1 + usize::from(self.random.below(1000) < self.link.duplicate_per_mille);
        for _ in 0..copies {
            if self.random.below(1000) < self.link.loss_per_mille {
                continue;
            }
            let jitter = u64::try_from(self.link.jitter.as_nanos()).unwrap_or(0);
            let delay = self.link.delay + Duration::from_nanos(self.random.below(jitter.max(1)));
            self.schedule(delay, due(bytes.clone()));
        }
    }

    /// The Five9 pattern: attributes, and at once the room is deleted.
    fn end_from_room(&mut self, index: usize) {
        let Some(call_id) = self.callers.get(index).map(|c| c.call_id().to_owned()) else { return };
        let Some(record) = self.by_call_id.get(&call_id).and_then(|id| self.records.get(id)).cloned() else { return };
        let attributes = ROUTING.iter().map(|(name, _, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let patch = ParticipantPatch { attributes, ..Default::default() };
        let (room, identity) = (record.room_name, record.participant_identity);
        self.ask(Command::UpdateParticipant { room: room.clone(), identity, patch });
        self.ask(Command::DeleteRoom(room));
    }

    fn feed(&mut self, input: Input) {
        self.feed_collecting(input, &mut Vec::new());
    }

    fn feed_collecting(&mut self, input: Input, replies: &mut Vec<(u64, Result<Reply, String>)>) {
        let mut outputs = Vec::new();
        self.exchange.handle(input, self.now, &mut outputs);
        for output in outputs {
            match output {
                Output::Send(transmit) => {
                    let remote = transmit.flow.remote;
                    match self.by_address.get(&remote).copied() {
                        Some(far_end) => self.send(transmit.bytes, |bytes| Due::ToFarEnd(far_end, bytes)),
                        None => self.faults.push(format!("a message was sent to {remote}, where nobody is")),
                    }
                }
                Output::Media(plan) => self.media(plan),
                Output::Reply(request, reply) => replies.push((request, reply.map_err(|e| e.to_string()))),
                Output::Persist(id, record) => {
                    if let Record::PutCall(call) = *record {
                        self.store(call);
                    }
                    self.schedule(Duration::from_millis(2), Due::Input(Box::new(Input::Stored(id, Ok(())))));
                }
                Output::Resolve(query, what) => {
                    let said = self.names.get(&what.host).cloned().ok_or_else(|| "there is no such name".to_owned());
                    self.schedule(Duration::from_millis(2), Due::Input(Box::new(Input::Resolved(query, said))));
                }
                Output::Expect { .. } => {}
                Output::Signal(..) | Output::HangUp(_) | Output::Worker(..) | Output::WorkerHangUp(_) => {}
                Output::Notify(_) | Output::Trace(..) | Output::Log(_) | Output::Drained => {}
            }
        }
    }

    fn store(&mut self, call: CallRecord) {
        let ended = self.records.get(call.call_id.as_str()).is_some_and(|held| held.ended_at_ms.is_some());
        if ended {
            self.faults.push(format!("the record of {} was written after its end", call.call_id));
        }
        self.by_call_id.insert(call.sip_call_id.clone(), call.call_id.to_string());
        self.records.insert(call.call_id.to_string(), call);
    }

    fn media(&mut self, plan: MediaPlan) {
        let fact = match plan {
            MediaPlan::Open { leg, .. } => MediaFact::Opened { leg, rtp: SocketAddr::new(SERVER.ip(), 20_000) },
            MediaPlan::Drain { leg, .. } => MediaFact::Drained { leg },
            MediaPlan::Close { leg } => MediaFact::Closed { leg, stats: LegStats::default() },
            MediaPlan::SendDtmf { leg, .. } => MediaFact::DtmfSent { leg },
            MediaPlan::Play { leg, sound: Some(sound) } if !matches!(sound, Sound::Ringing | Sound::HoldMusic) => {
                MediaFact::Played { leg, sound }
            }
            MediaPlan::StartBuiltin { participant, room, .. } => MediaFact::BuiltinReady { participant, room },
            _ => return,
        };
        self.schedule(Duration::from_millis(1), Due::Input(Box::new(Input::Media(fact))));
    }
}
