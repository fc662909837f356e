//! A SIP leg: its sockets, its codec, what it hears and says.

use crate::room::FRAME;
use std::{
    collections::VecDeque,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};
use trunkline_audio::g711;
use trunkline_call::media::{Codec, LegKey, LegMedia, LegStats, MediaFact};
use trunkline_rtp::{
    DtmfReceiver, HEADER_BYTES, Judgement, Packet, Reception, SourceLock, digit_of, rtcp, write_header,
};
use trunkline_types::{RoomSid, Time};

/// What is kept of the caller's voice before it is played: five frames.
const PLAYOUT: usize = FRAME * 5;
/// Packets read from one leg before the others have their turn.
const BUDGET: usize = 32;
/// Between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub(crate) struct Leg {
    pub(crate) key: LegKey,
    pub(crate) room: RoomSid,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    media: Option<LegMedia>,
    lock: SourceLock,
    reception: Reception,
    dtmf: DtmfReceiver,
    /// The caller's voice, waiting for its turn.
    voice: VecDeque<i16>,
    /// What the room says, waiting for a whole packet.
    out: VecDeque<i16>,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    remote_ssrc: u32,
    started: Option<Started>,
    pub(crate) draining: Option<Time>,
    next_report: Time,
    stats: LegStats,
    /// Digits to be sent: what is left of them.
    keys: VecDeque<Key>,
}

/// From the moment the call is answered.
struct Started {
    initial: Duration,
    steady: Duration,
    /// The last sign of life, or the start.
    alive_at: Time,
    heard: bool,
    silent: bool,
}

/// One packet of a digit, or a pause of 20 ms.
enum Key {
    Event { code: u8, first: bool, end: bool, duration: u16, timestamp: u32 },
    Pause,
}

impl Leg {
    pub(crate) fn new(key: LegKey, room: RoomSid, sockets: (UdpSocket, UdpSocket), now: Time) -> Self {
        // Unpredictable enough for RTP: the call's id is random.
        let seed = key.call.as_str().bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        Self {
            key,
            room,
            rtp: sockets.0,
            rtcp: sockets.1,
            media: None,
            lock: SourceLock::default(),
            reception: Reception::default(),
            dtmf: DtmfReceiver::default(),
            voice: VecDeque::with_capacity(PLAYOUT * 2),
            out: VecDeque::with_capacity(FRAME * 8),
            sequence: (seed >> 8) as u16,
            timestamp: seed.rotate_left(7),
            ssrc: seed,
            remote_ssrc: 0,
            started: None,
            draining: None,
            next_report: now + REPORT_EVERY,
            stats: LegStats::default(),
            keys: VecDeque::new(),
        }
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.rtp.local_addr().ok()
    }

    pub(crate) fn negotiated(&mut self, media: LegMedia) {
        self.lock = SourceLock::new(media.remote);
        self.media = Some(media);
    }

    pub(crate) fn start(&mut self, initial: Duration, steady: Duration, now: Time) {
        let heard = self.stats.packets_in > 0;
        self.started = Some(Started { initial, steady, alive_at: now, heard, silent: false });
    }

    pub(crate) fn is_started(&self) -> bool {
        self.started.is_some()
    }

    /// Reads what the sockets hold.
    pub(crate) fn receive(&mut self, now: Time, buffer: &mut [u8], facts: &mut Vec<MediaFact>) {
        for _ in 0..BUDGET {
            match self.rtp.recv_from(buffer) {
                Ok((length, source)) => self.packet(&buffer[..length], source, now, facts),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // A far end that is not there yet answers by ICMP.
                Err(_) => {}
            }
        }
        while let Ok((length, source)) = self.rtcp.recv_from(buffer) {
            self.report_received(&buffer[..length], source, now);
        }
        self.check_silence(now, facts);
    }

    fn report_received(&mut self, bytes: &[u8], source: SocketAddr, now: Time) {
        let known = self.lock.source().is_some_and(|s| s.ip() == source.ip());
        if known
            && rtcp::sender(bytes).is_some()
            && let Some(started) = &mut self.started
        {
            started.alive_at = now;
        }
    }

    fn packet(&mut self, bytes: &[u8], source: SocketAddr, now: Time, facts: &mut Vec<MediaFact>) {
        if rtcp::is_rtcp(bytes) {
            return self.report_received(bytes, source, now);
        }
        let (Some(packet), Some(media)) = (Packet::parse(bytes), &self.media) else { return };
        match self.lock.judge(source, packet.ssrc, now) {
            Judgement::Foreign => {
                self.stats.foreign += 1;
                return;
            }
            Judgement::Locked => facts.push(MediaFact::SourceLocked { leg: self.key.clone(), source }),
            Judgement::Accept => {}
        }
        self.stats.packets_in += 1;
        self.stats.bytes_in += packet.payload.len() as u64;
        self.remote_ssrc = packet.ssrc;
        if let Some(started) = &mut self.started {
            started.alive_at = now;
            started.heard = true;
        }
        if Some(packet.payload_type) == media.telephone_event {
            if let Some(code) = self.dtmf.receive(packet.timestamp, packet.payload) {
                self.stats.digits += 1;
                facts.push(MediaFact::Dtmf { leg: self.key.clone(), code, digit: digit_of(code) });
            }
            return;
        }
        self.reception.packet(packet.sequence, packet.timestamp, (now.nanos / 125_000) as u32);
        if packet.payload_type == media.payload_type && media.flowing.receive {
            let decode = match media.codec {
                Codec::Pcma => g711::decode_alaw,
                Codec::Pcmu | Codec::G722 => g711::decode_ulaw,
            };
            // A far end faster than its clock is cut back to the freshest audio.
            while self.voice.len() > PLAYOUT {
                self.voice.pop_front();
            }
            self.voice.extend(packet.payload.iter().take(FRAME * 3).map(|b| decode(*b)));
        }
    }

    fn check_silence(&mut self, now: Time, facts: &mut Vec<MediaFact>) {
        let expects = self.media.as_ref().is_none_or(|m| m.flowing.receive);
        let Some(started) = &mut self.started else { return };
        if !expects {
            // On hold the clock stands still.
            started.alive_at = now;
            return;
        }
        let limit = if started.heard { started.steady } else { started.initial };
        if !started.silent && !limit.is_zero() && now.since(started.alive_at) >= limit {
            started.silent = true;
            facts.push(MediaFact::Silent { leg: self.key.clone() });
        }
    }

    /// The next 20 ms of the caller's voice; silence where there is none.
    pub(crate) fn hear(&mut self, frame: &mut [i16; FRAME]) {
        for slot in frame.iter_mut() {
            *slot = self.voice.pop_front().unwrap_or(0);
        }
    }

    /// Takes 20 ms of the room and sends a packet when one is full.
    pub(crate) fn say(&mut self, frame: &[i16; FRAME], now: Time, buffer: &mut [u8]) {
        if self.started.is_none() {
            return;
        }
        let Some(media) = self.media.as_ref().filter(|m| m.flowing.send) else { return };
        let samples = usize::try_from(media.ptime.as_millis()).unwrap_or(20) * 8;
        let encode = match media.codec {
            Codec::Pcma => g711::encode_alaw,
            Codec::Pcmu | Codec::G722 => g711::encode_ulaw,
        };
        let payload_type = media.payload_type;
        let key = self.keys.pop_front();
        if let Some(Key::Event { .. }) = &key {
            self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        } else {
            self.out.extend(frame);
        }
        if let Some(Key::Event { code, first, end, duration, timestamp }) = key
            && let Some(event_type) = self.media.as_ref().and_then(|m| m.telephone_event)
        {
            let [d0, d1] = duration.to_be_bytes();
            let payload = [code, u8::from(end) << 7 | 10, d0, d1];
            self.send(first, event_type, timestamp, &payload, buffer);
        }
        while self.out.len() >= samples {
            let mut payload = [0; FRAME * 3];
            for slot in &mut payload[..samples] {
                *slot = encode(self.out.pop_front().unwrap_or(0));
            }
            let timestamp = self.timestamp;
            self.send(self.stats.packets_out == 0, payload_type, timestamp, &payload[..samples], buffer);
            self.timestamp = self.timestamp.wrapping_add(samples as u32);
        }
        self.report(now);
    }

    fn send(&mut self, marker: bool, payload_type: u8, timestamp: u32, payload: &[u8], buffer: &mut [u8]) {
        let Some(remote) = self.lock.source().or(self.media.as_ref().and_then(|m| m.remote)) else { return };
        let header = write_header(marker, payload_type, self.sequence, timestamp, self.ssrc);
        let length = HEADER_BYTES + payload.len();
        buffer[..HEADER_BYTES].copy_from_slice(&header);
        buffer[HEADER_BYTES..length].copy_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.stats.packets_out += 1;
        self.stats.bytes_out += payload.len() as u64;
        // What the network refuses is lost, as any datagram may be.
        let _ = self.rtp.send_to(&buffer[..length], remote);
    }

    fn report(&mut self, now: Time) {
        if now < self.next_report {
            return;
        }
        self.next_report = now + REPORT_EVERY;
        let Some(remote) = self.media.as_ref().and_then(|m| m.remote_rtcp) else { return };
        let report = rtcp::Report {
            ssrc: self.ssrc,
            timestamp: self.timestamp,
            packets: self.stats.packets_out as u32,
            bytes: self.stats.bytes_out as u32,
            source: self.remote_ssrc,
            lost: u32::try_from(self.reception.lost()).unwrap_or(u32::MAX),
            highest: self.reception.highest(),
            jitter: self.reception.jitter() as u32,
        };
        let _ = self.rtcp.send_to(&rtcp::write(&report, now), remote);
    }

    /// Queues digits as events of 250 ms with pauses of 250 ms; `w` is a pause of 500 ms.
    pub(crate) fn press(&mut self, digits: &str) {
        for digit in digits.chars().take(64) {
            let code = "0123456789*#ABCD".find(digit.to_ascii_uppercase());
            match code.and_then(|c| u8::try_from(c).ok()) {
                Some(code) => {
                    let timestamp = self.timestamp.wrapping_add((self.keys.len() * FRAME) as u32);
                    for n in 1..=13u16 {
                        let duration = n * 160;
                        self.keys.push_back(Key::Event { code, first: n == 1, end: n == 13, duration, timestamp });
                    }
                    for _ in 0..2 {
                        self.keys.push_back(Key::Event { code, first: false, end: true, duration: 2080, timestamp });
                    }
                    self.keys.extend((0..12).map(|_| Key::Pause));
                }
                None => self.keys.extend((0..25).map(|_| Key::Pause)),
            }
        }
    }

    /// Its final counters.
    pub(crate) fn close(mut self) -> MediaFact {
        self.stats.lost = self.reception.lost();
        self.stats.jitter_us = (self.reception.jitter() * 125.0) as u64;
        MediaFact::Closed { leg: self.key, stats: self.stats }
    }
}
