//! Media threads as they run in the server, and telephones with sockets of their own.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};
use trunkline_audio::{
    g711, g722,
    opus::{Decoder, Encoder, EncoderConfig},
    tone::Sine,
};
use trunkline_call::media::{Codec, Flowing, LegKey, LegMedia, MediaFact, MediaPlan};
use trunkline_media::{Config, Jitter, Media, Quality};
use trunkline_rtp::{HEADER_BYTES, Packet, write_header};
use trunkline_types::{LegId, RoomSid, Time};

/// How long something may take at most.
const PATIENCE: Duration = Duration::from_secs(20);
const FRAME: Duration = Duration::from_millis(20);
pub const EVENT: u8 = 101;
pub const BOTH: Flowing = Flowing { send: true, receive: true };

pub fn leg(name: &str) -> LegKey {
    LegKey { call: name.into(), leg: LegId(1) }
}

#[expect(clippy::disallowed_methods, reason = "real sockets need a real clock")]
fn now() -> Instant {
    Instant::now()
}

/// The threads, and what they tell.
pub struct Stage {
    pub media: Media,
    facts: Receiver<MediaFact>,
    kept: Vec<MediaFact>,
}

impl Stage {
    pub fn new(threads: usize) -> Self {
        let base = now();
        let (sender, facts) = channel();
        let config = Config {
            threads,
            ports: 0..=0,
            rtc: "127.0.0.1:0".parse().unwrap(),
            rtc_advertise: Vec::new(),
            rtc_tcp: None,
            rtc_force_tcp: false,
            quality: Quality::default(),
            jitter: Jitter::default(),
            clock: Arc::new(move || Time::new(now().duration_since(base).as_nanos() as u64, 0)),
        };
        let sink = Arc::new(move |facts: Vec<_>| {
            for fact in facts {
                // Who has gone wants to know nothing.
                let _ = sender.send(fact);
            }
        });
        Self { media: Media::start(config, sink).unwrap(), facts, kept: Vec::new() }
    }

    /// Waits for a fact; those that are not it are kept.
    pub fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(&MediaFact) -> Option<T>) -> T {
        let until = now() + PATIENCE;
        if let Some((at, found)) = self.kept.iter().enumerate().find_map(|(at, fact)| Some((at, wanted(fact)?))) {
            self.kept.remove(at);
            return found;
        }
        loop {
            let left = until.saturating_duration_since(now());
            let fact = self.facts.recv_timeout(left).unwrap_or_else(|_| panic!("no {what} in time: {:?}", self.kept));
            if let Some(found) = wanted(&fact) {
                return found;
            }
            self.kept.push(fact);
        }
    }

    /// Whether such a fact has been told so far.
    pub fn has_told(&mut self, wanted: impl Fn(&MediaFact) -> bool) -> bool {
        self.kept.extend(self.facts.try_iter());
        self.kept.iter().any(wanted)
    }

    pub fn open(&mut self, name: &str, room: &str, codec: Codec, tone: f64) -> Phone {
        let local = "127.0.0.1".parse().unwrap();
        self.media.submit(MediaPlan::Open { leg: leg(name), room: room.into(), local });
        let server = self.wait("Opened", |fact| match fact {
            MediaFact::Opened { leg: opened, rtp } if *opened == leg(name) => Some(*rtp),
            _ => None,
        });
        Phone::new(name, server, codec, tone)
    }

    /// A telephone that is in its call already.
    pub fn call(&mut self, name: &str, room: &str, codec: Codec, tone: f64) -> Phone {
        let phone = self.open(name, room, codec, tone);
        self.negotiate(&phone, BOTH);
        self.start(name, Duration::ZERO);
        phone
    }

    pub fn negotiate(&self, phone: &Phone, flowing: Flowing) {
        self.media.submit(MediaPlan::Negotiated { leg: leg(&phone.name), media: phone.media(phone.codec, flowing) });
    }

    /// Another codec, which the telephone does not know of yet.
    pub fn negotiate_codec(&self, phone: &Phone, codec: Codec) {
        self.media.submit(MediaPlan::Negotiated { leg: leg(&phone.name), media: phone.media(codec, BOTH) });
    }

    pub fn start(&self, name: &str, timeout: Duration) {
        self.media.submit(MediaPlan::Start { leg: leg(name), initial_timeout: timeout, timeout });
    }

    pub fn move_to(&self, name: &str, from: &str, to: &str) {
        let (from, to): (RoomSid, RoomSid) = (from.into(), to.into());
        self.media.submit(MediaPlan::Move { leg: leg(name), from, to });
    }
}

enum Voice {
    Ulaw,
    Alaw,
    G722(Box<(g722::Encoder, g722::Decoder)>),
    Opus(Box<(Encoder, Decoder)>),
}

/// A packet as a telephone got it.
#[derive(Clone, Debug)]
pub struct Got {
    pub sequence: u16,
    pub ssrc: u32,
    pub payload_type: u8,
    pub event: Option<u8>,
}

/// A telephone that says a tone.
pub struct Phone {
    pub name: String,
    socket: UdpSocket,
    /// Where it sends.
    pub server: SocketAddr,
    codec: Codec,
    voice: Voice,
    rate: u32,
    tone: Sine,
    pub speaks: bool,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    pub ptime: Duration,
    pub crypto: Option<trunkline_sdp::Crypto>,
    /// Everything that came.
    pub got: Vec<Got>,
    /// What was heard in the last [`Phone::talk`].
    pub heard: Vec<i16>,
}

impl Phone {
    pub fn new(name: &str, server: SocketAddr, codec: Codec, tone: f64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let ssrc = u32::from(socket.local_addr().unwrap().port());
        let mut phone = Self {
            name: name.into(),
            socket,
            server,
            codec,
            voice: Voice::Ulaw,
            rate: 8_000,
            tone: Sine::new(tone, 8_000, 8_000),
            speaks: true,
            sequence: 65_500,
            timestamp: 7,
            ssrc,
            ptime: FRAME,
            crypto: None,
            got: Vec::new(),
            heard: Vec::new(),
        };
        phone.speak_with(codec, tone);
        phone
    }

    /// The same call at another address: a second telephone that answers for the first.
    pub fn elsewhere(&self, codec: Codec, tone: f64) -> Self {
        Self::new(&self.name, self.server, codec, tone)
    }

    /// Another codec from now on.
    pub fn speak_with(&mut self, codec: Codec, tone: f64) {
        self.codec = codec;
        (self.voice, self.rate) = match codec {
            Codec::Pcmu => (Voice::Ulaw, 8_000),
            Codec::Pcma => (Voice::Alaw, 8_000),
            Codec::G722 => (Voice::G722(Box::new((g722::Encoder::new(), g722::Decoder::new()))), 16_000),
            Codec::Opus => {
                let config = EncoderConfig { rate: 16_000, ..EncoderConfig::default() };
                (Voice::Opus(Box::new((Encoder::new(config).unwrap(), Decoder::new(16_000).unwrap()))), 16_000)
            }
        };
        self.tone = Sine::new(tone, 8_000, self.rate);
    }

    pub fn payload_type(&self) -> u8 {
        number_of(self.codec)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn media(&self, codec: Codec, flowing: Flowing) -> LegMedia {
        LegMedia {
            remote: Some(self.address()),
            remote_rtcp: None,
            codec,
            payload_type: number_of(codec),
            telephone_event: Some(EVENT),
            telephone_event_clock: if codec == Codec::Opus { 48_000 } else { 8_000 },
            crypto: self.crypto.clone(),
            ptime: self.ptime,
            flowing,
        }
    }

    /// Takes what has come.
    pub fn listen(&mut self) {
        let mut buffer = [0; 2_048];
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            self.take(&buffer[..length]);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let Some(packet) = Packet::parse(bytes) else { return };
        let is_event = packet.payload_type == EVENT;
        self.got.push(Got {
            sequence: packet.sequence,
            ssrc: packet.ssrc,
            payload_type: packet.payload_type,
            event: packet.payload.first().copied().filter(|_| is_event),
        });
        let mut pcm = [0; 2_880];
        let samples = match (&mut self.voice, packet.payload_type) {
            (Voice::Ulaw, 0) => copy(packet.payload, &mut pcm, g711::decode_ulaw),
            (Voice::Alaw, 8) => copy(packet.payload, &mut pcm, g711::decode_alaw),
            (Voice::G722(voice), 9) => voice.1.decode(packet.payload, &mut pcm),
            (Voice::Opus(voice), 96) => voice.1.decode(packet.payload, &mut pcm).unwrap_or(0),
            _ => 0,
        };
        self.heard.extend(&pcm[..samples]);
    }

    fn say(&mut self) {
        let mut pcm = vec![0; self.rate as usize / 50];
        self.tone.fill(&mut pcm);
        let mut packet = [0; 1_500];
        let header = write_header(false, self.payload_type(), self.sequence, self.timestamp, self.ssrc);
        packet[..HEADER_BYTES].copy_from_slice(&header);
        let payload = &mut packet[HEADER_BYTES..];
        let length = match &mut self.voice {
            Voice::Ulaw => copy_to(&pcm, payload, g711::encode_ulaw),
            Voice::Alaw => copy_to(&pcm, payload, g711::encode_alaw),
            Voice::G722(voice) => voice.0.encode(&pcm, payload),
            Voice::Opus(voice) => voice.0.encode(&pcm, payload).unwrap(),
        };
        self.socket.send_to(&packet[..HEADER_BYTES + length], self.server).unwrap();
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(if self.codec == Codec::Opus { 960 } else { 160 });
    }

    /// How strong a tone is in what was heard last, as the amplitude of its sine.
    pub fn strength(&self, frequency: f64) -> f64 {
        strength(&self.heard, frequency, self.rate)
    }
}

fn number_of(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => 96,
    }
}

/// Says and hears for so many frames, all telephones at once.
pub fn talk(phones: &mut [&mut Phone], frames: u32) {
    for phone in phones.iter_mut() {
        phone.listen();
        phone.heard.clear();
    }
    let begun = now();
    for n in 0..frames {
        for phone in phones.iter_mut().filter(|phone| phone.speaks) {
            phone.say();
        }
        while now().duration_since(begun) < FRAME * (n + 1) {
            phones.iter_mut().for_each(|phone| phone.listen());
        }
    }
}

/// Talks until this is so.
pub fn talk_until(what: &str, phones: &mut [&mut Phone], mut is_so: impl FnMut(&mut [&mut Phone]) -> bool) {
    let until = now() + PATIENCE;
    loop {
        talk(phones, 10);
        if is_so(phones) {
            return;
        }
        assert!(now() < until, "{what} in time");
    }
}

fn strength(pcm: &[i16], frequency: f64, rate: u32) -> f64 {
    let step = std::f64::consts::TAU * frequency / f64::from(rate);
    // Of short pieces, so that a gap between two of them does not cancel the tone.
    let pieces = pcm.chunks_exact(rate as usize / 50);
    let count = pieces.len().max(1) as f64;
    let sum: f64 = pieces
        .map(|piece| {
            let (mut real, mut imaginary) = (0.0, 0.0);
            for (n, sample) in piece.iter().enumerate() {
                // A window (Hann), for other tones must not leak into this one.
                let window = 1.0 - (std::f64::consts::TAU * n as f64 / piece.len() as f64).cos();
                let (sine, cosine) = (step * n as f64).sin_cos();
                real += window * f64::from(*sample) * cosine;
                imaginary += window * f64::from(*sample) * sine;
            }
            2.0 * f64::hypot(real, imaginary) / piece.len() as f64
        })
        .sum();
    sum / count
}

fn copy(payload: &[u8], pcm: &mut [i16], decode: impl Fn(u8) -> i16) -> usize {
    pcm.iter_mut().zip(payload).for_each(|(slot, byte)| *slot = decode(*byte));
    payload.len().min(pcm.len())
}

fn copy_to(pcm: &[i16], payload: &mut [u8], encode: impl Fn(i16) -> u8) -> usize {
    payload.iter_mut().zip(pcm).for_each(|(slot, sample)| *slot = encode(*sample));
    pcm.len()
}

/// The numbers of all packets follow one another under one SSRC.
pub fn assert_continuous(got: &[Got]) {
    for pair in got.windows(2) {
        assert_eq!(pair[1].ssrc, pair[0].ssrc, "one SSRC");
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "no number is left out or used twice");
    }
}
