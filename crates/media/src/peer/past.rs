//! What of a connection's audio goes past its stack, and when the stack is asked.

use super::Peer;
use crate::{
    bypass::{self, Bypass, First, Taken},
    passing::{Passing, Payload},
};
use str0m::{
    media::MediaKind,
    net::{DatagramSend, Protocol, Transmit},
    rtp::{Extension, RtpPacket},
};
use trunkline_rtp::rtcp;
use trunkline_types::Time;

/// What a datagram was to a connection.
pub(crate) enum Heard<'a> {
    /// It is for the stack.
    Foreign,
    /// Nothing that anybody hears.
    Dropped,
    /// Audio of that track of its room.
    Audio(usize, Passing<'a>),
}

impl Peer {
    /// A datagram came for it that may be audio of a source that comes past the stack; then it is
    /// decrypted in place.
    pub(crate) fn hear<'a>(&mut self, datagram: &'a mut [u8], now: Time) -> Heard<'a> {
        let Some(bypass) = &mut self.bypass else { return Heard::Foreign };
        let arrival = match bypass.inward.take(datagram, now) {
            Taken::Foreign => return Heard::Foreign,
            Taken::Dropped => return Heard::Dropped,
            Taken::Audio(arrival) => arrival,
        };
        let Some(published) = self.published.iter().find(|p| p.mid == arrival.mid) else { return Heard::Dropped };
        let packet = Passing {
            payload_type: Some(arrival.packet.payload_type),
            sequence: arrival.index,
            timestamp: arrival.packet.timestamp,
            marker: arrival.packet.marker,
            level: arrival.level,
            orientation: None,
            payload: Payload::Plain(arrival.packet.payload),
        };
        Heard::Audio(published.track, packet)
    }

    /// The audio of a source that the stack has seen comes past it from now on.
    pub(super) fn adopt(&mut self, packet: &RtpPacket, now: Time) {
        let header = &packet.header;
        let Some((_, mid, None)) = self.sources.iter().find(|(held, ..)| *held == header.ssrc) else { return };
        let Some(media) = self.rtc.media(*mid).filter(|media| media.kind() == MediaKind::Audio) else { return };
        if self.bypass.is_none() {
            self.bypass = Bypass::new(&self.keys);
        }
        let Some(bypass) = &mut self.bypass else { return };
        let first = First {
            ssrc: *header.ssrc,
            mid: *mid,
            payload_type: *header.payload_type,
            clock: self.codec.clock(),
            level: media.remote_extmap().id_of(Extension::AudioLevel),
            index: *packet.seq_no,
            timestamp: header.timestamp,
        };
        bypass.inward.adopt(&first, now);
    }

    /// The stack sends RTP or RTCP: where to is learnt from the one, and the other put right.
    pub(super) fn media_leaves(&mut self, send: &mut Transmit) {
        if self.bypass.is_none() {
            self.bypass = Bypass::new(&self.keys);
        }
        let Some(bypass) = &mut self.bypass else { return };
        if !rtcp::is_rtcp(&send.contents) {
            bypass.outward.route = (send.proto == Protocol::Udp).then_some(send.destination);
            return;
        }
        let report = std::mem::replace(&mut send.contents, DatagramSend::from(Vec::new()));
        let (sections, clock, told) = (&self.sections, self.codec.clock(), self.told);
        let sent =
            |ssrc| sections.iter().find(|held| held.ssrc.is_some_and(|held| *held == ssrc))?.total.sent(clock, told);
        let inward = &mut bypass.inward;
        send.contents = bypass::put_right(&bypass.reports, report, sent, |ssrc| inward.received(ssrc));
    }

    /// ICE may have gone over to another address: the next packet goes through the stack, which knows.
    pub(super) fn ask_route(&mut self) {
        if let Some(bypass) = &mut self.bypass {
            bypass.outward.route = None;
        }
    }

    /// The next packet of every section goes through the stack, which knows what is agreed on now.
    pub(super) fn agree_anew(&mut self) {
        for section in &mut self.sections {
            section.agreed = None;
        }
    }

    /// Whether what it publishes comes past the stack and what it is sent goes past it.
    #[cfg(test)]
    pub(crate) fn is_past(&self) -> bool {
        let Some(bypass) = &self.bypass else { return false };
        bypass.inward.is_open() || (bypass.outward.route.is_some() && self.sections.iter().all(|s| s.agreed.is_some()))
    }
}
