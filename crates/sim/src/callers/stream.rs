//! The RTP of one call.

use super::{
    codec::{BYTES, Codec, Decoder},
    report::Outcome,
};
use crate::sound::{Clip, Line, Onset, Recorder, mark_begins};
use mio::net::UdpSocket;
use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use trunkline_rtp::{HEADER_BYTES, Packet, write_header};

/// What is louder is sound; comfort noise is not.
const SOUND: u16 = 1_000;

/// What it does beyond counting.
pub(crate) enum Hearing {
    Counts,
    Records(Box<Recorder>),
    Marks { ours: Arc<Line>, theirs: Arc<Line>, onset: Onset },
}

/// See the module.
pub(crate) struct Stream {
    pub(crate) socket: UdpSocket,
    codec: Codec,
    decoder: Decoder,
    hearing: Hearing,
    script: Arc<[Box<[u8]>]>,
    /// Where in the script it begins.
    offset: u64,
    pub(crate) remote: Option<SocketAddr>,
    begun: Instant,
    ssrc: u32,
    /// First and highest sequence number, extended.
    sequence: Option<(u64, u64)>,
    last: Option<(Instant, u32)>,
    jitter: f64,
    pcm: Vec<i16>,
    heard_sound: bool,
    /// Nobody is told when something comes: it is read when the next packet is sent.
    pub(crate) dozes: bool,
}

impl Stream {
    pub(crate) fn new(
        socket: UdpSocket,
        codec: Codec,
        script: Arc<[Box<[u8]>]>,
        offset: u64,
        hearing: Hearing,
        begun: Instant,
    ) -> Self {
        let ssrc = socket.local_addr().map_or(1, |a| u32::from(a.port()) << 8 | 0x7a);
        Self {
            socket,
            codec,
            decoder: codec.decoder(),
            hearing,
            script,
            offset,
            remote: None,
            begun,
            ssrc,
            sequence: None,
            last: None,
            jitter: 0.0,
            pcm: Vec::new(),
            heard_sound: false,
            dozes: false,
        }
    }

    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The far end's address is known: from now on it can be spoken to.
    pub(crate) fn connect(&mut self, remote: SocketAddr) {
        // Without a route nothing will be heard, and the report says so.
        let _ = self.socket.connect(remote);
        self.remote = Some(remote);
    }

    /// Whether all that was to be noticed at once has come; what follows is only counted.
    pub(crate) fn may_doze(&self) -> bool {
        self.heard_sound && matches!(self.hearing, Hearing::Counts)
    }

    /// Sends the next packet.
    pub(crate) fn say(&mut self, now: Instant, outcome: &mut Outcome) {
        if self.remote.is_none() || self.script.is_empty() {
            return;
        }
        let n = outcome.sent;
        let at = usize::try_from((self.offset + n) % self.script.len() as u64).unwrap_or(0);
        let mut packet = [0; HEADER_BYTES + BYTES];
        let timestamp = (n as u32).wrapping_mul(self.codec.clock() / 50);
        let header = write_header(n == 0, self.codec.payload_type(), n as u16, timestamp, self.ssrc);
        packet[..HEADER_BYTES].copy_from_slice(&header);
        let length = HEADER_BYTES + self.script[at].len();
        packet[HEADER_BYTES..length].copy_from_slice(&self.script[at]);
        if let Hearing::Marks { ours, .. } = &self.hearing
            && mark_begins(self.offset + n)
        {
            ours.sent(now);
        }
        // What the network refuses is lost, as any datagram may be.
        let _ = self.socket.send(&packet[..length]);
        outcome.sent += 1;
    }

    /// Reads all there is.
    pub(crate) fn hear(&mut self, now: Instant, buffer: &mut [u8], outcome: &mut Outcome) {
        loop {
            match self.socket.recv(buffer) {
                Ok(length) => {
                    if let Some(packet) = Packet::parse(&buffer[..length]) {
                        self.packet(&packet, now, outcome);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // A far end that is gone answers by ICMP.
                Err(_) => {}
            }
        }
    }

    fn packet(&mut self, packet: &Packet<'_>, now: Instant, outcome: &mut Outcome) {
        outcome.received += 1;
        outcome.first_packet.get_or_insert_with(|| now - self.begun);
        if packet.payload_type == self.codec.payload_type() {
            self.sound(packet, now, outcome);
        }
        let (first, highest) = *self.sequence.get_or_insert((u64::from(packet.sequence), u64::from(packet.sequence)));
        let ahead = packet.sequence.wrapping_sub(highest as u16);
        let in_order = outcome.received == 1 || (1..0x8000).contains(&ahead);
        if in_order {
            let highest = highest + u64::from(ahead);
            self.sequence = Some((first, highest));
            outcome.lost = (highest - first + 1).saturating_sub(outcome.received - outcome.disordered);
        } else {
            outcome.disordered += 1;
        }
        // When a packet came that was not waited for nobody knows.
        if let Some((at, timestamp)) = self.last.filter(|_| !self.dozes) {
            outcome.longest_gap = outcome.longest_gap.max(now - at);
            let wanted = f64::from(packet.timestamp.wrapping_sub(timestamp) as i32) / f64::from(self.codec.clock());
            let off = ((now - at).as_secs_f64() - wanted).abs();
            self.jitter += (off - self.jitter) / 16.0;
            outcome.jitter = Duration::from_secs_f64(self.jitter.clamp(0.0, 60.0));
        }
        self.last = Some((now, packet.timestamp));
    }

    fn sound(&mut self, packet: &Packet<'_>, now: Instant, outcome: &mut Outcome) {
        if self.heard_sound && matches!(self.hearing, Hearing::Counts) {
            return;
        }
        self.decoder.decode(packet.payload, &mut self.pcm);
        if !self.heard_sound && self.pcm.iter().any(|s| s.unsigned_abs() > SOUND) {
            self.heard_sound = true;
            outcome.first_sound = Some(now - self.begun);
        }
        match &mut self.hearing {
            Hearing::Counts => {}
            Hearing::Records(recorder) => recorder.put(packet.timestamp, &self.pcm),
            Hearing::Marks { theirs, onset, .. } => {
                if let Some(at) = onset.find(&self.pcm) {
                    theirs.heard(now, Duration::from_secs_f64(at as f64 / f64::from(self.codec.rate())));
                }
            }
        }
    }

    /// What it recorded, if it did.
    pub(crate) fn recorded(self) -> Option<Clip> {
        match self.hearing {
            Hearing::Records(recorder) => Some(recorder.clip()),
            _ => None,
        }
    }
}
