//! A SIP leg: its sockets, its codec, what it hears and says.

use crate::{
    batch::Inbound,
    leg_codec::{LegCodec, PACKET_SAMPLES},
    room::FRAME,
};
use mio::net::UdpSocket;
use std::{
    collections::VecDeque,
    net::{SocketAddr, UdpSocket as StdUdpSocket},
    time::Duration,
};
use trunkline_audio::{dtmf_detect::Detector, noise::ComfortNoise, plc::Concealer, resample::Resampler};
use trunkline_call::media::{LegKey, LegMedia, LegStats, MediaFact};
use trunkline_rtp::{
    DtmfReceiver, DtmfSender, DtmfTick, HEADER_BYTES, Judgement, Packet, Reception, RoundTrip, SourceLock, digit_of,
    rtcp,
    srtp::{Session, Suite},
    write_header,
};
use trunkline_sdp::Crypto;
use trunkline_types::{RoomSid, Time};

/// What is kept of the caller's voice before it is mixed: five frames of 20 ms at 16 kHz.
const PLAYOUT: usize = FRAME * 5;
/// Packets read from one leg before the others have their turn.
const BUDGET: usize = 4;
/// Between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Packets in a row that are made up when they are lost.
const CONCEAL: u16 = 5;
/// How loud the line is when nobody speaks, in −dBov (RFC 3389 §3).
const COMFORT: u8 = 70;
/// A packet so far behind is late, not the beginning of a new stream.
const LATE: u16 = 100;

/// See the module.
pub(crate) struct Leg {
    pub(crate) key: LegKey,
    pub(crate) room: RoomSid,
    /// The track of its room that is the caller's voice.
    pub(crate) track: Option<usize>,
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    media: Option<LegMedia>,
    codec: LegCodec,
    concealer: Concealer,
    lock: SourceLock,
    reception: Reception,
    dtmf: DtmfReceiver,
    /// Listens for keys in the audio when there is no event type for them.
    detector: Option<Box<Detector>>,
    /// The sequence number and timestamp of the next packet of speech, if nothing is lost.
    expected: Option<(u16, u32)>,
    /// Samples before `fresh` that nobody will deliver: lost, or never sent.
    pub(crate) gap: u32,
    /// The caller's voice as it came since it was last taken, for those who hear it over WebRTC.
    pub(crate) fresh: Vec<i16>,
    /// The caller's voice, waiting for its turn in the mix.
    voice: VecDeque<i16>,
    /// What the room says, waiting for a whole packet.
    out: VecDeque<i16>,
    /// From the leg's rate to the room's and back, if they differ.
    resamplers: Option<Box<(Resampler, Resampler)>>,
    noise: ComfortNoise,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    remote_ssrc: u32,
    started: Option<Started>,
    pub(crate) draining: Option<Time>,
    next_report: Time,
    stats: LegStats,
    round_trip: RoundTrip,
    keys: DtmfSender,
    secured: Option<Box<Secured>>,
}

/// SRTP with the keys of both sides.
struct Secured {
    keys: Crypto,
    outward: Session,
    inward: Session,
}

impl Secured {
    fn new(keys: &Crypto) -> Option<Self> {
        let suite = Suite::by_name(keys.suite)?;
        let outward = Session::new(suite, &keys.local).ok()?;
        let inward = Session::with_mki(suite, &keys.remote, &keys.remote_mki).ok()?;
        Some(Self { keys: keys.clone(), outward, inward })
    }
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

impl Leg {
    pub(crate) fn new(key: LegKey, room: RoomSid, sockets: (StdUdpSocket, StdUdpSocket), now: Time) -> Self {
        // Unpredictable enough for RTP: the call's id is random.
        let seed = key.call.as_str().bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        Self {
            key,
            room,
            track: None,
            rtp: UdpSocket::from_std(sockets.0),
            rtcp: UdpSocket::from_std(sockets.1),
            media: None,
            codec: LegCodec::Ulaw,
            concealer: Concealer::new(8_000),
            lock: SourceLock::default(),
            reception: Reception::default(),
            dtmf: DtmfReceiver::default(),
            detector: None,
            expected: None,
            gap: 0,
            fresh: Vec::with_capacity(PACKET_SAMPLES * 4),
            voice: VecDeque::with_capacity(PLAYOUT + PACKET_SAMPLES * 2),
            out: VecDeque::with_capacity(PACKET_SAMPLES * 2),
            resamplers: None,
            noise: ComfortNoise::new(COMFORT, u64::from(seed)),
            sequence: (seed >> 8) as u16,
            timestamp: seed.rotate_left(7),
            ssrc: seed,
            remote_ssrc: 0,
            started: None,
            draining: None,
            next_report: now + REPORT_EVERY,
            stats: LegStats::default(),
            round_trip: RoundTrip::default(),
            keys: DtmfSender::new(8_000),
            secured: None,
        }
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.rtp.local_addr().ok()
    }

    pub(crate) fn negotiated(&mut self, media: LegMedia) {
        self.lock = SourceLock::new(media.remote);
        if self.media.as_ref().is_none_or(|held| held.codec != media.codec) {
            self.codec = LegCodec::new(media.codec);
            self.concealer = Concealer::new(self.codec.rate());
            self.resamplers = None;
            self.voice.clear();
            self.out.clear();
        }
        if self.media.as_ref().is_none_or(|held| held.telephone_event_clock != media.telephone_event_clock) {
            self.keys = DtmfSender::new(media.telephone_event_clock);
        }
        let listens = media.telephone_event.is_none() && self.codec.rate() == 8_000;
        self.detector = listens.then(|| self.detector.take().unwrap_or_else(|| Box::new(Detector::new())));
        match (&media.crypto, &self.secured) {
            // The same keys go on with the same numbers.
            (Some(keys), Some(held)) if held.keys == *keys => {}
            (Some(keys), _) => self.secured = Secured::new(keys).map(Box::new),
            (None, _) => self.secured = None,
        }
        self.expected = None;
        self.media = Some(media);
    }

    /// Samples per second of its codec.
    pub(crate) fn rate(&self) -> u32 {
        self.codec.rate()
    }

    /// The room mixes at this rate from now on.
    pub(crate) fn room_rate(&mut self, rate: u32) {
        let own = self.rate();
        let both = Resampler::new(own, rate).zip(Resampler::new(rate, own));
        self.resamplers = both.filter(|_| own != rate).map(Box::new);
    }

    pub(crate) fn start(&mut self, initial: Duration, steady: Duration, now: Time) {
        let heard = self.stats.packets_in > 0;
        self.started = Some(Started { initial, steady, alive_at: now, heard, silent: false });
    }

    pub(crate) fn is_started(&self) -> bool {
        self.started.is_some()
    }

    /// Reads what the RTP socket holds; whether there may be more.
    pub(crate) fn receive(&mut self, now: Time, inbound: &mut Inbound, facts: &mut Vec<MediaFact>) -> bool {
        let (read, more) = inbound.read::<BUDGET>(&self.rtp);
        for at in 0..read {
            if let Some((datagram, source)) = inbound.datagram(at) {
                self.packet(datagram, source, now, facts);
            }
        }
        more
    }

    /// Reads what the RTCP socket holds; whether there may be more.
    pub(crate) fn receive_rtcp(&mut self, now: Time, inbound: &mut Inbound) -> bool {
        let (read, more) = inbound.read::<BUDGET>(&self.rtcp);
        for at in 0..read {
            if let Some((datagram, source)) = inbound.datagram(at) {
                self.report_received(datagram, source, now);
            }
        }
        more
    }

    fn report_received(&mut self, bytes: &mut [u8], source: SocketAddr, now: Time) {
        if self.lock.source().is_none_or(|s| s.ip() != source.ip()) {
            return;
        }
        let bytes = match &mut self.secured {
            None => &*bytes,
            Some(secured) => match secured.inward.unprotect_rtcp(bytes) {
                Ok(length) => &bytes[..length],
                Err(_) => return,
            },
        };
        if rtcp::sender(bytes).is_none() {
            return;
        }
        if let Some(started) = &mut self.started {
            started.alive_at = now;
        }
        if let Some(took) = self.round_trip.receive(bytes, self.ssrc, now) {
            self.stats.round_trip_us = u64::try_from(took.as_micros()).ok();
        }
    }

    fn packet(&mut self, bytes: &mut [u8], source: SocketAddr, now: Time, facts: &mut Vec<MediaFact>) {
        if rtcp::is_rtcp(bytes) {
            return self.report_received(bytes, source, now);
        }
        // What cannot be authenticated changes nothing, not even the lock.
        let bytes = match &mut self.secured {
            None => &*bytes,
            Some(secured) => match secured.inward.unprotect_rtp(bytes) {
                Ok(length) => &bytes[..length],
                Err(_) => {
                    self.stats.foreign += 1;
                    return;
                }
            },
        };
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
        if self.remote_ssrc != packet.ssrc {
            self.remote_ssrc = packet.ssrc;
            self.expected = None;
        }
        if let Some(started) = &mut self.started {
            started.alive_at = now;
            started.heard = true;
        }
        if Some(packet.payload_type) == media.telephone_event {
            // Events count as packets of the stream, not as a loss of speech.
            self.expected = self.expected.map(|(_, timestamp)| (packet.sequence.wrapping_add(1), timestamp));
            if let Some(code) = self.dtmf.receive(packet.timestamp, packet.payload) {
                self.stats.digits += 1;
                facts.push(MediaFact::Dtmf { leg: self.key.clone(), code, digit: digit_of(code) });
            }
            return;
        }
        let arrived = now.nanos / 1_000 * u64::from(self.codec.clock()) / 1_000_000;
        self.reception.packet(packet.sequence, packet.timestamp, arrived as u32);
        if packet.payload_type == media.payload_type
            && media.flowing.receive
            && let Some(digit) = self.speech(packet.sequence, packet.timestamp, packet.payload)
        {
            self.stats.digits += 1;
            let code = (0..16).find(|code| digit_of(*code) == Some(digit)).unwrap_or(0);
            facts.push(MediaFact::Dtmf { leg: self.key.clone(), code, digit: Some(digit) });
        }
    }

    /// Decodes speech; what was lost before it is made up. Returns a key that was heard in it.
    fn speech(&mut self, sequence: u16, timestamp: u32, payload: &[u8]) -> Option<char> {
        let expected = self.expected.unwrap_or((sequence, timestamp));
        let missing = sequence.wrapping_sub(expected.0);
        if missing >= u16::MAX - LATE {
            // Its place has been filled already.
            return None;
        }
        let mut pcm = [0; PACKET_SAMPLES];
        let samples = self.codec.decode(payload, &mut pcm);
        if samples == 0 {
            return None;
        }
        let ticks = self.codec.ticks(samples);
        self.expected = Some((sequence.wrapping_add(1), timestamp.wrapping_add(ticks)));
        let mut absent = timestamp.wrapping_sub(expected.1);
        if missing <= CONCEAL {
            let mut made_up = [0; PACKET_SAMPLES];
            for _ in 0..missing {
                self.concealer.conceal(&mut made_up[..samples]);
                self.heard(&made_up[..samples]);
                absent = absent.saturating_sub(ticks);
            }
        }
        // A jump backwards or of more than a minute is a new beginning.
        if absent < 60 * self.codec.clock() {
            self.gap += self.codec.samples(absent);
        }
        self.concealer.received(&mut pcm[..samples]);
        self.heard(&pcm[..samples]);
        self.detector.as_mut()?.push(&pcm[..samples])
    }

    fn heard(&mut self, pcm: &[i16]) {
        if self.fresh.len() + pcm.len() <= self.fresh.capacity() {
            self.fresh.extend_from_slice(pcm);
        }
        // A far end faster than its clock is cut back to the freshest audio.
        while self.voice.len() > PLAYOUT {
            self.voice.pop_front();
        }
        self.voice.extend(pcm);
    }

    /// Whether the far end has gone silent is looked at with every frame of the room.
    pub(crate) fn check_silence(&mut self, now: Time, facts: &mut Vec<MediaFact>) {
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

    /// The next 20 ms of the caller's voice at the room's rate; silence where there is none.
    pub(crate) fn hear(&mut self, frame: &mut [i16]) {
        let Some(resamplers) = &mut self.resamplers else {
            for slot in frame.iter_mut() {
                *slot = self.voice.pop_front().unwrap_or(0);
            }
            return;
        };
        let mut own = [0; FRAME];
        let samples = usize::try_from(self.codec.rate() / 50).unwrap_or(FRAME).min(FRAME);
        for slot in &mut own[..samples] {
            *slot = self.voice.pop_front().unwrap_or(0);
        }
        resamplers.0.process(&own[..samples], frame);
    }

    /// Takes 20 ms of the room and sends a packet when one is full. `spoken` is false when nobody
    /// says anything: then it is comfort noise.
    pub(crate) fn say(&mut self, frame: &[i16], spoken: bool, now: Time, buffer: &mut [u8]) {
        if self.started.is_none() {
            return;
        }
        let Some(media) = self.media.as_ref().filter(|m| m.flowing.send) else { return };
        let samples = self.codec.samples_in(usize::try_from(media.ptime.as_millis()).unwrap_or(20).clamp(10, 60));
        let payload_type = media.payload_type;
        // Without an event type digits cannot be sent this way, and none are queued.
        let key = match media.telephone_event {
            Some(event_type) => (event_type, self.keys.tick(self.timestamp)),
            None => (0, DtmfTick::Idle),
        };
        if let (event_type, DtmfTick::Event(event)) = key {
            self.send(event.marker, event_type, event.timestamp, &event.payload, buffer);
            self.timestamp = self.timestamp.wrapping_add(self.codec.ticks(self.codec.samples_in(20)));
        } else if spoken {
            match &mut self.resamplers {
                None => self.out.extend(frame),
                Some(resamplers) => {
                    let mut own = [0; FRAME];
                    let made = resamplers.1.process(frame, &mut own);
                    self.out.extend(&own[..made.min(FRAME)]);
                }
            }
        } else {
            let mut own = [0; FRAME];
            let length = self.codec.samples_in(20).min(FRAME);
            self.noise.fill(&mut own[..length]);
            self.out.extend(&own[..length]);
        }
        while self.out.len() >= samples {
            let mut pcm = [0; PACKET_SAMPLES];
            for slot in &mut pcm[..samples] {
                *slot = self.out.pop_front().unwrap_or(0);
            }
            let mut payload = [0; PACKET_SAMPLES / 2];
            let bytes = self.codec.encode(&pcm[..samples], &mut payload);
            let timestamp = self.timestamp;
            self.send(self.stats.packets_out == 0, payload_type, timestamp, &payload[..bytes], buffer);
            self.timestamp = self.timestamp.wrapping_add(self.codec.ticks(samples));
        }
        self.report(now, buffer);
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
        let length = match &mut self.secured {
            None => length,
            Some(secured) => match secured.outward.protect_rtp(buffer, length) {
                Ok(length) => length,
                Err(_) => return,
            },
        };
        // What the network refuses is lost, as any datagram may be.
        let _ = self.rtp.send_to(&buffer[..length], remote);
    }

    fn report(&mut self, now: Time, buffer: &mut [u8]) {
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
        let (last_report, delay) = self.round_trip.echo(now);
        let feedback = rtcp::Feedback { fraction_lost: self.reception.fraction_lost(), last_report, delay };
        let written = rtcp::write_with(&report, feedback, now);
        buffer[..written.len()].copy_from_slice(&written);
        let length = match &mut self.secured {
            None => written.len(),
            Some(secured) => match secured.outward.protect_rtcp(buffer, written.len()) {
                Ok(length) => length,
                Err(_) => return,
            },
        };
        let _ = self.rtcp.send_to(&buffer[..length], remote);
    }

    /// Queues digits to be sent as events, one after the other; `w` is a pause.
    pub(crate) fn press(&mut self, digits: &str) {
        if self.media.as_ref().is_some_and(|m| m.telephone_event.is_some()) {
            self.keys.press(digits);
        }
    }

    /// Its final counters.
    pub(crate) fn close(mut self) -> MediaFact {
        self.stats.lost = self.reception.lost();
        self.stats.jitter_us = (self.reception.jitter() * 1_000_000.0 / f64::from(self.codec.clock())) as u64;
        MediaFact::Closed { leg: self.key, stats: self.stats }
    }
}

#[cfg(test)]
mod outage;
