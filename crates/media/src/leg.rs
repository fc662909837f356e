//! A SIP leg: its sockets, its codec, what it hears and says.

use crate::{
    batch,
    frame::{FRAME, Frames},
    leg_codec::LegCodec,
    playout::Playout,
    soon::{soon, soon_at},
    sound::Player,
    stages::{self, Way},
};
use mio::net::UdpSocket;
use std::{
    collections::VecDeque,
    net::{SocketAddr, UdpSocket as StdUdpSocket},
    time::Duration,
};
use trunkline_audio::{
    dtmf_detect::Detector, noise::ComfortNoise, plc::Concealer, resample::Resampler, ringing::Ringing, tone::Dtmf,
};
use trunkline_call::media::{LegKey, LegMedia, LegStats, MediaFact, Sound};
use trunkline_rtp::{
    ControlLock, DtmfReceiver, DtmfSender, Reception, RoundTrip, SourceLock,
    srtp::{Session, Suite},
};
use trunkline_sdp::Crypto;
use trunkline_types::{Histogram, Time, VoiceCodec};

/// Between two reports.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(5);
/// How loud the line is when nobody speaks, in −dBov (RFC 3389 §3).
const COMFORT: u8 = 70;
/// Packets that wait to be passed on.
const PASSED: usize = 8;
/// Bytes of most of them.
const PASSED_BYTES: usize = 160;

/// See the module.
pub(crate) struct Leg {
    pub(crate) key: LegKey,
    /// The place of its room.
    pub(crate) room: usize,
    /// The track of its room that is the caller's voice.
    pub(crate) track: Option<usize>,
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    pub(crate) media: Option<LegMedia>,
    pub(crate) codec: LegCodec,
    /// What its room speaks over WebRTC.
    room_codec: VoiceCodec,
    /// Made with the first packet, like all that a call needs only while it is heard.
    pub(crate) concealer: Option<Box<Concealer>>,
    pub(crate) lock: SourceLock,
    pub(crate) control: ControlLock,
    pub(crate) reception: Reception,
    pub(crate) dtmf: DtmfReceiver,
    /// Listens for keys in the audio when there is no event type for them.
    pub(crate) detector: Option<Box<Detector>>,
    /// The sequence number and timestamp of the next packet of speech, if nothing is lost.
    pub(crate) expected: Option<(u16, u32)>,
    /// Samples before `fresh` that nobody will deliver: lost, or never sent.
    pub(crate) gap: u32,
    /// The caller's voice as it came since it was last taken, for those who hear it over WebRTC.
    pub(crate) fresh: Vec<i16>,
    /// Packets of the caller in the room's codec as they came since it was last taken, for the same.
    pub(crate) passed: Frames,
    /// The highest sequence number passed on, with the rollovers.
    pub(crate) extended: Option<u64>,
    /// A frame of comfort noise in Opus.
    pub(crate) quiet: Box<[u8]>,
    /// The caller's voice, waiting for its turn in a mix: while somebody hears it who does not hear it
    /// over WebRTC.
    playout: Option<Box<Playout>>,
    /// What the room says, waiting for a whole packet.
    pub(crate) out: VecDeque<i16>,
    /// From the leg's rate to the room's and back, if they differ.
    pub(crate) resamplers: Option<Box<(Resampler, Resampler)>>,
    pub(crate) noise: ComfortNoise,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) remote_ssrc: u32,
    pub(crate) started: Option<Started>,
    pub(crate) draining: Option<Time>,
    pub(crate) next_report: Time,
    pub(crate) stats: LegStats,
    /// How long its audio takes, once there is some.
    latency: Option<Box<Latency>>,
    next_latency: Time,
    /// Datagrams that the kernel had dropped of its RTP when it was last asked.
    dropped: u32,
    /// When the oldest of what waits in `out` came.
    pub(crate) waiting_since: Option<Time>,
    /// When the oldest of what has just been sent came.
    pub(crate) sent_since: Option<Time>,
    pub(crate) round_trip: RoundTrip,
    pub(crate) keys: DtmfSender,
    /// It was told to press keys and has not told that it is done.
    pressing: bool,
    /// The tones of the key that is pressed where there is no event type for it.
    pub(crate) key_tone: Option<Dtmf>,
    /// What the far end hears instead of the room.
    playing: Option<Box<Player>>,
    /// What it has heard to the end since that was last told.
    played: Option<Sound>,
    /// What the room hears until it hears the far end.
    ringing: Option<Box<Ringing>>,
    /// The number under which its codec was known before; what is under way still has it.
    pub(crate) former_payload_type: Option<u8>,
    /// The codec before, until the far end speaks the present one.
    pub(crate) former: Option<Box<Former>>,
    pub(crate) secured: Option<Box<Secured>>,
}

/// SRTP with the keys of both sides.
pub(crate) struct Secured {
    keys: Crypto,
    pub(crate) outward: Session,
    pub(crate) inward: Session,
}

impl Secured {
    /// With new keys. A direction whose key stays goes on with its counters: a number that is used
    /// twice under one key gives away what both packets hold (RFC 3711 §9.1).
    fn renewed(keys: &Crypto, held: Option<Box<Self>>) -> Option<Self> {
        let suite = Suite::by_name(keys.suite)?;
        let (mut outward, mut inward) = (None, None);
        if let Some(held) = held.filter(|held| held.keys.suite == keys.suite) {
            outward = (held.keys.local == keys.local).then_some(held.outward);
            let is_same = held.keys.remote == keys.remote && held.keys.remote_mki == keys.remote_mki;
            inward = is_same.then_some(held.inward);
        }
        let outward = outward.or_else(|| Session::new(suite, &keys.local).ok())?;
        let inward = inward.or_else(|| Session::with_mki(suite, &keys.remote, &keys.remote_mki).ok())?;
        Some(Self { keys: keys.clone(), outward, inward })
    }
}

/// Both ways of its audio.
#[derive(Default)]
struct Latency {
    /// See [`LegStats::audio_up`].
    up: Histogram,
    /// See [`LegStats::audio_down`].
    down: Histogram,
}

/// From the moment the call is answered.
pub(crate) struct Started {
    initial: Duration,
    steady: Duration,
    /// The last sign of life, or the start.
    pub(crate) alive_at: Time,
    pub(crate) heard: bool,
    silent: bool,
}

impl Leg {
    /// A leg that has yet to enter its room.
    pub(crate) fn new(key: LegKey, sockets: (StdUdpSocket, StdUdpSocket), now: Time) -> Self {
        // Unpredictable enough for RTP: the call's id is random.
        let seed = key.call.as_str().bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        Self {
            key,
            room: usize::MAX,
            track: None,
            rtp: UdpSocket::from_std(sockets.0),
            rtcp: UdpSocket::from_std(sockets.1),
            media: None,
            codec: LegCodec::Ulaw,
            room_codec: VoiceCodec::Opus,
            concealer: None,
            lock: SourceLock::default(),
            control: ControlLock::default(),
            reception: Reception::default(),
            dtmf: DtmfReceiver::default(),
            detector: None,
            expected: None,
            gap: 0,
            fresh: Vec::new(),
            passed: Frames::default(),
            extended: None,
            quiet: Box::default(),
            playout: None,
            out: VecDeque::new(),
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
            latency: None,
            next_latency: now + stages::REPORT_EVERY,
            dropped: 0,
            waiting_since: None,
            sent_since: None,
            round_trip: RoundTrip::default(),
            keys: DtmfSender::new(8_000),
            pressing: false,
            key_tone: None,
            playing: None,
            played: None,
            ringing: None,
            former_payload_type: None,
            former: None,
            secured: None,
        }
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.rtp.local_addr().ok()
    }

    /// What both sides have agreed on, for the first time or anew. Our SSRC and our numbers go on
    /// (RFC 3264 §8), and so does what has not changed.
    pub(crate) fn negotiated(&mut self, media: LegMedia) {
        self.lock.expect(media.remote);
        self.control = ControlLock::new(media.remote, media.remote_rtcp);
        let held = self.media.take();
        self.former_payload_type = held.as_ref().filter(|held| held.codec == media.codec).map(|held| held.payload_type);
        if held.as_ref().is_none_or(|held| held.codec != media.codec) {
            let before = std::mem::replace(&mut self.codec, LegCodec::new(media.codec));
            let rate = self.codec.rate();
            self.former = held.as_ref().and_then(|held| Former::new(held, before, &media, rate));
            self.resamplers = None;
            self.quiet = Box::default();
            self.out = VecDeque::default();
            self.hear_anew();
            self.reception.clock_changed();
            self.expected = None;
            self.gap = 0;
            self.key_tone = None;
            if let Some(player) = &mut self.playing {
                player.rate(self.codec.rate());
            }
            if let Some(ringing) = &mut self.ringing {
                **ringing = Ringing::new(self.codec.rate());
            }
        } else if held.as_ref().is_some_and(|held| held.ptime != media.ptime) && self.out.capacity() > 0 {
            let room = self.room_to_say(&media);
            self.out.reserve(room.saturating_sub(self.out.len()));
        }
        self.keys.set_clock(media.telephone_event_clock);
        let listens = media.telephone_event.is_none() && self.codec.rate() == 8_000;
        self.detector = listens.then(|| self.detector.take().unwrap_or_else(|| Box::new(Detector::new())));
        match (&media.crypto, self.secured.take()) {
            // The same keys go on with the same numbers.
            (Some(keys), Some(held)) if held.keys == *keys => self.secured = Some(held),
            (Some(keys), held) => self.secured = Secured::renewed(keys, held).map(Box::new),
            (None, _) => {}
        }
        self.media = Some(media);
    }

    /// The next packet makes room for itself.
    fn hear_anew(&mut self) {
        self.concealer = None;
        (self.fresh, self.passed) = Default::default();
        self.playout = self.playout.take().map(|_| Box::new(Playout::new(self.codec.rate())));
    }

    /// Allocates what hearing its codec needs, with the first packet, so that nothing is allocated
    /// later. A call that is never heard costs none of it.
    pub(crate) fn make_room_to_hear(&mut self) {
        let packet = self.codec.samples_in(60);
        let (fresh, passed) = if self.takes_packets() { (0, PASSED) } else { (packet * 2, 0) };
        self.fresh = Vec::with_capacity(fresh);
        self.passed = Frames::with_room(passed, PASSED_BYTES);
        self.concealer = Some(Box::new(Concealer::new(self.codec.rate())));
    }

    /// The same for what is said to it.
    pub(crate) fn make_room_to_say(&mut self) {
        let room = self.media.as_ref().map_or(0, |media| self.room_to_say(media));
        self.out = VecDeque::with_capacity(room);
    }

    /// Samples of a packet and a frame.
    fn room_to_say(&self, media: &LegMedia) -> usize {
        let packet = (media.ptime.as_millis() as usize).clamp(10, 60);
        self.codec.samples_in(packet) + self.codec.samples_in(20)
    }

    /// Whether the room's packets can go to it as they are, and its own to the room.
    pub(crate) fn takes_packets(&self) -> bool {
        self.codec.is(self.room_codec)
    }

    /// What its room has not taken of it, no other one shall hear.
    pub(crate) fn unheard(&mut self) {
        self.fresh.clear();
        self.passed.clear();
        self.gap = 0;
        self.playout = None;
    }

    /// Whether its voice is part of a mix.
    pub(crate) fn is_mixed(&self) -> bool {
        self.playout.is_some()
    }

    /// Its voice is part of a mix from now on, or is not.
    pub(crate) fn mix(&mut self, is_mixed: bool) {
        if is_mixed != self.is_mixed() {
            self.playout = is_mixed.then(|| Box::new(Playout::new(self.codec.rate())));
        }
    }

    /// Some more of its voice, for the mix it is part of.
    pub(crate) fn play_out(&mut self, pcm: &[i16]) {
        if let Some(playout) = &mut self.playout {
            playout.push(pcm);
        }
    }

    /// What the room speaks over WebRTC from now on.
    pub(crate) fn room_codec(&mut self, codec: VoiceCodec) {
        if self.room_codec != codec {
            self.room_codec = codec;
            self.hear_anew();
        }
    }

    /// Samples per second of its codec.
    pub(crate) fn rate(&self) -> u32 {
        self.codec.rate()
    }

    /// It will hear or say something: asks for what does not lie in it.
    pub(crate) fn soon_parts(&self) {
        self.passed.soon();
        soon_at(self.fresh.as_ptr());
        soon_at(self.out.as_slices().0.as_ptr());
        if let Some(secured) = &self.secured {
            soon(&**secured);
        }
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
        let Some(playout) = &mut self.playout else { return };
        let Some(resamplers) = &mut self.resamplers else {
            playout.next(frame);
            return;
        };
        let mut own = [0; FRAME];
        let samples = usize::try_from(self.codec.rate() / 50).unwrap_or(FRAME).min(FRAME);
        playout.next(&mut own[..samples]);
        resamplers.0.process(&own[..samples], frame);
    }

    /// Queues digits to be sent, one after the other; `w` is a pause.
    pub(crate) fn press(&mut self, digits: &str) {
        self.keys.press(digits);
        self.pressing = true;
    }

    /// The far end hears this instead of the room from now on.
    pub(crate) fn play(&mut self, sound: Option<Sound>) {
        self.playing = sound.map(|sound| Box::new(Player::new(sound, self.codec.rate())));
    }

    /// The next 20 ms of what is played; `false` if that is nothing. It goes on while nothing can be
    /// sent, so that it comes to its end in any case.
    pub(crate) fn play_on(&mut self, frame: &mut [i16]) -> bool {
        let Some(player) = &mut self.playing else { return false };
        if player.next(frame) {
            return true;
        }
        self.played = Some(player.sound);
        self.playing = None;
        false
    }

    /// The room hears a ringing tone until it hears the far end, unless it hears it already.
    pub(crate) fn ring_to_room(&mut self, on: bool, now: Time) {
        if !on {
            self.ringing = None;
        } else if self.ringing.is_none() && !self.lock.is_flowing(now) {
            self.ringing = Some(Box::new(Ringing::new(self.codec.rate())));
        }
    }

    /// The far end is heard: nothing rings any more.
    pub(crate) fn stop_ringing(&mut self) {
        self.ringing = None;
    }

    /// 20 ms of the ringing tone, for the mix and for those who hear it over WebRTC; how many
    /// samples of the frame it is.
    pub(crate) fn ring(&mut self, frame: &mut [i16; FRAME]) -> Option<usize> {
        let length = self.codec.samples_in(20).min(FRAME);
        self.ringing.as_mut()?.fill(&mut frame[..length]);
        self.play_out(&frame[..length]);
        Some(length)
    }

    /// Tells what is over.
    pub(crate) fn report_done(&mut self, facts: &mut Vec<MediaFact>) {
        if let Some(sound) = self.played.take() {
            facts.push(MediaFact::Played { leg: self.key.clone(), sound });
        }
        if self.pressing && self.keys.is_idle() {
            self.pressing = false;
            facts.push(MediaFact::DtmfSent { leg: self.key.clone() });
        }
    }

    /// Some of its audio has gone on.
    pub(crate) fn took(&mut self, way: Way, spent: Duration) {
        let latency = self.latency.get_or_insert_default();
        match way {
            Way::Up => latency.up.record(spent),
            Way::Down => latency.down.record(spent),
        }
    }

    /// Tells now and then how long its audio takes; whether it was time to.
    pub(crate) fn report_latency(&mut self, now: Time, facts: &mut Vec<MediaFact>) -> bool {
        if now < self.next_latency {
            return false;
        }
        self.next_latency = now + stages::REPORT_EVERY;
        if let Some(latency) = &self.latency {
            let (up, down) = (latency.up.summary(), latency.down.summary());
            facts.push(MediaFact::Latency { leg: self.key.clone(), up, down });
        }
        true
    }

    /// Datagrams of its RTP that the kernel has dropped since this was last asked, for they were not
    /// read in time.
    pub(crate) fn newly_dropped(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.dropped, batch::dropped(&self.rtp));
        u64::from(self.dropped.wrapping_sub(before))
    }

    /// Its final counters.
    pub(crate) fn close(mut self) -> MediaFact {
        self.stats.lost = self.reception.lost();
        self.stats.jitter_us = (self.reception.jitter() * 1_000_000.0 / f64::from(self.codec.clock())) as u64;
        if let Some(latency) = &self.latency {
            self.stats.audio_up = latency.up.summary();
            self.stats.audio_down = latency.down.summary();
        }
        MediaFact::Closed { leg: self.key, stats: self.stats }
    }
}

mod former;

use former::Former;

#[cfg(test)]
mod outage;
