//! Audio that goes out past the stack: where to, under which numbers, and how much it was.

use std::{net::SocketAddr, time::Instant};
use str0m::{
    Rtc,
    media::Mid,
    rtp::{Extension, Ssrc},
};
use trunkline_rtp::{
    HEADER_BYTES,
    extension::{self, AudioLevel},
    rtcp::Sent,
    srtp::RtpTransform,
    write_header,
};

/// Packets of a section that name it (RFC 9143 §9.2): ten seconds, within which its receiver has
/// heard one of them.
const NAMED: u32 = 500;

/// What has been agreed on for a section.
pub(crate) struct Agreed {
    ssrc: u32,
    /// The ids of the section's name and of the audio level.
    name: Option<u8>,
    level: Option<u8>,
}

impl Agreed {
    /// What the stack knows of an audio section on which it may send; `None` on which it may not.
    pub(crate) fn of(rtc: &Rtc, mid: Mid, ssrc: Ssrc) -> Option<Self> {
        let media = rtc.media(mid).filter(|media| media.direction().is_sending() && !media.stopped())?;
        let ids = media.remote_extmap();
        Some(Self { ssrc: *ssrc, name: ids.id_of(Extension::RtpMid), level: ids.id_of(Extension::AudioLevel) })
    }
}

/// A packet of a section, numbered.
pub(crate) struct Packet<'a> {
    pub(crate) payload_type: u8,
    /// The sequence number with its roll-overs.
    pub(crate) index: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) level: Option<AudioLevel>,
    pub(crate) payload: &'a [u8],
}

/// What has gone out on a section, past the stack and through it.
#[derive(Default)]
pub(crate) struct Total {
    packets: u32,
    bytes: u32,
    last: Option<(u32, Instant)>,
}

impl Total {
    pub(crate) fn note(&mut self, timestamp: u32, bytes: usize, now: Instant) {
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(u32::try_from(bytes).unwrap_or(0));
        self.last = Some((timestamp, now));
    }

    /// For a report at `now`; timestamps tick at `clock` Hz. `None` before the first packet.
    pub(crate) fn sent(&self, clock: u32, now: Instant) -> Option<Sent> {
        let (timestamp, at) = self.last?;
        let since = now.saturating_duration_since(at).as_micros() * u128::from(clock) / 1_000_000;
        Some(Sent { timestamp: timestamp.wrapping_add(since as u32), packets: self.packets, bytes: self.bytes })
    }
}

/// See the module.
pub(crate) struct Outward {
    pub(crate) transform: RtpTransform,
    /// The client's address, as the stack has used it since ICE last said anything.
    pub(crate) route: Option<SocketAddr>,
}

impl Outward {
    /// Writes the packet as it goes over the wire; its length, `None` where it does not fit.
    pub(crate) fn write(
        &self,
        agreed: &Agreed,
        mid: Mid,
        total: &Total,
        packet: &Packet<'_>,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let header =
            write_header(packet.marker, packet.payload_type, packet.index as u16, packet.timestamp, agreed.ssrc);
        let (start, rest) = buffer.split_at_mut_checked(HEADER_BYTES)?;
        start.copy_from_slice(&header);
        let name = agreed.name.filter(|_| total.packets < NAMED);
        let level = agreed.level.zip(packet.level);
        let level = level.map(|(id, level)| (id, [level.to_byte()]));
        let elements = name.map(|id| (id, mid.as_bytes())).into_iter();
        let extended = extension::write(elements.chain(level.as_ref().map(|(id, level)| (*id, &level[..]))), rest)?;
        if extended > 0 {
            start[0] |= 0x10;
        }
        let end = extended + packet.payload.len();
        rest.get_mut(extended..end)?.copy_from_slice(packet.payload);
        self.transform.protect(buffer, HEADER_BYTES + end, packet.index).ok()
    }
}
