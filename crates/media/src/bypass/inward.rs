//! Audio that comes in past the stack: the sources it has once seen.

use crate::soon::soon;
use str0m::media::Mid;
use trunkline_rtp::{
    Packet, Reception, extension,
    rtcp::{Received, is_rtcp},
    srtp::{ReplayWindow, RtpTransform, rtp_index},
};
use trunkline_types::Time;

/// Sources of one connection that come past the stack; those of who has more come through it.
const SOURCES: usize = 32;

/// What became of a datagram.
pub(crate) enum Taken<'a> {
    /// It is for the stack.
    Foreign,
    /// It was of a source that comes past the stack, and forged, replayed or of another codec.
    Dropped,
    /// A packet of audio.
    Audio(Arrival<'a>),
}

/// A packet of audio, readable.
pub(crate) struct Arrival<'a> {
    pub(crate) mid: Mid,
    pub(crate) packet: Packet<'a>,
    /// The sequence number with its roll-overs.
    pub(crate) index: u64,
    /// As its sender says.
    pub(crate) level: Option<extension::AudioLevel>,
}

/// A source that the stack has seen.
struct Source {
    ssrc: u32,
    mid: Mid,
    payload_type: u8,
    clock: u32,
    /// The id of the audio level.
    level: Option<u8>,
    window: ReplayWindow,
    reception: Reception,
}

/// See the module.
pub(crate) struct Inward {
    transform: RtpTransform,
    sources: Vec<Source>,
}

/// What is known of a source from its first packet.
pub(crate) struct First {
    pub(crate) ssrc: u32,
    pub(crate) mid: Mid,
    pub(crate) payload_type: u8,
    /// Ticks of its timestamps a second.
    pub(crate) clock: u32,
    /// The id of the audio level, where that is agreed on.
    pub(crate) level: Option<u8>,
    /// The sequence number with its roll-overs, and the timestamp.
    pub(crate) index: u64,
    pub(crate) timestamp: u32,
}

impl Inward {
    pub(crate) fn new(transform: RtpTransform) -> Self {
        Self { transform, sources: Vec::new() }
    }

    /// The stack has taken in the first packet of a source; the others come past it.
    pub(crate) fn adopt(&mut self, first: &First, now: Time) {
        if self.sources.len() >= SOURCES || self.sources.iter().any(|held| held.ssrc == first.ssrc) {
            return;
        }
        let mut source = Source {
            ssrc: first.ssrc,
            mid: first.mid,
            payload_type: first.payload_type,
            clock: first.clock,
            level: first.level,
            window: ReplayWindow::default(),
            reception: Reception::default(),
        };
        source.note(first.index, first.timestamp, now);
        self.sources.push(source);
    }

    /// Takes a datagram, which is decrypted in place where it is of a source that is known here.
    pub(crate) fn take<'a>(&mut self, datagram: &'a mut [u8], now: Time) -> Taken<'a> {
        // No more is read than is in the clear: the length of the padding is not.
        let [_, _, s0, s1, _, _, _, _, c0, c1, c2, c3, ..] = *datagram else { return Taken::Foreign };
        let (sequence, ssrc) = (u16::from_be_bytes([s0, s1]), u32::from_be_bytes([c0, c1, c2, c3]));
        let source = self.sources.iter_mut().find(|held| held.ssrc == ssrc);
        let Some(source) = source.filter(|_| !is_rtcp(datagram)) else { return Taken::Foreign };
        let Some(index) = rtp_index(&source.window, sequence).filter(|index| source.window.is_new(*index)) else {
            return Taken::Dropped;
        };
        let Ok(length) = self.transform.unprotect(datagram, index) else { return Taken::Dropped };
        let Some(datagram) = datagram.get(..length) else { return Taken::Dropped };
        let Some(packet) = Packet::parse(datagram) else { return Taken::Dropped };
        source.note(index, packet.timestamp, now);
        if packet.payload_type != source.payload_type {
            return Taken::Dropped;
        }
        let level = source.level.and_then(|id| extension::audio_level(datagram, id));
        Taken::Audio(Arrival { mid: source.mid, packet, index, level })
    }

    /// Something of its sources has come.
    pub(crate) fn soon(&self) {
        soon(&self.sources[..]);
    }

    /// Whether a source comes this way.
    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        !self.sources.is_empty()
    }

    /// What has been received of a source, for a report.
    pub(crate) fn received(&mut self, ssrc: u32) -> Option<Received> {
        let reception = &mut self.sources.iter_mut().find(|held| held.ssrc == ssrc)?.reception;
        Some(Received {
            fraction_lost: reception.fraction_lost(),
            lost: u32::try_from(reception.lost()).unwrap_or(u32::MAX),
            highest: reception.highest(),
            jitter: reception.jitter() as u32,
        })
    }
}

impl Source {
    fn note(&mut self, index: u64, timestamp: u32, now: Time) {
        self.window.note(index);
        let arrived = now.nanos / 1_000 * u64::from(self.clock) / 1_000_000;
        self.reception.packet(index as u16, timestamp, arrived as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_rtp::{
        srtp::{MAX_OVERHEAD, Suite},
        write_header,
    };

    #[test]
    fn a_padded_packet_is_taken_whatever_its_encrypted_end_looks_like() {
        let transform = RtpTransform::new(Suite::AeadAes128Gcm, &[7; 28]).unwrap();
        let mut inward = Inward::new(transform.clone());
        let mid = Mid::from("0");
        let first = First { ssrc: 9, mid, payload_type: 111, clock: 48_000, level: None, index: 0, timestamp: 0 };
        inward.adopt(&first, Time::default());
        for n in 1..1_000u16 {
            let mut packet = write_header(false, 111, n, 0, 9).to_vec();
            packet[0] |= 0x20;
            packet.extend([1, 2, 3, 0, 0, 3]);
            let length = packet.len();
            packet.resize(length + MAX_OVERHEAD, 0);
            let length = transform.protect(&mut packet, length, n.into()).unwrap();
            let Taken::Audio(arrival) = inward.take(&mut packet[..length], Time::default()) else { panic!("{n}") };
            assert_eq!((arrival.packet.payload, arrival.index), (&[1, 2, 3][..], n.into()));
        }
        let mut stranger = write_header(false, 111, 1, 0, 8).to_vec();
        assert!(matches!(inward.take(&mut stranger, Time::default()), Taken::Foreign));
        assert!(matches!(inward.take(&mut [0x80; 11], Time::default()), Taken::Foreign));
    }
}
