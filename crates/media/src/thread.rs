//! One media thread: plans in, facts out, a beat of 5 ms.

use crate::{
    builtin::Member,
    leg::Leg,
    ports::Ports,
    room::{FRAME, Room},
};
use std::{
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::Builder,
    time::Duration,
};
use trunkline_call::media::{LegKey, LegStats, MediaFact, MediaPlan};
use trunkline_types::{RoomSid, Time};

/// The beat.
const BEAT: Duration = Duration::from_millis(5);
/// One frame.
const TICK: Duration = Duration::from_millis(20);
/// A thread that fell behind by more than this begins anew instead of catching up.
const BEHIND: Duration = Duration::from_millis(200);

type Sink = Arc<dyn Fn(MediaFact) + Send + Sync>;
type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

pub(crate) fn spawn(
    index: usize,
    plans: Receiver<MediaPlan>,
    ports: Arc<Ports>,
    clock: Clock,
    sink: Sink,
) -> io::Result<()> {
    Builder::new().name(format!("media-{index}")).spawn(move || {
        let mut thread = Thread {
            legs: HashMap::new(),
            rooms: HashMap::new(),
            ports,
            facts: Vec::with_capacity(64),
            buffer: vec![0; 2048],
            frames: Vec::with_capacity(64),
        };
        let mut beat = clock();
        loop {
            match plans.recv_timeout(beat.since(clock())) {
                Ok(plan) => thread.plan(plan, clock()),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let now = clock();
                    thread.step(now);
                    beat = beat + BEAT;
                    if beat < now {
                        beat = now + BEAT;
                    }
                }
            }
            for fact in thread.facts.drain(..) {
                sink(fact);
            }
        }
    })?;
    Ok(())
}

struct Thread {
    legs: HashMap<LegKey, Leg>,
    rooms: HashMap<RoomSid, Room>,
    ports: Arc<Ports>,
    facts: Vec<MediaFact>,
    buffer: Vec<u8>,
    /// What each leg of the room under way said, kept to be reused.
    frames: Vec<[i16; FRAME]>,
}

impl Thread {
    fn plan(&mut self, plan: MediaPlan, now: Time) {
        match plan {
            MediaPlan::Open { leg, room, local } => match self.ports.open(local) {
                Ok(sockets) => {
                    let opened = Leg::new(leg.clone(), room.clone(), sockets, now);
                    let Some(rtp) = opened.local() else { return };
                    self.rooms.entry(room).or_insert_with(|| Room::new(now)).legs.push(leg.clone());
                    self.legs.insert(leg.clone(), opened);
                    self.facts.push(MediaFact::Opened { leg, rtp });
                }
                Err(why) => self.facts.push(MediaFact::OpenFailed { leg, why }),
            },
            MediaPlan::Negotiated { leg, media } => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.negotiated(media);
                }
            }
            MediaPlan::Start { leg, initial_timeout, timeout } => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.start(initial_timeout, timeout, now);
                }
            }
            MediaPlan::Drain { leg, at_most } => match self.legs.get_mut(&leg) {
                Some(held) => held.draining = Some(now + at_most),
                None => self.facts.push(MediaFact::Drained { leg }),
            },
            MediaPlan::SendDtmf { leg, digits } => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.press(&digits);
                }
            }
            MediaPlan::Close { leg } => self.close(&leg),
            MediaPlan::StartBuiltin { participant, room, builtin } => {
                let held = self.rooms.entry(room.clone()).or_insert_with(|| Room::new(now));
                held.builtins.insert(participant.clone(), Member::new(&builtin));
                self.facts.push(MediaFact::BuiltinReady { participant, room });
            }
            MediaPlan::PlayBuiltin { participant, room } => {
                if let Some(member) = self.rooms.get_mut(&room).and_then(|r| r.builtins.get_mut(&participant)) {
                    member.play();
                }
            }
            MediaPlan::StopBuiltin { participant, room } => {
                if let Some(held) = self.rooms.get_mut(&room) {
                    held.builtins.remove(&participant);
                    if held.is_empty() {
                        self.rooms.remove(&room);
                    }
                }
            }
        }
    }

    fn close(&mut self, key: &LegKey) {
        let Some(leg) = self.legs.remove(key) else {
            self.facts.push(MediaFact::Closed { leg: key.clone(), stats: LegStats::default() });
            return;
        };
        if let Some(room) = self.rooms.get_mut(&leg.room) {
            room.legs.retain(|held| held != key);
            if room.is_empty() {
                self.rooms.remove(&leg.room);
            }
        }
        self.facts.push(leg.close());
    }

    fn step(&mut self, now: Time) {
        let (buffer, facts) = (&mut self.buffer, &mut self.facts);
        let mut broken = None;
        for (key, leg) in &mut self.legs {
            // A fault costs one leg, not the thread.
            if catch_unwind(AssertUnwindSafe(|| leg.receive(now, buffer, facts))).is_err() {
                broken = Some(key.clone());
            }
        }
        if let Some(key) = broken {
            tracing::error!(call = %key.call, "a fault in a media leg; it is closed");
            self.close(&key);
        }
        for room in self.rooms.values_mut() {
            if now.since(room.next_tick) > BEHIND {
                room.next_tick = now;
            }
            while room.next_tick <= now {
                tick(room, &mut self.legs, &mut self.frames, now, &mut self.buffer);
                room.next_tick = room.next_tick + TICK;
            }
            for key in &room.legs {
                let Some(leg) = self.legs.get_mut(key) else { continue };
                if let Some(until) = leg.draining
                    && (now >= until || !room.is_speaking())
                {
                    leg.draining = None;
                    self.facts.push(MediaFact::Drained { leg: key.clone() });
                }
            }
        }
    }
}

/// 20 ms of a room: everybody hears everybody but himself.
fn tick(
    room: &mut Room,
    legs: &mut HashMap<LegKey, Leg>,
    frames: &mut Vec<[i16; FRAME]>,
    now: Time,
    buffer: &mut [u8],
) {
    frames.clear();
    let mut voices = [0; FRAME];
    let mut listens = false;
    for key in &room.legs {
        let mut frame = [0; FRAME];
        if let Some(leg) = legs.get_mut(key) {
            leg.hear(&mut frame);
            listens |= leg.is_started();
        }
        trunkline_audio::mix::add(&mut voices, &frame);
        frames.push(frame);
    }
    let mut said = [0; FRAME];
    for member in room.builtins.values_mut() {
        member.hear(&voices);
        member.speak(listens, &mut said);
    }
    for (index, key) in room.legs.iter().enumerate() {
        let mut mixed = said;
        for (other, frame) in frames.iter().enumerate() {
            if other != index {
                trunkline_audio::mix::add(&mut mixed, frame);
            }
        }
        if let Some(leg) = legs.get_mut(key) {
            leg.say(&mixed, now, buffer);
        }
    }
}
