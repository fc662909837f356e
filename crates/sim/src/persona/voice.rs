//! The RTP of a persona: a sound out, packets, level, pitch and digits in.

use super::session::SUITE;
use crate::{
    callers::{Codec, Decoder},
    sound::{Clip, Recorder},
};
use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};
use trunkline_rtp::{
    DtmfReceiver, DtmfSender, DtmfTick, HEADER_BYTES, Packet, digit_of,
    srtp::{Session, Suite},
    write_header,
};

const FRAME: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
/// Behind by more than this nothing is made up for.
const BEHIND: Duration = Duration::from_millis(200);

/// What both sides have agreed on.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) codec: Codec,
    pub(crate) payload_type: u8,
    pub(crate) event: Option<u8>,
    pub(crate) sends: bool,
    /// Our key and theirs.
    pub(crate) keys: Option<(Vec<u8>, Vec<u8>)>,
}

/// What a second of it sounded like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    pub(crate) packets: u64,
    pub(crate) peak: i16,
    pub(crate) hz: u32,
}

/// The second under way.
#[derive(Default)]
struct Window {
    began: Option<Instant>,
    so_far: Second,
    waves: u32,
    samples: u32,
    last: i16,
}

/// See the module.
pub(crate) struct Voice {
    socket: UdpSocket,
    says: Clip,
    /// What it says in the codec agreed on, frame by frame.
    frames: Vec<Box<[u8]>>,
    at: usize,
    agreed: Option<Agreed>,
    sessions: Option<(Session, Session)>,
    decoder: Option<(Codec, Decoder)>,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    next: Option<Instant>,
    keys: DtmfSender,
    pressed: DtmfReceiver,
    pub(crate) digits: String,
    pub(crate) packets_in: u64,
    pub(crate) packets_out: u64,
    pub(crate) peak: i16,
    second: Window,
    recorder: Option<Recorder>,
    /// Recordings of codecs before.
    recorded: Vec<Clip>,
}

impl Voice {
    pub(crate) fn new(ip: IpAddr, says: Clip) -> io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        socket.set_nonblocking(true)?;
        let ssrc = u32::from(socket.local_addr()?.port()) << 8 | 0x55;
        Ok(Self {
            socket,
            says,
            frames: Vec::new(),
            at: 0,
            agreed: None,
            sessions: None,
            decoder: None,
            sequence: 65_000,
            timestamp: 1,
            ssrc,
            next: None,
            keys: DtmfSender::new(8_000),
            pressed: DtmfReceiver::default(),
            digits: String::new(),
            packets_in: 0,
            packets_out: 0,
            peak: 0,
            second: Window::default(),
            recorder: None,
            recorded: Vec::new(),
        })
    }

    pub(crate) fn local(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The codec that is spoken.
    pub(crate) fn codec(&self) -> Option<Codec> {
        self.agreed.as_ref().map(|agreed| agreed.codec)
    }

    pub(crate) fn agree(&mut self, agreed: Agreed) {
        if self.codec() != Some(agreed.codec) {
            let codec = agreed.codec;
            self.frames = codec.script(&self.says.at(codec.rate()).pcm);
            self.decoder = Some((codec, codec.decoder()));
            self.recorded.extend(self.recorder.take().map(Recorder::clip));
            self.recorder = Some(Recorder::new(codec.rate(), codec.clock()));
        }
        self.keys.set_clock(agreed.codec.clock());
        let held = self.agreed.as_ref().and_then(|held| held.keys.as_ref());
        if held != agreed.keys.as_ref() {
            let session = |key: &[u8]| Session::new(Suite::by_name(SUITE)?, key).ok();
            self.sessions = agreed.keys.as_ref().and_then(|(own, theirs)| Some((session(own)?, session(theirs)?)));
        }
        self.agreed = Some(agreed);
    }

    /// Presses keys as telephone events.
    pub(crate) fn press(&mut self, digits: &str) {
        self.keys.press(digits);
    }

    /// Says what is due.
    pub(crate) fn speak(&mut self, now: Instant) {
        let Some(agreed) = self.agreed.clone() else { return };
        let mut next = self.next.unwrap_or(now);
        if now.duration_since(next) > BEHIND {
            next = now;
        }
        while next <= now {
            next += FRAME;
            self.say(&agreed);
        }
        self.next = Some(next);
    }

    fn say(&mut self, agreed: &Agreed) {
        let Some(remote) = agreed.remote.filter(|_| agreed.sends) else { return };
        let key = if agreed.event.is_some() { self.keys.tick(self.timestamp) } else { DtmfTick::Idle };
        let ticks = agreed.codec.clock() / 50;
        let mut packet = [0; 600];
        let (header, payload): (_, &[u8]) = match (&key, agreed.event) {
            (DtmfTick::Event(event), Some(number)) => {
                (write_header(event.marker, number, self.sequence, event.timestamp, self.ssrc), &event.payload)
            }
            _ => {
                let Some(frame) = self.frames.get(self.at % self.frames.len().max(1)) else { return };
                self.at += 1;
                (write_header(false, agreed.payload_type, self.sequence, self.timestamp, self.ssrc), frame)
            }
        };
        let mut length = HEADER_BYTES + payload.len().min(400);
        packet[..HEADER_BYTES].copy_from_slice(&header);
        packet[HEADER_BYTES..length].copy_from_slice(&payload[..length - HEADER_BYTES]);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(ticks);
        if let Some((outward, _)) = &mut self.sessions {
            match outward.protect_rtp(&mut packet, length) {
                Ok(longer) => length = longer,
                Err(_) => return,
            }
        }
        // What the network refuses is lost, as any datagram may be.
        if self.socket.send_to(&packet[..length], remote).is_ok() {
            self.packets_out += 1;
        }
    }

    /// Hears what has come; whether a digit was among it.
    pub(crate) fn listen(&mut self) -> bool {
        let mut buffer = [0; 2_048];
        let mut is_pressed = false;
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            is_pressed |= self.hear(&mut buffer[..length]);
        }
        is_pressed
    }

    fn hear(&mut self, bytes: &mut [u8]) -> bool {
        let bytes = match &mut self.sessions {
            None => &*bytes,
            Some((_, inward)) => match inward.unprotect_rtp(bytes) {
                Ok(length) => &bytes[..length],
                Err(_) => return false,
            },
        };
        let (Some(packet), Some(agreed)) = (Packet::parse(bytes), &self.agreed) else { return false };
        self.packets_in += 1;
        self.second.so_far.packets += 1;
        if Some(packet.payload_type) == agreed.event {
            let digit = self.pressed.receive(packet.timestamp, packet.payload).and_then(digit_of);
            self.digits.extend(digit);
            return digit.is_some();
        }
        if packet.payload_type != agreed.payload_type {
            return false;
        }
        let mut pcm = Vec::new();
        if let Some((_, decoder)) = &mut self.decoder {
            decoder.decode(packet.payload, &mut pcm);
        }
        let second = &mut self.second;
        for sample in &pcm {
            second.so_far.peak = second.so_far.peak.max(sample.saturating_abs());
            // A wave begins where the sound rises through zero.
            second.waves += u32::from(second.last < 0 && *sample >= 0);
            second.last = *sample;
        }
        second.samples = second.samples.saturating_add(u32::try_from(pcm.len()).unwrap_or(0));
        self.peak = self.peak.max(second.so_far.peak);
        if let Some(recorder) = &mut self.recorder {
            recorder.put(packet.timestamp, &pcm);
        }
        false
    }

    /// What the last second sounded like, once each second while there are packets.
    pub(crate) fn last_second(&mut self, now: Instant) -> Option<Second> {
        let began = *self.second.began.get_or_insert(now);
        if now.duration_since(began) < SECOND {
            return None;
        }
        let rate = self.codec().map_or(8_000, Codec::rate);
        let Window { so_far, waves, samples, last, .. } = std::mem::take(&mut self.second);
        self.second = Window { began: Some(now), last, ..Window::default() };
        let hz = u64::from(waves) * u64::from(rate) / u64::from(samples.max(1));
        (so_far.packets > 0).then_some(Second { hz: u32::try_from(hz).unwrap_or(0), ..so_far })
    }

    /// Everything that was heard, at 8 kHz.
    pub(crate) fn recording(&mut self) -> Clip {
        self.recorded.extend(self.recorder.take().map(Recorder::clip));
        let pcm = self.recorded.iter().flat_map(|clip| clip.at(8_000).pcm).collect();
        Clip { rate: 8_000, pcm }
    }
}
