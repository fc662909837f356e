//! The jitter buffer: what is played at each tick, and when the delay changes.

use super::{
    arrival::ArrivalDelays,
    ring::{Ring, SLOT_BYTES, SLOTS, Slot},
};
use std::{any::Any, time::Duration};
use trunkline_types::Time;

/// Ticks of an empty buffer that count as loss; after them nothing is being sent.
const CONCEALED_TICKS: u32 = 5;
/// Ticks between two packets left out because the delay is too long.
const DROP_EVERY: u32 = 10;
/// The share of packets that shall arrive before their turn.
const PUNCTUAL: f32 = 0.96;
/// The share of packets that shall still arrive before their turn when a delay that has grown is made
/// shorter: more, or what comes late now and then would be made up each time.
const KEPT: f32 = 0.99;
/// A gap of more numbers than this is believed only when the next packet confirms it.
const PLAUSIBLE_GAP: i64 = 3_000;
/// What a packet's loss or arrival weighs in the share of losses: a memory of 4 s.
const LOSS_WEIGHT: f32 = 0.005;
/// From this share on it is worth a frame of delay to repair losses: two within the memory.
const LOSSY: f32 = 0.007;
/// A payload this short is the last before a pause (Opus DTX, RFC 6716 §3.2.1: a frame without bytes).
const PAUSE_BYTES: usize = 2;

/// How a [`JitterBuffer`] plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterConfig {
    /// The RTP clock, Hz.
    pub clock_rate: u32,
    /// The time between two calls of [`JitterBuffer::pop`].
    pub frame: Duration,
    /// The least delay aimed at.
    pub min: Duration,
    /// The greatest delay aimed at.
    pub max: Duration,
    /// A packet can repair the loss of the one before it (Opus in-band FEC). While packets are lost,
    /// it is waited for.
    pub repairs: bool,
}

/// What one tick plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A packet. One longer than a frame is given again at the ticks that follow, until it has
    /// been played for its length; `offset` tells where it stands.
    Packet {
        /// The payload.
        payload: &'a [u8],
        /// Its RTP timestamp.
        timestamp: u32,
        /// Its length in samples of the RTP clock.
        samples: u32,
        /// Samples of it that earlier ticks have played; decode it when this is 0.
        offset: u32,
        /// When it came: the time of its [`JitterBuffer::push`].
        arrived: Time,
        /// It follows the packet that was played last, and came so late that frames were made up in
        /// between: nothing was lost.
        late: bool,
    },
    /// A frame is to be made up.
    Lost {
        /// The payload of the packet after it, when it is already here (for Opus in-band FEC).
        next: Option<&'a [u8]>,
    },
    /// Nothing is being sent: DTX, muted, or not begun.
    Silence,
}

/// Counters and state of a [`JitterBuffer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets taken in.
    pub received: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that had not come when it was their turn.
    pub lost: u64,
    /// Packets that had come before.
    pub duplicates: u64,
    /// Frames given as [`Frame::Lost`].
    pub concealed: u64,
    /// Packets left out to shorten the delay, or that no place could hold.
    pub dropped: u64,
    /// The delay aimed at.
    pub target: Duration,
    /// What waits to be played.
    pub depth: Duration,
}

/// The packet that is being played.
#[derive(Clone, Copy, Debug)]
struct Playing {
    slot: Slot,
    offset: i64,
    late: bool,
}

/// Reorders packets and plays them with a delay that follows the network (no RFC; the method is
/// that of the usual adaptive playout by a histogram of delays). Nothing is allocated after
/// [`JitterBuffer::new`] but the place for long payloads, with the first of them.
///
/// The delay is chosen anew at the beginning of each talkspurt. Within one it grows when the
/// buffer runs empty. Who can say the same in less time takes [a frame more](JitterBuffer::has_spare)
/// then; where nobody does, it shrinks by one packet in ten ticks, and only when it is two frames too
/// long.
pub struct JitterBuffer {
    config: JitterConfig,
    frame: i64,
    max: i64,
    ring: Ring,
    delays: ArrivalDelays,
    /// The newest packet: extended sequence number and timestamp.
    newest: Option<(i64, i64)>,
    /// The number an implausible packet must be followed by to be believed.
    doubted: Option<u16>,
    /// The number to be played next.
    next: i64,
    /// The timestamp to be played next.
    position: i64,
    /// The length of the last packet, samples.
    length: i64,
    speaking: bool,
    playing: Option<Playing>,
    /// Ticks played without a packet since the last one, which may belong to packets lost.
    starved: u32,
    pausing: bool,
    /// Ticks since the delay has become shorter, or longer.
    since_change: u32,
    /// The least that a packet has waited for its turn since that was last asked.
    least: Option<i64>,
    /// The share of packets lost of late.
    losses: f32,
    /// See [`JitterBuffer::begin`].
    begun: Option<Time>,
    stats: JitterStats,
}

impl std::fmt::Debug for JitterBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JitterBuffer").field("config", &self.config).field("stats", &self.stats()).finish()
    }
}

impl JitterBuffer {
    /// An empty buffer; holds 17 KiB from now on, and 80 KiB more from the first payload on that is longer
    /// than 192 bytes.
    pub fn new(config: JitterConfig) -> Self {
        let frame = samples_of(config.frame, config.clock_rate).max(1);
        let max = samples_of(config.max.max(config.min), config.clock_rate);
        Self {
            config,
            frame,
            max,
            ring: Ring::new(),
            delays: ArrivalDelays::new(config.clock_rate, max.saturating_add(frame.saturating_mul(10))),
            newest: None,
            doubted: None,
            next: 0,
            position: 0,
            length: frame,
            speaking: false,
            playing: None,
            starved: 0,
            pausing: false,
            since_change: DROP_EVERY,
            least: None,
            losses: 0.0,
            begun: None,
            stats: JitterStats::default(),
        }
    }

    /// Somebody listens from now on. What came before is a lead, of which no more is played than the
    /// delay needs.
    pub fn begin(&mut self, now: Time) {
        self.begun = Some(now);
    }

    /// Another source: what waits is not played. Counters stay, and what is known of the network.
    pub fn reset(&mut self) {
        self.ring.clear();
        self.begun = None;
        self.delays.forget_source();
        self.newest = None;
        self.doubted = None;
        self.speaking = false;
        self.playing = None;
        self.starved = 0;
        self.pausing = false;
    }

    /// Takes a packet of `samples` samples of the RTP clock. Payloads of more than 1,280 bytes are
    /// dropped.
    pub fn push(&mut self, sequence: u16, timestamp: u32, marker: bool, samples: u32, payload: &[u8], now: Time) {
        if payload.len() > SLOT_BYTES {
            count(&mut self.stats.dropped);
            return;
        }
        let Some((sequence, timestamp)) = self.extend(sequence, timestamp, marker) else {
            count(&mut self.stats.dropped);
            return;
        };
        if self.ring.has_seen(sequence) {
            count(&mut self.stats.duplicates);
            return;
        }
        let arrival = self.local(now);
        let ideal = self.delays.packet(timestamp, arrival).ideal;
        if sequence < self.next {
            // Before anything is played, the packets that overtook it can wait for it.
            if self.speaking || self.ring.waiting() == 0 || self.next.saturating_sub(sequence) > 8 {
                count(&mut self.stats.late);
                return;
            }
            self.next = sequence;
        }
        self.make_room(sequence);
        count(&mut self.stats.received);
        let samples = i64::from(samples).max(1);
        self.ring.put(Slot { sequence, timestamp, ideal, samples, marker, arrived: now, ..Slot::default() }, payload);
    }

    /// What to play now; to be called once per frame. A packet shorter than a frame plays only for
    /// its length: call again in the same tick for the rest.
    pub fn pop(&mut self, now: Time) -> Frame<'_> {
        self.since_change = self.since_change.saturating_add(1);
        if let Some(frame) = self.rest() {
            return self.packet(frame);
        }
        if let Some(slot) = self.ring.get(self.next) {
            return self.present(slot, now);
        }
        match self.ring.first_from(self.next) {
            Some(slot) if self.speaking => self.missing(slot, now),
            Some(slot) => {
                self.skip_to(slot, false);
                self.present(slot, now)
            }
            None => self.starving(),
        }
    }

    /// Whether the delay is a frame longer than it need be: the next packet could be played in this tick
    /// too, and would still have waited as long as nearly all have needed to be in time. Who can say two
    /// frames in less time, or leave one out unheard, may call [`pop`](JitterBuffer::pop) once more. A
    /// sender without DTX never pauses, and would be heard late for ever after the network was once.
    pub fn has_spare(&self, now: Time) -> bool {
        let is_over = self.playing.is_none_or(|p| p.offset.saturating_add(self.frame) >= p.slot.samples);
        let next = self.ring.get(self.next).filter(|_| self.speaking && is_over);
        next.map(|slot| self.delay_of(slot, now))
            // Nearly always it has come but now.
            .filter(|delay| *delay >= self.min())
            .is_some_and(|delay| delay >= self.needed())
    }

    /// How much longer all packets that were played since this was last asked have waited than nearly all
    /// need to be in time; `None` if there were none. So much earlier may be the ticks.
    pub fn unneeded(&mut self) -> Option<Duration> {
        let least = self.least.take()?;
        Some(self.duration(least.saturating_sub(self.needed())))
    }

    /// The delay has been made shorter by less than a frame: no packet need be left out for a while.
    pub fn note_shortened(&mut self) {
        self.since_change = 0;
    }

    /// Where the packet lies whose turn is next: what is known of it, and its payload. For who wants
    /// to have that at hand.
    pub fn next_place(&self) -> (Option<&dyn Any>, &[u8]) {
        let (slot, bytes) = self.ring.place_of(self.next);
        (slot.map(|slot| slot as _), bytes)
    }

    /// Where the packet will lie that follows the newest.
    pub fn newest_place(&self) -> (Option<&dyn Any>, &[u8]) {
        let after = self.newest.map_or(0, |(sequence, _)| sequence.saturating_add(1));
        let (slot, bytes) = self.ring.place_of(after);
        (slot.map(|slot| slot as _), bytes)
    }

    /// Whether nothing is left to be played.
    pub fn is_empty(&self) -> bool {
        self.ring.waiting() == 0 && self.left() == 0
    }

    /// How much audio waits to be played, pauses not counted.
    pub fn depth_duration(&self) -> Duration {
        self.duration(self.ring.samples().saturating_add(self.left()))
    }

    /// The delay aimed at.
    pub fn target_duration(&self) -> Duration {
        self.duration(self.target())
    }

    /// Counters and state.
    pub fn stats(&self) -> JitterStats {
        JitterStats { target: self.target_duration(), depth: self.depth_duration(), ..self.stats }
    }

    /// The number and timestamp without wraps; `None` for a packet that is not believed yet.
    fn extend(&mut self, sequence: u16, timestamp: u32, marker: bool) -> Option<(i64, i64)> {
        let Some((newest, newest_timestamp)) = self.newest else {
            let first = (i64::from(sequence), i64::from(timestamp));
            self.newest = Some(first);
            self.next = first.0;
            return Some(first);
        };
        let ahead = i64::from(sequence.wrapping_sub(newest as u16) as i16);
        let extended = newest.saturating_add(ahead);
        let plausible = (-PLAUSIBLE_GAP / 10..=PLAUSIBLE_GAP).contains(&ahead);
        if !plausible && !marker && self.doubted != Some(sequence) {
            self.doubted = Some(sequence.wrapping_add(1));
            return None;
        }
        let extended_timestamp =
            newest_timestamp.saturating_add(i64::from(timestamp.wrapping_sub(newest_timestamp as u32) as i32));
        self.doubted = None;
        if !plausible || ahead >= SLOTS as i64 {
            // Another stream, or one after an outage: nothing of before is worth playing.
            self.ring.clear();
            self.speaking = false;
            self.playing = None;
            self.starved = 0;
            self.delays.forget_source();
            self.next = extended;
            self.newest = Some((extended, extended_timestamp));
        } else if ahead > 0 {
            self.newest = Some((extended, extended_timestamp));
        }
        Some((extended, extended_timestamp))
    }

    /// The oldest packets give way to a number that has no place yet.
    fn make_room(&mut self, sequence: i64) {
        let oldest = sequence.saturating_sub(SLOTS as i64 - 2);
        if oldest <= self.next {
            return;
        }
        for old in self.next..oldest.min(self.next.saturating_add(SLOTS as i64)) {
            if self.ring.get(old).is_some() {
                self.ring.take(old);
                count(&mut self.stats.dropped);
            }
        }
        self.playing = None;
        self.next = oldest;
    }

    /// The next part of a packet that is longer than a frame.
    fn rest(&mut self) -> Option<Playing> {
        let mut playing = self.playing?;
        playing.offset = playing.offset.saturating_add(self.frame);
        self.playing = (playing.offset < playing.slot.samples).then_some(playing);
        self.playing
    }

    /// The packet whose turn it is has come.
    fn present(&mut self, slot: Slot, now: Time) -> Frame<'_> {
        let begins = !self.speaking || slot.marker || slot.timestamp.saturating_sub(self.position) > self.frame / 2;
        let delay = self.delay_of(slot, now);
        if begins && delay < self.target() {
            self.speaking = false;
            self.starved = 0;
            return Frame::Silence;
        }
        let slot = self.without_lead(slot, now);
        let slot = self.shortened(slot, self.delay_of(slot, now));
        let waited = self.delay_of(slot, now);
        self.least = Some(self.least.map_or(waited, |least| least.min(waited)));
        let late = self.starved > 0 && slot.sequence == self.next;
        self.ring.take(slot.sequence);
        self.next = slot.sequence.saturating_add(1);
        self.position = slot.timestamp.saturating_add(slot.samples);
        self.length = slot.samples;
        self.speaking = true;
        self.starved = 0;
        self.pausing = slot.length <= PAUSE_BYTES;
        self.losses *= 1.0 - LOSS_WEIGHT;
        let playing = Playing { slot, offset: 0, late };
        self.playing = Some(playing);
        self.packet(playing)
    }

    /// The packet to begin with: the last of those from before anybody listened that has waited long
    /// enough.
    fn without_lead(&mut self, mut slot: Slot, now: Time) -> Slot {
        let Some(begun) = self.begun.take() else { return slot };
        while slot.arrived < begun
            && let Some(after) = self.ring.get(slot.sequence.saturating_add(1))
            && self.delay_of(after, now) >= self.target()
        {
            self.ring.take(slot.sequence);
            slot = after;
        }
        slot
    }

    /// The packet to play instead of this one when the delay is too long.
    fn shortened(&mut self, mut slot: Slot, mut delay: i64) -> Slot {
        let allowed = self.frame.saturating_mul(2);
        let bound = self.max.saturating_add(allowed);
        while let Some(after) = self.ring.get(slot.sequence.saturating_add(1)) {
            let once = delay > self.target().saturating_add(allowed) && self.since_change >= DROP_EVERY;
            if !once && delay <= bound {
                break;
            }
            self.since_change = 0;
            count(&mut self.stats.dropped);
            self.ring.take(slot.sequence);
            delay = delay.saturating_sub(slot.samples);
            slot = after;
        }
        slot
    }

    /// The packet whose turn it is has not come, but a later one has.
    fn missing(&mut self, later: Slot, now: Time) -> Frame<'_> {
        let half = self.frame / 2;
        let packets = later.sequence.saturating_sub(self.next);
        let room = later.timestamp.saturating_sub(self.position);
        let before = self.frame.saturating_mul(i64::from(self.starved));
        // A pause may lie between them too: a packet is not longer than the one before.
        let lost = room.min(packets.saturating_mul(self.length)).saturating_sub(before);
        let starved = std::mem::take(&mut self.starved) > 0;
        if lost <= half && starved && packets > 0 && self.repairs() && self.delay_of(later, now) < self.target() {
            // It was made up a moment ago. That it can be repaired now comes too late, but saying it
            // once more gains the delay with which the next loss is repaired in time.
            self.count_lost(packets);
            self.next = later.sequence;
            self.position = later.timestamp;
            count(&mut self.stats.concealed);
            return Frame::Lost { next: Some(self.ring.payload(later.sequence, later.length)) };
        }
        if lost <= half || lost > self.max {
            self.skip_to(later, lost <= half);
            return self.present(later, now);
        }
        let left = lost.saturating_sub(self.frame);
        let still = if left <= half { 0 } else { left.saturating_add(self.length - 1) / self.length.max(1) };
        let next = later.sequence.saturating_sub(still.min(packets));
        self.count_lost(next.saturating_sub(self.next));
        self.next = next;
        self.position = self.position.saturating_add(before).saturating_add(self.frame);
        count(&mut self.stats.concealed);
        Frame::Lost { next: (still == 0).then(|| self.ring.payload(later.sequence, later.length)) }
    }

    /// Gives up what is missing before this packet, which begins at once if it `continues`.
    fn skip_to(&mut self, slot: Slot, continues: bool) {
        if self.speaking {
            self.count_lost(slot.sequence.saturating_sub(self.next));
        }
        self.next = slot.sequence;
        if continues {
            self.position = slot.timestamp;
        } else {
            self.speaking = false;
        }
    }

    /// Nothing waits.
    fn starving(&mut self) -> Frame<'_> {
        if !self.speaking {
            return Frame::Silence;
        }
        self.since_change = 0;
        self.starved = self.starved.saturating_add(1);
        if self.pausing || self.starved > CONCEALED_TICKS {
            self.speaking = false;
            self.starved = 0;
            return Frame::Silence;
        }
        count(&mut self.stats.concealed);
        Frame::Lost { next: None }
    }

    fn packet(&self, playing: Playing) -> Frame<'_> {
        let Playing { slot, offset, late } = playing;
        Frame::Packet {
            payload: self.ring.payload(slot.sequence, slot.length),
            timestamp: slot.timestamp as u32,
            samples: u32::try_from(slot.samples).unwrap_or(u32::MAX),
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            arrived: slot.arrived,
            late,
        }
    }

    /// What is left of the packet that is being played.
    fn left(&self) -> i64 {
        self.playing.map_or(0, |p| p.slot.samples.saturating_sub(p.offset).saturating_sub(self.frame).max(0))
    }

    fn target(&self) -> i64 {
        let min = self.min();
        let repair = if self.repairs() { self.frame } else { 0 };
        self.delays.percentile(PUNCTUAL).max(min).saturating_add(repair).min(self.max.max(min))
    }

    /// The delay below which it is not made shorter.
    fn needed(&self) -> i64 {
        self.target().max(self.delays.percentile(KEPT))
    }

    fn min(&self) -> i64 {
        samples_of(self.config.min, self.config.clock_rate)
    }

    /// Whether it pays to wait for the packet after a lost one.
    fn repairs(&self) -> bool {
        self.config.repairs && self.losses > LOSSY
    }

    fn delay_of(&self, slot: Slot, now: Time) -> i64 {
        self.local(now).saturating_sub(slot.ideal)
    }

    fn local(&self, now: Time) -> i64 {
        samples_of(Duration::from_nanos(now.nanos), self.config.clock_rate)
    }

    fn duration(&self, samples: i64) -> Duration {
        let samples = u64::try_from(samples).unwrap_or(0);
        let nanos = u128::from(samples) * 1_000_000_000 / u128::from(self.config.clock_rate.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn count_lost(&mut self, packets: i64) {
        self.stats.lost = self.stats.lost.saturating_add(u64::try_from(packets).unwrap_or(0));
        for _ in 0..packets.min(10) {
            self.losses += (1.0 - self.losses) * LOSS_WEIGHT;
        }
    }
}

fn samples_of(duration: Duration, rate: u32) -> i64 {
    i64::try_from(duration.as_nanos().saturating_mul(u128::from(rate)) / 1_000_000_000).unwrap_or(i64::MAX)
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
