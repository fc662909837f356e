//! One media thread: it sleeps until a socket, a plan or a time calls, and owns all it touches.

use crate::{
    addresses::Addresses,
    batch::{self, Inbound, Outbound},
    builtin::Member,
    candidates::Candidates,
    downlink::Jitter,
    frame::{FRAME, Frames},
    leg::Leg,
    peer::{Outbox, Peer, Stack},
    ports::Ports,
    room::Room,
    rooms::Rooms,
    rtc_socket,
    stages::Stages,
    tcp::{Handover, Names, Streams, stream_of},
    voice::Quality,
    wheel::Wheel,
};
use mio::{Events, Interest, Poll, Token, Waker, net::UdpSocket};
use slab::Slab;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io,
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    thread::Builder,
    time::{Duration, Instant},
};
use trunkline_call::media::{
    LegKey, LegStats, MediaFact, MediaPlan,
    peer::{PeerFact, PeerKey},
    timings::Stage,
};
use trunkline_types::{ParticipantSid, RoomSid, Time};

/// Tokens of what is not a leg.
const WAKER: Token = Token(usize::MAX - 1);
const RTC: Token = Token(usize::MAX - 2);
/// Batches read from the shared socket before the legs have their turn.
pub(crate) const RTC_BUDGET: usize = 16;
/// So long packets gather on a thread with so many legs and connections.
const GATHERING: [(usize, Duration); 2] = [(600, Duration::from_millis(2)), (150, Duration::from_millis(1))];
/// The longest sleep.
const NAP: Duration = Duration::from_millis(500);

type Sink = Arc<dyn Fn(Vec<MediaFact>) + Send + Sync>;
type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// What a thread is made of.
pub(crate) struct Parts {
    pub(crate) index: usize,
    pub(crate) plans: Receiver<Order>,
    pub(crate) ports: Arc<Ports>,
    pub(crate) rtc: SocketAddr,
    pub(crate) advertise: Vec<IpAddr>,
    /// The addresses of the TCP port that all threads share; none if there is none.
    pub(crate) tcp: Vec<SocketAddr>,
    /// Clients are told of TCP alone.
    pub(crate) force_tcp: bool,
    pub(crate) names: Names,
    pub(crate) stack: Stack,
    pub(crate) quality: Quality,
    pub(crate) jitter: Jitter,
    pub(crate) clock: Clock,
    pub(crate) sink: Sink,
}

/// Starts a thread; returns what wakes it and the address of its WebRTC socket.
pub(crate) fn spawn(parts: Parts, streams: Receiver<Handover>) -> io::Result<(Waker, SocketAddr)> {
    let (thread, waker, bound) = Thread::new(&parts, streams)?;
    let (plans, clock, sink) = (parts.plans, parts.clock, parts.sink);
    Builder::new().name(format!("media-{}", parts.index)).spawn(move || run(thread, &plans, &clock, &sink))?;
    Ok((waker, bound))
}

#[expect(clippy::disallowed_methods, reason = "the WebRTC stack speaks Instant; this is where one is read")]
fn base() -> Instant {
    Instant::now()
}

/// Which of a leg's sockets, and its index, in a token.
fn leg_of(token: Token) -> (usize, bool) {
    (token.0 / 2, token.0 % 2 == 1)
}

fn run(mut thread: Thread, plans: &Receiver<Order>, clock: &Clock, sink: &Sink) {
    let mut events = Events::with_capacity(256);
    let mut more = false;
    loop {
        let now = clock();
        let mut nap = if more { Duration::ZERO } else { thread.nap(now) };
        if let Some(gathering) = thread.gathering().filter(|_| !nap.is_zero()) {
            // Until the clock shows a whole number of them.
            std::thread::sleep(gathering - Duration::from_nanos(now.nanos % gathering.as_nanos() as u64));
            nap = Duration::ZERO;
        }
        if let Err(why) = thread.poll.poll(&mut events, Some(nap))
            && why.kind() != io::ErrorKind::Interrupted
        {
            tracing::error!(%why, "the media thread cannot wait for its sockets");
            return;
        }
        thread.busy.waited(now, clock());
        let mut rtc = more;
        for event in &events {
            match event.token() {
                WAKER => {}
                RTC => rtc = true,
                token => match stream_of(token) {
                    Some(stream) => thread.streams.ready.push(stream),
                    None => thread.ready.push(token),
                },
            }
        }
        while thread.take_arrived(clock()) {
            match plans.try_recv() {
                Ok(Order::Plan(plan)) => thread.plan(plan, clock()),
                Ok(Order::Give(give)) => thread.give(give),
                Ok(Order::Take(take)) => thread.awaited = Some(take),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let now = clock();
        thread.stages.begin(now);
        more = rtc && thread.receive_rtc(now);
        thread.adopt_streams(now);
        thread.serve_streams(now);
        thread.receive_legs(now);
        more |= !thread.ready.is_empty() || !thread.streams.ready.is_empty();
        thread.wake_peers(now);
        more |= thread.tick_rooms(now);
        thread.flush(now);
        if let Some(Report { busy, spared, left_out }) = thread.busy.report(now) {
            let dropped = thread.dropped + u64::from(batch::dropped(&thread.socket));
            thread.facts.push(MediaFact::Load { thread: thread.index, busy, spared, left_out, dropped });
        }
        if let Some(facts) = thread.reporting.due(&mut thread.facts, now) {
            sink(facts);
        }
    }
}

/// See the module.
pub(crate) struct Thread {
    pub(crate) index: usize,
    pub(crate) stages: Stages,
    pub(crate) busy: Busy,
    /// Datagrams of telephones that the kernel has dropped, as far as legs have told.
    pub(crate) dropped: u64,
    pub(crate) poll: Poll,
    pub(crate) legs: Slab<Box<Leg>>,
    leg_index: HashMap<LegKey, usize>,
    /// The leg of another thread for which plans wait.
    awaited: Option<Take>,
    pub(crate) rooms: Rooms,
    pub(crate) peers: Slab<Peer>,
    pub(crate) peer_index: HashMap<PeerKey, usize>,
    pub(crate) by_ufrag: HashMap<String, usize>,
    pub(crate) addresses: Addresses,
    /// When connections want to be driven; an entry may be out of date.
    pub(crate) due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// The places of rooms.
    pub(crate) wheel: Wheel<usize>,
    pub(crate) socket: UdpSocket,
    pub(crate) candidates: Candidates,
    pub(crate) names: Names,
    pub(crate) streams: Streams,
    pub(crate) stack: Stack,
    ports: Arc<Ports>,
    pub(crate) quality: Quality,
    pub(crate) jitter: Jitter,
    pub(crate) facts: Vec<MediaFact>,
    reporting: Reporting,
    pub(crate) outbox: Outbox,
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound,
    pub(crate) frames: Frames,
    pub(crate) buffer: Vec<u8>,
    /// Sockets of legs that hold something.
    ready: Vec<Token>,
    /// Connections that were given something to send.
    pub(crate) touched: Vec<usize>,
    /// Rooms whose time has come and which have not ticked yet.
    pub(crate) ticking: Vec<(usize, Time)>,
    /// What each leg of the room under way said, kept to be reused.
    pub(crate) heard: Vec<[i16; FRAME]>,
    /// What built-in participants said that somebody hears over WebRTC.
    pub(crate) spoken_builtins: Vec<(ParticipantSid, [i16; FRAME])>,
    pub(crate) next_track: u64,
    base: Instant,
    began: Time,
}

impl Thread {
    /// A thread that does not run yet, what wakes it, and the address of its WebRTC socket.
    fn new(parts: &Parts, streams: Receiver<Handover>) -> io::Result<(Self, Waker, SocketAddr)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut socket = rtc_socket::bind(parts.rtc)?;
        let bound = socket.local_addr()?;
        poll.registry().register(&mut socket, RTC, Interest::READABLE)?;
        let udp = if parts.force_tcp { Vec::new() } else { rtc_socket::advertised(bound, &parts.advertise) };
        let candidates = Candidates { udp, tcp: parts.tcp.clone() };
        let thread = Self {
            index: parts.index,
            stages: Stages::new({
                let clock = parts.clock.clone();
                move || clock()
            }),
            busy: Busy::default(),
            dropped: 0,
            poll,
            legs: Slab::new(),
            leg_index: HashMap::new(),
            awaited: None,
            rooms: Rooms::default(),
            peers: Slab::new(),
            peer_index: HashMap::new(),
            by_ufrag: HashMap::new(),
            addresses: Addresses::default(),
            due: BinaryHeap::new(),
            wheel: Wheel::default(),
            socket,
            candidates,
            names: parts.names.clone(),
            streams: Streams::new(streams),
            stack: parts.stack.clone(),
            ports: parts.ports.clone(),
            quality: parts.quality,
            jitter: parts.jitter,
            facts: Vec::with_capacity(reporting::ROOM),
            reporting: Reporting::default(),
            outbox: Outbox::default(),
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            frames: Frames::with_room(8, 400),
            buffer: vec![0; 4096],
            ready: Vec::with_capacity(64),
            touched: Vec::with_capacity(16),
            ticking: Vec::with_capacity(64),
            heard: Vec::with_capacity(8),
            spoken_builtins: Vec::with_capacity(4),
            next_track: 0,
            base: base(),
            began: (parts.clock)(),
        };
        Ok((thread, waker, bound))
    }

    /// Our time as the WebRTC stack counts it.
    pub(crate) fn instant(&self, now: Time) -> Instant {
        self.base + now.since(self.began)
    }

    /// How long packets gather, where so many come that being woken for each costs more than serving
    /// the next few of them together.
    fn gathering(&self) -> Option<Duration> {
        let crowd = self.legs.len() + self.peers.len();
        GATHERING.into_iter().find(|(least, _)| crowd >= *least).map(|(_, gathering)| gathering)
    }

    fn nap(&self, now: Time) -> Duration {
        let mut nap = self.wheel.next(now).map_or(NAP, |at| at.since(now)).min(NAP);
        if let Some(Reverse((due, _))) = self.due.peek() {
            nap = nap.min(due.saturating_duration_since(self.instant(now)));
        }
        if self.facts.is_empty() { nap } else { nap.min(reporting::GATHERED) }
    }

    fn plan(&mut self, plan: MediaPlan, now: Time) {
        match plan {
            MediaPlan::Peer(plan) => self.peer_plan(plan, now),
            MediaPlan::Open { leg, room, local } => self.open(leg, room, local, now),
            MediaPlan::Negotiated { leg, media } => {
                if let Some(index) = self.leg_index.get(&leg).copied()
                    && let Some(leg) = self.legs.get_mut(index)
                {
                    leg.negotiated(media);
                    let room = leg.room;
                    self.set_rate(room);
                }
            }
            MediaPlan::Start { leg, initial_timeout, timeout } => {
                if let Some(leg) = self.leg(&leg) {
                    leg.start(initial_timeout, timeout, now);
                }
            }
            MediaPlan::Drain { leg, at_most } => match self.leg(&leg) {
                Some(held) => held.draining = Some(now + at_most),
                None => self.facts.push(MediaFact::Drained { leg }),
            },
            MediaPlan::SendDtmf { leg, digits } => {
                if let Some(leg) = self.leg(&leg) {
                    leg.press(&digits);
                }
            }
            MediaPlan::Play { leg, sound } => {
                if let Some(leg) = self.leg(&leg) {
                    leg.play(sound);
                }
            }
            MediaPlan::RingToRoom { leg, on } => {
                if let Some(leg) = self.leg(&leg) {
                    leg.ring_to_room(on, now);
                }
            }
            MediaPlan::Move { leg, to, .. } => self.move_here(&leg, to, now),
            MediaPlan::Close { leg } => self.close(&leg),
            MediaPlan::StartBuiltin { participant, room, builtin } => {
                let place = self.room(&room, now);
                if let Some(held) = self.rooms.get_mut(place) {
                    let rate = held.rate;
                    held.builtins.insert(participant.clone(), Member::new(&builtin, rate));
                }
                self.facts.push(MediaFact::BuiltinReady { participant, room });
            }
            MediaPlan::PlayBuiltin { participant, room } => {
                if let Some(member) = self.rooms.named(&room).and_then(|r| r.builtins.get_mut(&participant)) {
                    member.play();
                }
            }
            MediaPlan::StopBuiltin { participant, room } => {
                let Some(place) = self.rooms.place(&room) else { return };
                if let Some(held) = self.rooms.get_mut(place) {
                    held.builtins.remove(&participant);
                }
                self.forget_if_empty(place);
            }
        }
    }

    fn leg(&mut self, key: &LegKey) -> Option<&mut Leg> {
        self.legs.get_mut(*self.leg_index.get(key)?).map(|leg| &mut **leg)
    }

    pub(crate) fn leg_index(&self, key: &LegKey) -> Option<usize> {
        self.leg_index.get(key).copied()
    }

    /// The place of the room, which begins to tick when it is new.
    pub(crate) fn room(&mut self, sid: &RoomSid, now: Time) -> usize {
        if let Some(place) = self.rooms.place(sid) {
            return place;
        }
        let place = self.rooms.insert(Room::new(sid.clone()));
        self.wheel.add(place, now);
        place
    }

    pub(crate) fn forget_if_empty(&mut self, place: usize) {
        if self.rooms.get(place).is_some_and(Room::is_empty) {
            self.rooms.remove(place);
            self.wheel.remove(&place);
            // Who is given its place shall not tick for it.
            self.ticking.retain(|(held, _)| *held != place);
        }
    }

    fn open(&mut self, key: LegKey, room: RoomSid, local: IpAddr, now: Time) {
        let opened = self.ports.open(local).and_then(|sockets| {
            let leg = Box::new(Leg::new(key.clone(), sockets, now));
            let rtp = leg.local().ok_or("the RTP socket has no address")?;
            self.enter(leg, &room, now).map_err(|(_, why)| why)?;
            Ok(rtp)
        });
        self.facts.push(match opened {
            Ok(rtp) => MediaFact::Opened { leg: key, rtp },
            Err(why) => MediaFact::OpenFailed { leg: key, why },
        });
    }

    /// Lets the room mix as wide as its best phone hears.
    fn set_rate(&mut self, place: usize) {
        let Some(room) = self.rooms.get_mut(place) else { return };
        let widest =
            room.legs.iter().filter_map(|leg| self.legs.get(*leg)).map(|leg| leg.rate()).max().unwrap_or(8_000);
        if room.rate != widest {
            room.rate = widest;
            for member in room.builtins.values_mut() {
                member.room_rate(widest);
            }
            for (_, track) in &mut room.tracks {
                track.downlink = None;
                if matches!(track.origin, crate::track::Origin::Builtin(_)) {
                    track.uplink = None;
                }
            }
        }
        for leg in &room.legs {
            if let Some(leg) = self.legs.get_mut(*leg) {
                leg.room_rate(widest);
            }
        }
    }

    fn close(&mut self, key: &LegKey) {
        let Some(index) = self.leg_index.remove(key) else {
            self.facts.push(MediaFact::Closed { leg: key.clone(), stats: LegStats::default() });
            return;
        };
        let mut leg = self.legs.remove(index);
        self.dropped += leg.newly_dropped();
        // A socket that cannot be taken off the list goes with its descriptor.
        let _ = self.poll.registry().deregister(&mut leg.rtp);
        let _ = self.poll.registry().deregister(&mut leg.rtcp);
        let place = leg.room;
        if let Some(room) = self.rooms.get_mut(place) {
            room.legs.retain(|held| *held != index);
            if room.legs.is_empty() {
                for (_, track) in &mut room.tracks {
                    track.downlink = None;
                }
            }
        }
        self.set_rate(place);
        self.forget_if_empty(place);
        self.facts.push(leg.close());
        self.report_timings();
    }

    /// Reads what the legs' sockets hold; those with more stay on the list.
    fn receive_legs(&mut self, now: Time) {
        let mut ready = std::mem::take(&mut self.ready);
        let mut kept = 0;
        for at in 0..ready.len() {
            if at % AHEAD == 0 {
                self.look_at_legs(&ready[at..ready.len().min(at + AHEAD)]);
            }
            if self.receive_leg(ready[at], now) {
                ready[kept] = ready[at];
                kept += 1;
            }
        }
        ready.truncate(kept);
        ready.append(&mut self.ready);
        self.ready = ready;
    }

    /// Reads what one of a leg's sockets holds; whether there may be more.
    fn receive_leg(&mut self, token: Token, now: Time) -> bool {
        let (index, is_rtcp) = leg_of(token);
        let Some(leg) = self.legs.get_mut(index) else { return false };
        let (inbound, facts, stages) = (&mut self.inbound, &mut self.facts, &mut self.stages);
        // A fault costs one leg, not the thread.
        let received = catch_unwind(AssertUnwindSafe(|| {
            if is_rtcp { leg.receive_rtcp(now, inbound, stages) } else { leg.receive(now, inbound, facts, stages) }
        }));
        let Ok(more) = received else {
            let key = leg.key.clone();
            tracing::error!(call = %key.call, "a fault in a media leg; it is closed");
            self.close(&key);
            return false;
        };
        self.forward_leg(index, now);
        more
    }

    /// Sends what waits and ends the turn.
    fn flush(&mut self, now: Time) {
        self.stages.enter(Stage::Send);
        self.outbound.flush(&self.socket);
        self.flush_streams(now);
        let legs = &mut self.legs;
        self.stages.end(|index, way, spent| {
            if let Some(leg) = legs.get_mut(index) {
                leg.took(way, spent);
            }
        });
        if self.stages.is_report_due(now) {
            self.report_timings();
        }
    }

    fn report_timings(&mut self) {
        let (thread, timings) = (self.index, Box::new(self.stages.timings));
        self.facts.push(MediaFact::Timings { thread, timings });
    }

    /// Reports a fault of a connection and takes it out.
    pub(crate) fn peer_fault(&mut self, index: usize) {
        let Some(peer) = self.peers.get(index) else { return };
        let key = peer.key.clone();
        tracing::error!(participant = %key.participant, "a fault in a WebRTC connection; it is closed");
        self.remove_peer(index);
        self.facts.push(MediaFact::Peer(PeerFact::Faulted { peer: key }));
    }
}

mod ahead;
mod busy;
mod moving;
mod reporting;

pub(crate) use ahead::AHEAD;
use busy::{Busy, Report};
use moving::Take;
pub(crate) use moving::{Order, handover};
use reporting::Reporting;

#[cfg(test)]
mod alone;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod latency;
#[cfg(test)]
mod past;
#[cfg(test)]
mod strangers;
