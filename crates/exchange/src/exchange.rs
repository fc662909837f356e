//! The machine itself: its parts, and which part takes which input.

use crate::{
    Config, Input, Output,
    agents::Agents,
    builtins::Builtins,
    calls::Calls,
    command::Gauges,
    guard::Guard,
    load::{Fared, Load},
    outbound::Outbound,
    peers::Peers,
    pending::Pending,
    port::{Level, LogLine},
    transfers::Waiters,
};
use std::collections::{BTreeMap, VecDeque};
use trunkline_call::{
    Event,
    media::{MediaFact, timings::Timings},
};
use trunkline_room::Rooms;
use trunkline_routing::Directory;
use trunkline_sip::{Challenger, Stack};
use trunkline_types::{CallId, Random, Time};

/// See the crate.
pub struct Exchange {
    pub(crate) config: Config,
    pub(crate) random: Random,
    pub(crate) stack: Stack,
    pub(crate) challenger: Challenger,
    pub(crate) guard: Guard,
    pub(crate) directory: Directory,
    pub(crate) rooms: Rooms,
    pub(crate) calls: Calls,
    pub(crate) builtins: Builtins,
    pub(crate) peers: Peers,
    pub(crate) agents: Agents,
    pub(crate) pending: Pending,
    pub(crate) outbound: Outbound,
    pub(crate) waiters: Waiters,
    /// Events for calls, in the order in which they arose while an input was applied.
    pub(crate) events: VecDeque<(CallId, Event)>,
    pub(crate) gauges: Gauges,
    /// What each media thread has last told.
    pub(crate) timings: BTreeMap<usize, Box<Timings>>,
    pub(crate) load: Load,
    pub(crate) drain: Drain,
}

/// Whether the exchange takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drain {
    No,
    /// Running calls end at this time.
    Until(Time),
    /// No call is left, and it has been said.
    Done,
}

impl Exchange {
    /// A machine with a directory loaded from the store.
    pub fn new(config: Config, directory: Directory, mut random: Random) -> Self {
        let challenger = Challenger::new(config.routing.secret);
        let stack = Stack::new(config.stack.clone(), random.fork());
        let rooms = Rooms::new(config.rooms.clone(), random.fork());
        let load = Load::new(config.max_load);
        let mut exchange = Self {
            config,
            load,
            stack,
            challenger,
            guard: Guard::default(),
            directory,
            rooms,
            calls: Calls::default(),
            builtins: Builtins::default(),
            peers: Peers::default(),
            agents: Agents::default(),
            pending: Pending::default(),
            outbound: Outbound::default(),
            waiters: Waiters::default(),
            events: VecDeque::new(),
            gauges: Gauges::default(),
            timings: BTreeMap::new(),
            drain: Drain::No,
            random,
        };
        exchange.trunks_loaded();
        exchange
    }

    /// Applies one input. Drain `outputs` before the next one.
    pub fn handle(&mut self, input: Input, now: Time, outputs: &mut Vec<Output>) {
        match input {
            Input::Sip(received) => self.sip_received(*received, now, outputs),
            Input::Closed(flow, why) => self.flow_closed(&flow, why, now, outputs),
            Input::Api(request, command) => self.command(request, *command, now, outputs),
            Input::Abandoned(request) => self.request_abandoned(request),
            Input::Signal(connection, request) => self.signal(connection, *request, now, outputs),
            Input::SignalClosed(connection) => self.signal_closed(connection, now, outputs),
            Input::Worker(connection, request) => self.worker(connection, *request, now, outputs),
            Input::WorkerClosed(connection) => self.worker_closed(connection, now, outputs),
            Input::Media(fact) => self.media_fact(fact, now, outputs),
            Input::Stored(record, result) => self.stored(record, result, outputs),
            Input::Resolved(query, answer) => self.resolved(query, answer, now, outputs),
            Input::Tick => self.tick(now, outputs),
            Input::Drain(deadline) => {
                self.drain = Drain::Until(deadline);
                self.unregister_trunks(now, outputs);
            }
        }
        self.settle(now, outputs);
    }

    /// When to call again with [`Input::Tick`].
    pub fn poll_timeout(&self) -> Option<Time> {
        let drain = match self.drain {
            Drain::Until(deadline) if !self.calls.is_empty() => Some(deadline),
            _ => None,
        };
        let parts = [self.stack.poll_timeout(), self.rooms.poll_timeout(), self.calls.poll_timeout()];
        let others = [self.peers.poll_timeout(), self.agents.poll_timeout(), self.outbound.poll_timeout(), drain];
        parts.into_iter().chain(others).flatten().min()
    }

    /// Whether nothing is left: no call, no room, no transaction, no timer. For tests.
    pub fn is_quiet(&self) -> bool {
        self.calls.is_empty() && self.poll_timeout().is_none() && self.pending.is_empty() && self.agents.is_quiet()
    }

    fn tick(&mut self, now: Time, outputs: &mut Vec<Output>) {
        let mut actions = Vec::new();
        self.stack.handle_timeout(now, &mut actions);
        self.sip_actions(actions, None, now, outputs);
        let mut events = Vec::new();
        self.rooms.handle_timeout(now, &mut events);
        self.room_events(events, now, outputs);
        self.peers_tick(now, outputs);
        self.agents_tick(now, outputs);
        self.outbound_tick(now, outputs);
        for call in self.calls.due(now) {
            self.events.push_back((call, Event::TimedOut));
        }
        if let Drain::Until(deadline) = self.drain
            && now >= deadline
        {
            for call in self.calls.ids() {
                self.events.push_back((call, Event::ShutDown));
            }
            // What is still ending does so by its own timers.
            self.drain = Drain::Until(Time { nanos: u64::MAX, ..now });
        }
    }

    /// Hands out the events that have arisen until none is left.
    fn settle(&mut self, now: Time, outputs: &mut Vec<Output>) {
        while let Some((call, event)) = self.events.pop_front() {
            self.call_event(&call, event, now, outputs);
        }
        if matches!(self.drain, Drain::Until(_)) && self.calls.is_empty() && self.is_unregistered() {
            self.drain = Drain::Done;
            self.peers_shut_down(now, outputs);
            self.agents_shut_down(now, outputs);
            outputs.push(Output::Drained);
        }
        self.peers.rearm();
    }

    fn media_fact(&mut self, fact: MediaFact, now: Time, outputs: &mut Vec<Output>) {
        if let MediaFact::SourceLocked { leg, .. } = &fact {
            self.load.audio_begins(&leg.call, now);
        }
        let call = match &fact {
            MediaFact::Opened { leg, .. }
            | MediaFact::OpenFailed { leg, .. }
            | MediaFact::SourceLocked { leg, .. }
            | MediaFact::Silent { leg }
            | MediaFact::Dtmf { leg, .. }
            | MediaFact::Drained { leg }
            | MediaFact::Played { leg, .. }
            | MediaFact::DtmfSent { leg }
            | MediaFact::Latency { leg, .. }
            | MediaFact::Closed { leg, .. } => leg.call.clone(),
            MediaFact::Timings { thread, .. } => {
                let thread = *thread;
                let MediaFact::Timings { timings, .. } = fact else { return };
                self.timings.insert(thread, timings);
                return;
            }
            MediaFact::Load { thread, busy, spared, left_out, dropped } => {
                let fared = Fared { busy: *busy, spared: *spared, left_out: *left_out, dropped: *dropped };
                return self.media_load(*thread, fared, now, outputs);
            }
            MediaFact::Peer(_) => {
                let MediaFact::Peer(fact) = fact else { return };
                return self.peer_fact(fact, now, outputs);
            }
            MediaFact::BuiltinReady { participant, room } => {
                let (participant, room) = (participant.clone(), room.clone());
                return self.builtin_ready(&participant, &room, now, outputs);
            }
        };
        self.events.push_back((call, Event::Media(fact)));
    }

    /// One line, whatever a far end, a client or a worker has put into it.
    pub(crate) fn log(level: Level, call: Option<&CallId>, text: impl Into<String>, outputs: &mut Vec<Output>) {
        let mut text = text.into();
        if text.contains(char::is_control) {
            text = text.replace(char::is_control, " ");
        }
        outputs.push(Output::Log(LogLine { level, call: call.cloned(), text }));
    }
}
