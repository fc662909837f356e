//! The sections on which a peer receives, and what is sent on them.

use super::Peer;
use crate::{
    batch::Outbound,
    bypass::{self, Agreed, Total},
    out_stream::OutStream,
    passing::Passing,
    track::Track,
};
use mio::net::UdpSocket;
use std::time::Instant;
use str0m::{
    Rtc,
    media::{Mid, Pt},
    rtp::{RtpWrite, SeqNo, Ssrc},
};

/// A section on which the peer receives.
pub(crate) struct Section {
    pub(crate) mid: Mid,
    pub(crate) numbers: OutStream,
    /// The publisher's payload types and the peer's, as far as they have been needed.
    payload_types: Vec<(Pt, Option<Pt>)>,
    /// What the stack has agreed on for its audio.
    pub(super) agreed: Option<Agreed>,
    /// Of its audio, once there was some.
    pub(super) ssrc: Option<Ssrc>,
    pub(super) total: Total,
}

impl Section {
    fn new(mid: Mid) -> Self {
        Self {
            mid,
            numbers: OutStream::default(),
            payload_types: Vec::new(),
            agreed: None,
            ssrc: None,
            total: Total::default(),
        }
    }

    /// Its receiver gets a new stream.
    pub(super) fn renew(&mut self) {
        *self = Self { payload_types: std::mem::take(&mut self.payload_types), ..Self::new(self.mid) };
    }
}

impl Peer {
    /// The section of that name, made when it is new.
    pub(crate) fn section(&mut self, mid: &str) -> usize {
        let mid = Mid::from(mid);
        if let Some(at) = self.sections.iter().position(|s| s.mid == mid) {
            return at;
        }
        self.sections.push(Section::new(mid));
        self.sections.len() - 1
    }

    /// Sends a packet of a track on a section; whether the stack has it and must be driven.
    pub(crate) fn forward(
        &mut self,
        section: usize,
        track: &Track,
        packet: &Passing<'_>,
        now: Instant,
        socket: &UdpSocket,
        outbound: &mut Outbound,
    ) -> bool {
        let Some(held) = self.sections.get_mut(section) else { return false };
        let video = track.is_video();
        let key = Pt::from(packet.payload_type.unwrap_or(0));
        let mapped = match held.payload_types.iter().find(|(theirs, _)| *theirs == key) {
            Some((_, mapped)) => *mapped,
            None => {
                let mapped = map_payload_type(&self.rtc, held.mid, packet.payload_type.map(Pt::from), video);
                held.payload_types.push((key, mapped));
                mapped
            }
        };
        let Some(pt) = mapped else { return false };
        let frame = if video { 3_000 } else { self.codec.frame_ticks() };
        let numbers = held.numbers.number(track.id, packet.sequence, packet.timestamp, frame);
        let Some((sequence, timestamp)) = numbers else { return false };
        if let Some(outward) = self.bypass.as_ref().map(|bypass| &bypass.outward)
            && let Some((route, agreed)) = outward.route.zip(held.agreed.as_ref())
        {
            let out = bypass::Packet {
                payload_type: *pt,
                index: sequence,
                timestamp,
                marker: packet.marker,
                level: packet.level,
                payload: packet.payload.bytes(),
            };
            outbound.write(route, socket, |buffer| outward.write(agreed, held.mid, &held.total, &out, buffer));
            held.total.note(timestamp, out.payload.len(), now);
            return false;
        }
        let mid = held.mid;
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return false };
        let ssrc = stream.ssrc();
        let write = RtpWrite::new(pt, SeqNo::from(sequence), timestamp, now, packet.payload.shared());
        stream.write_rtp(write.marker(packet.marker).ext_vals(packet.extensions()).nackable(video));
        if !video {
            held.total.note(timestamp, packet.payload.bytes().len(), now);
            held.ssrc = Some(ssrc);
            held.agreed = Agreed::of(&self.rtc, mid, ssrc);
        }
        true
    }
}

/// The payload type under which a subscriber knows a publisher's codec. All connections are made
/// with the same codecs, but each client chooses the numbers.
fn map_payload_type(rtc: &Rtc, mid: Mid, theirs: Option<Pt>, video: bool) -> Option<Pt> {
    let media = rtc.media(mid)?;
    let known = rtc.codec_config().params();
    let remote = media.remote_pts();
    if !video {
        // The room's, the only one there is.
        return known.iter().find(|p| p.spec().codec.is_audio() && remote.contains(&p.pt())).map(|p| p.pt());
    }
    let theirs = theirs?;
    if remote.contains(&theirs) { Some(theirs) } else { None }
}
