//! What a lossy network does to a call's audio, both ways, in virtual time: no datagram is sent.

use super::*;
use crate::{
    downlink::{Downlink, Jitter},
    frame::Frame,
    out_stream::OutStream,
    stages::Stages,
    uplink::Uplink,
    voice::Quality,
};
use trunkline_audio::{
    opus::{Decoder, Encoder, EncoderConfig},
    tone::Sine,
};
use trunkline_call::media::{Codec, Flowing};
use trunkline_rtp::{HEADER_BYTES, write_header};
use trunkline_types::{LegId, Random};

/// What is said, both ways.
const TONE: f64 = 600.0;
const AMPLITUDE: i16 = 8_000;
/// Half of it counts as heard.
const HEARD: f64 = 4_000.0;
const TICK: Duration = Duration::from_millis(20);
/// Frames of 20 ms in a second.
const SECOND: u64 = 50;
/// Audio is back so many frames after the network: 300 ms.
const BACK: u64 = 15;
const MINUTE: u64 = 60 * SECOND;
const OUTAGE: u64 = 10 * SECOND;
/// The defaults of the configuration.
const INITIAL: Duration = Duration::from_secs(30);
const STEADY: Duration = Duration::from_secs(15);
/// Of a hundred packets.
const LOSS: u64 = 30;
const SUITE: Suite = Suite::AesCm128HmacSha1_80;

fn at(tick: u64) -> Time {
    Time::new(tick * TICK.as_nanos() as u64, 0)
}

/// How strong a tone is, as the amplitude of its sine.
fn strength(pcm: &[i16], rate: u32) -> f64 {
    let step = std::f64::consts::TAU * TONE / f64::from(rate);
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, sample) in pcm.iter().enumerate() {
        let (sine, cosine) = (step * n as f64).sin_cos();
        real += f64::from(*sample) * cosine;
        imaginary += f64::from(*sample) * sine;
    }
    2.0 * f64::hypot(real, imaginary) / pcm.len().max(1) as f64
}

/// The network: chance, and a cut from one tick to another.
struct Network {
    random: Random,
    loss: u64,
    cut: std::ops::Range<u64>,
}

impl Network {
    /// A minute of loss by chance, and then nothing for a while.
    fn bad(seed: u64, cut: u64) -> Self {
        Self { random: Random::from_number(seed), loss: LOSS, cut: MINUTE..MINUTE + cut }
    }

    fn delivers(&mut self, tick: u64) -> bool {
        let lost = tick < self.cut.start && self.random.below(100) < self.loss;
        !lost && !self.cut.contains(&tick)
    }
}

/// A telephone, its leg, and what a participant and another telephone of the room hear of it.
struct Call {
    leg: Leg,
    encoder: LegCodec,
    codec: Codec,
    tone: Sine,
    session: Option<Session>,
    first: u16,
    source: SocketAddr,
    uplink: Uplink,
    decoder: Decoder,
    facts: Vec<MediaFact>,
    stages: Stages,
    /// Frames for WebRTC: the tick in which they were made, their timestamp and their sound.
    frames: Vec<(u64, u32, Vec<i16>)>,
    /// What the mix takes, tick by tick.
    mixed: Vec<Vec<i16>>,
}

impl Call {
    /// The numbers begin so that they wrap in the middle of the outage.
    fn new(codec: Codec, encrypted: bool) -> Self {
        let socket = || StdUdpSocket::bind("127.0.0.1:0").unwrap();
        let key = LegKey { call: "SCL_outage".into(), leg: LegId(1) };
        let mut leg = Leg::new(key, (socket(), socket()), at(0));
        let source = "192.0.2.1:4000".parse().unwrap();
        let master = vec![7; SUITE.key_bytes() + SUITE.salt_bytes()];
        let crypto = Crypto {
            tag: 1,
            suite: SUITE.name(),
            local: master.clone(),
            remote: master.clone(),
            remote_mki: Vec::new(),
        };
        leg.negotiated(LegMedia {
            remote: Some(source),
            remote_rtcp: None,
            codec,
            payload_type: 0,
            telephone_event: Some(101),
            telephone_event_clock: 8_000,
            crypto: encrypted.then_some(crypto),
            ptime: TICK,
            flowing: Flowing { send: true, receive: true },
        });
        leg.start(INITIAL, STEADY, at(0));
        // Another telephone hears it too.
        leg.mix(true);
        let rate = leg.rate();
        Self {
            encoder: LegCodec::new(codec),
            codec,
            tone: Sine::new(TONE, AMPLITUDE, rate),
            session: encrypted.then(|| Session::new(SUITE, &master).unwrap()),
            first: 0_u16.wrapping_sub((MINUTE + OUTAGE / 2) as u16),
            source,
            uplink: Uplink::new(trunkline_types::VoiceCodec::Opus, rate, Quality::default()).unwrap(),
            decoder: Decoder::new(rate).unwrap(),
            facts: Vec::new(),
            stages: Stages::new(Time::default),
            frames: Vec::new(),
            mixed: Vec::new(),
            leg,
        }
    }

    /// The packet the telephone sends in this tick.
    fn packet(&mut self, tick: u64) -> Vec<u8> {
        let mut pcm = vec![0; self.leg.rate() as usize / 50];
        self.tone.fill(&mut pcm);
        let mut buffer = vec![0; 1_500];
        let timestamp = (tick as u32).wrapping_mul(self.encoder.ticks(pcm.len()));
        let header = write_header(tick == 0, 0, self.first.wrapping_add(tick as u16), timestamp, 77);
        buffer[..HEADER_BYTES].copy_from_slice(&header);
        let mut length = HEADER_BYTES + self.encoder.encode(&pcm, &mut buffer[HEADER_BYTES..]);
        if let Some(session) = &mut self.session {
            length = session.protect_rtp(&mut buffer, length).unwrap();
        }
        buffer.truncate(length);
        buffer
    }

    fn tick(&mut self, tick: u64, delivered: bool) {
        let mut packet = self.packet(tick);
        if delivered {
            self.leg.packet(&mut packet, self.source, at(tick), &mut self.facts, &mut self.stages);
        }
        // As it is taken out after each read.
        let passed = std::mem::replace(&mut self.leg.passed, Frames::with_room(1, 0));
        for frame in passed.iter() {
            self.passed_on(tick, frame);
        }
        if !self.leg.fresh.is_empty() {
            if self.leg.gap > 0 {
                self.uplink.skip(self.leg.gap);
            }
            let mut encoded = Frames::default();
            self.uplink.push(&self.leg.fresh, &mut encoded);
            for frame in encoded.iter() {
                let mut pcm = vec![0; FRAME * 6];
                let samples = self.decoder.decode(frame.payload, &mut pcm).unwrap();
                pcm.truncate(samples);
                self.frames.push((tick, frame.timestamp, pcm));
            }
            self.leg.gap = 0;
            self.leg.fresh.clear();
        }
        self.leg.check_silence(at(tick), &mut self.facts);
        let mut frame = vec![0; self.leg.rate() as usize / 50];
        self.leg.hear(&mut frame);
        self.mixed.push(frame);
    }

    /// A listener's decoder fills short gaps between packets that came as the telephone sent them.
    fn passed_on(&mut self, tick: u64, frame: Frame<'_>) {
        let before = self.frames.last().map_or(frame.timestamp, |(_, timestamp, _)| timestamp.wrapping_add(960));
        let missing = frame.timestamp.wrapping_sub(before) / 960;
        let mut sound = Vec::new();
        for lost in (0..if missing <= 5 { missing } else { 0 }).map(|_| true).chain([false]) {
            let mut pcm = vec![0; self.leg.rate() as usize / 50];
            let samples = if lost {
                self.decoder.conceal(&mut pcm).unwrap()
            } else {
                self.decoder.decode(frame.payload, &mut pcm).unwrap()
            };
            sound.extend_from_slice(&pcm[..samples]);
        }
        self.frames.push((tick, frame.timestamp, sound));
    }

    fn ended(&self) -> bool {
        self.facts.iter().any(|fact| matches!(fact, MediaFact::Silent { .. }))
    }

    /// The sound of the frames made in these ticks.
    fn forwarded(&self, ticks: std::ops::Range<u64>) -> Vec<i16> {
        self.frames.iter().filter(|(tick, ..)| ticks.contains(tick)).flat_map(|(.., pcm)| pcm).copied().collect()
    }

    /// What another telephone hears in these ticks.
    fn played(&self, ticks: std::ops::Range<u64>) -> Vec<i16> {
        ticks.flat_map(|tick| &self.mixed[tick as usize]).copied().collect()
    }
}

/// The share of windows of 100 ms in which the tone is heard.
fn share(pcm: &[i16], rate: u32) -> f64 {
    let windows: Vec<_> = pcm.chunks_exact(rate as usize / 10).map(|window| strength(window, rate) > HEARD).collect();
    windows.iter().filter(|heard| **heard).count() as f64 / windows.len().max(1) as f64
}

fn a_caller_comes_through(codec: Codec, encrypted: bool, seed: u64) {
    let mut call = Call::new(codec, encrypted);
    let mut network = Network::bad(seed, OUTAGE);
    let (back, end) = (MINUTE + OUTAGE, MINUTE + OUTAGE + 2 * SECOND);
    let mut delivered = 0;
    for tick in 0..end {
        let delivers = network.delivers(tick);
        delivered += u64::from(delivers && tick < MINUTE);
        call.tick(tick, delivers);
    }
    let (rate, what) = (call.leg.rate(), format!("{:?}, encrypted {encrypted}, seed {seed}", call.codec));
    assert!(!call.ended(), "{what}: the call was ended");
    // What makes up for the loss of packets that are passed on is the participant's own decoder.
    let passed = call.frames.iter().filter(|(tick, ..)| *tick < MINUTE).count() as u64;
    assert!(codec != Codec::Opus || passed == delivered, "{what}: of {delivered} packets {passed} were passed on");
    let decoded = (codec != Codec::Opus).then(|| ("a participant", call.forwarded(0..MINUTE)));
    for (who, lossy) in decoded.into_iter().chain([("a telephone", call.played(0..MINUTE))]) {
        // What six lost packets in a row leave is a gap.
        let minute = lossy.len() as f64 / (MINUTE as f64 * f64::from(rate / 50));
        assert!(minute > 0.97, "{what}: of the minute with loss {who} got {minute:.2}");
        assert!(share(&lossy, rate) > 0.8, "{what}: {who} heard {:.2}", share(&lossy, rate));
    }
    assert!(call.forwarded(MINUTE..back).is_empty(), "{what}: something was heard out of nothing");
    for (who, first, rest) in [
        ("a participant", call.forwarded(back..back + BACK), call.forwarded(back + BACK..end)),
        ("a telephone", call.played(back..back + BACK), call.played(back + BACK..end)),
    ] {
        let tenth = rate as usize / 10;
        assert!(first.len() >= tenth, "{what}: {who} hears nothing after the outage");
        assert!(strength(&first[first.len() - tenth..], rate) > HEARD, "{what}: {who} hears no tone");
        assert!(share(&rest, rate) > 0.99, "{what}: {who} does not hear it well");
    }
    // The timestamps have gone on with the time, so that the listener's own buffer waits for nothing.
    let (from, began, _) = call.frames[0];
    let (to, last, _) = call.frames[call.frames.len() - 1];
    let told = u64::from(last.wrapping_sub(began)) / 960;
    assert!(told.abs_diff(to - from) <= 5, "{what}: {told} frames by the timestamps, {} by the clock", to - from);
}

#[test]
fn a_caller_is_heard_through_a_minute_of_loss_and_again_after_ten_seconds_of_nothing() {
    for seed in 0..4 {
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus] {
            a_caller_comes_through(codec, seed % 2 == 1, seed);
        }
    }
}

#[test]
fn a_caller_behind_a_new_port_is_heard_again_as_soon() {
    let mut call = Call::new(Codec::Pcmu, false);
    let back = 5 * SECOND + OUTAGE;
    for tick in 0..back + BACK {
        if tick == back {
            call.source.set_port(4_002);
        }
        call.tick(tick, !(5 * SECOND..back).contains(&tick));
    }
    let heard = call.forwarded(back..back + BACK);
    assert!(heard.len() >= 800 && strength(&heard[heard.len() - 800..], 8_000) > HEARD);
    assert!(!call.ended());
}

#[test]
fn a_telephone_that_is_no_longer_mixed_is_passed_on_whole_when_its_numbers_wrap() {
    let mut call = Call::new(Codec::Opus, false);
    let first = call.packet(0);
    let mut passed = 0;
    for n in 0..66_000_u64 {
        // Another telephone has left after a moment.
        call.leg.mix(n < 10);
        let mut packet = first.clone();
        packet[2..4].copy_from_slice(&(n as u16).to_be_bytes());
        call.leg.packet(&mut packet, call.source, at(n), &mut call.facts, &mut call.stages);
        passed += call.leg.passed.iter().count() as u64;
        call.leg.passed.clear();
    }
    assert_eq!(passed, 66_000);
}

#[test]
fn a_telephone_that_begins_anew_with_lower_numbers_is_passed_on_whole() {
    let mut call = Call::new(Codec::Opus, false);
    let first = call.packet(0);
    let mut out = OutStream::default();
    let mut last = 0;
    for (ssrc, begin) in [(1_u32, 40_000_u16), (2, 30_000), (1, 29_990), (3, 65_000)] {
        for n in 0..1_000_u16 {
            let mut packet = first.clone();
            packet[2..4].copy_from_slice(&begin.wrapping_add(n).to_be_bytes());
            packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
            call.leg.packet(&mut packet, call.source, at(n.into()), &mut call.facts, &mut call.stages);
            let passed = call.leg.passed.iter().next().unwrap();
            let (number, _) = out.number(1, passed.sequence, passed.timestamp, 960).unwrap();
            call.leg.passed.clear();
            assert!(last == 0 || number == last + 1, "{number} after {last}");
            last = number;
        }
    }
}

#[test]
fn silence_beyond_the_limit_is_told_once() {
    let mut call = Call::new(Codec::Pcmu, false);
    for tick in 0..60 * SECOND {
        call.tick(tick, tick < SECOND);
    }
    assert_eq!(call.facts.iter().filter(|fact| matches!(fact, MediaFact::Silent { .. })).count(), 1);
}

#[test]
fn reports_of_the_far_end_keep_a_silent_call_and_forged_ones_do_not() {
    for (source, lives) in [("192.0.2.1:4000", true), ("192.0.2.1:4999", false), ("192.0.2.9:4000", false)] {
        let mut call = Call::new(Codec::Pcmu, false);
        let source: SocketAddr = source.parse().unwrap();
        for tick in 0..60 * SECOND {
            // An empty receiver report (RFC 3550 §6.4.2) of the stream's own SSRC.
            let mut report = [0x80, 201, 0, 1, 0, 0, 0, 0];
            report[4..].copy_from_slice(&call.leg.remote_ssrc.to_be_bytes());
            call.leg.report_received(&mut report, source, false, at(tick));
            call.leg.report_received(&mut report, source, true, at(tick));
            call.tick(tick, tick < SECOND);
        }
        assert_eq!(call.ended(), !lives, "{source}");
    }
}

/// The packets of a participant who says the tone.
struct Participant {
    encoder: Encoder,
    tone: Sine,
}

impl Participant {
    fn new(fec: bool) -> Self {
        let loss_percent = if fec { LOSS as u8 } else { 0 };
        let config = EncoderConfig { rate: 48_000, fec, loss_percent, ..EncoderConfig::default() };
        Self { encoder: Encoder::new(config).unwrap(), tone: Sine::new(TONE, AMPLITUDE, 48_000) }
    }

    fn packet(&mut self) -> Vec<u8> {
        let (mut pcm, mut payload) = ([0; 960], vec![0; 1_275]);
        self.tone.fill(&mut pcm);
        let length = self.encoder.encode(&pcm, &mut payload).unwrap();
        payload.truncate(length);
        payload
    }
}

/// What a telephone hears of a participant, tick by tick; `None` for silence.
fn downward(mut network: Network, end: u64, fec: bool) -> Vec<Option<Vec<i16>>> {
    let mut participant = Participant::new(fec);
    let mut downlink = Downlink::new(trunkline_types::VoiceCodec::Opus, 8_000, Jitter::default()).unwrap();
    let first = 0_u16.wrapping_sub((MINUTE + OUTAGE / 2) as u16);
    (0..end)
        .map(|tick| {
            let (payload, mut heard) = (participant.packet(), vec![0; 160]);
            if network.delivers(tick) {
                let (sequence, timestamp) = (first.wrapping_add(tick as u16), (tick as u32).wrapping_mul(960));
                downlink.push(sequence, timestamp, tick == 0, &payload, at(tick));
            }
            downlink.next(&mut heard, at(tick)).then_some(heard)
        })
        .collect()
}

/// What a decoder alone makes of the same packets: libopus takes its time to find back into a tone.
fn decoded(mut network: Network, end: u64, fec: bool) -> Vec<i16> {
    let (mut participant, mut decoder) = (Participant::new(fec), Decoder::new(8_000).unwrap());
    (0..end)
        .flat_map(|tick| {
            let (payload, mut heard) = (participant.packet(), vec![0; 160]);
            match network.delivers(tick) {
                true => decoder.decode(&payload, &mut heard).unwrap(),
                false => decoder.conceal(&mut heard).unwrap(),
            };
            heard
        })
        .collect()
}

fn sound(heard: &[Option<Vec<i16>>]) -> Vec<i16> {
    heard.iter().flat_map(|frame| frame.clone().unwrap_or_else(|| vec![0; 160])).collect()
}

#[test]
fn a_participant_is_heard_through_a_minute_of_loss_and_again_after_ten_seconds_of_nothing() {
    for seed in 0..6 {
        let fec = seed % 2 == 1;
        let (minute, back, end) = (MINUTE as usize, (MINUTE + OUTAGE) as usize, MINUTE + OUTAGE + 2 * SECOND);
        let heard = downward(Network::bad(seed, OUTAGE), end, fec);
        let silent = heard[..minute].iter().filter(|frame| frame.is_none()).count();
        assert!(silent < minute / 100, "seed {seed}: {silent} frames of silence");
        let lossy = share(&sound(&heard[..minute]), 8_000);
        let ideal = share(&decoded(Network::bad(seed, OUTAGE), MINUTE, fec), 8_000);
        assert!(lossy > ideal - 0.05, "seed {seed}: {lossy:.2} of the minute with loss is heard, not {ideal:.2}");
        let made_up = heard[minute..back].iter().flatten().count();
        assert!(made_up <= BACK as usize, "seed {seed}: {made_up} frames out of nothing");
        let again = sound(&heard[back..back + BACK as usize]);
        assert!(strength(&again[again.len() - 800..], 8_000) > HEARD, "seed {seed}: it is not heard again");
        let rest = share(&sound(&heard[back + BACK as usize..]), 8_000);
        assert!(rest > 0.99, "seed {seed}: {rest:.2} of what follows is heard");
    }
}

#[test]
fn after_outages_of_any_length_a_participant_is_heard_again_within_the_time() {
    for cut in [5, 10, 25, 50, 62, 63, 64, 65, 66, 100, 250, 1_000, 2_999, 3_000, 3_001, 10_000, 33_000, 65_535, 65_536]
    {
        let network = Network { random: Random::from_number(cut), loss: 0, cut: SECOND..SECOND + cut };
        let back = (SECOND + cut) as usize;
        let heard = downward(network, SECOND + cut + 2 * SECOND, false);
        let again = sound(&heard[back..back + BACK as usize]);
        assert!(strength(&again[again.len() - 800..], 8_000) > HEARD, "{cut} frames: it is not heard again");
        assert!(share(&sound(&heard[back + BACK as usize..]), 8_000) > 0.99, "{cut} frames: it is not heard well");
    }
}
