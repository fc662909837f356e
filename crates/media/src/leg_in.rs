//! What a SIP leg hears: RTP and RTCP of the far end.

use crate::{batch::Inbound, frame::Frame, leg::Leg, leg_codec::PACKET_SAMPLES, stages::Stages};
use std::net::SocketAddr;
use trunkline_call::media::{MediaFact, timings::Stage};
use trunkline_rtp::{Judgement, Packet, ReportSource, digit_of, rtcp};
use trunkline_types::Time;

/// Packets read from one leg before the others have their turn.
const BUDGET: usize = 4;
/// Packets in a row that are made up when they are lost.
const CONCEAL: u16 = 5;
/// A packet so far behind is late, not the beginning of a new stream.
const LATE: u16 = 100;

impl Leg {
    /// Reads what the RTP socket holds; whether there may be more.
    pub(crate) fn receive(
        &mut self,
        now: Time,
        inbound: &mut Inbound,
        facts: &mut Vec<MediaFact>,
        stages: &mut Stages,
    ) -> bool {
        let before = stages.enter(Stage::Receive);
        let (read, more) = inbound.read::<BUDGET>(&self.rtp);
        stages.enter(before);
        for at in 0..read {
            if let Some((datagram, source)) = inbound.datagram(at) {
                self.packet(datagram, source, now, facts, stages);
            }
        }
        more
    }

    /// Reads what the RTCP socket holds; whether there may be more.
    pub(crate) fn receive_rtcp(&mut self, now: Time, inbound: &mut Inbound, stages: &mut Stages) -> bool {
        let before = stages.enter(Stage::Receive);
        let (read, more) = inbound.read::<BUDGET>(&self.rtcp);
        stages.enter(before);
        for at in 0..read {
            if let Some((datagram, source)) = inbound.datagram(at) {
                self.report_received(datagram, source, false, now);
            }
        }
        more
    }

    pub(crate) fn report_received(&mut self, bytes: &mut [u8], source: SocketAddr, on_rtp: bool, now: Time) {
        let Some(locked) = self.lock.source().filter(|locked| locked.ip() == source.ip()) else { return };
        let bytes = match &mut self.secured {
            None => &*bytes,
            Some(secured) => match secured.inward.unprotect_rtcp(bytes) {
                Ok(length) => &bytes[..length],
                Err(_) => return,
            },
        };
        let Some(sender) = rtcp::sender(bytes) else { return };
        let report =
            ReportSource { source, on_rtp, is_of_stream: sender == self.remote_ssrc, flows: self.lock.is_flowing(now) };
        // What is authenticated needs no other proof.
        if self.secured.is_none() && !self.control.accepts(report, locked) {
            return;
        }
        if let Some(started) = &mut self.started {
            started.alive_at = now;
        }
        if let Some(took) = self.round_trip.receive(bytes, self.ssrc, now) {
            self.stats.round_trip_us = u64::try_from(took.as_micros()).ok();
        }
    }

    pub(crate) fn packet(
        &mut self,
        bytes: &mut [u8],
        source: SocketAddr,
        now: Time,
        facts: &mut Vec<MediaFact>,
        stages: &mut Stages,
    ) {
        if rtcp::is_rtcp(bytes) {
            return self.report_received(bytes, source, true, now);
        }
        // What cannot be authenticated changes nothing, not even the lock.
        let bytes = match &mut self.secured {
            None => &*bytes,
            Some(secured) => {
                let before = stages.enter(Stage::Srtp);
                let unprotected = secured.inward.unprotect_rtp(bytes);
                stages.enter(before);
                match unprotected {
                    Ok(length) => &bytes[..length],
                    Err(_) => {
                        self.stats.foreign += 1;
                        return;
                    }
                }
            }
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
            // Its numbers begin anywhere; ours never go back.
            let anew = |newest: u64| (newest >> 16).saturating_add(2) << 16 | u64::from(packet.sequence);
            self.extended = self.extended.map(anew);
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
        self.audio(&packet, now, facts, stages);
    }

    /// A packet of audio, in the codec agreed on or the one before.
    fn audio(&mut self, packet: &Packet<'_>, now: Time, facts: &mut Vec<MediaFact>, stages: &mut Stages) {
        let Some((hears, payload_type)) = self.media.as_ref().map(|m| (m.flowing.receive, m.payload_type)) else {
            return;
        };
        let arrived = now.nanos / 1_000 * u64::from(self.codec.clock()) / 1_000_000;
        self.reception.packet(packet.sequence, packet.timestamp, arrived as u32);
        if packet.payload_type == payload_type {
            self.former = None;
        } else if self.former.is_some() {
            // Its clock may be another one: its timestamps are compared with no others.
            self.reception.clock_changed();
            let before = stages.enter(Stage::Decode);
            if hears {
                self.hear_former(packet.payload_type, packet.payload);
            }
            stages.enter(before);
            return;
        }
        if !hears || (packet.payload_type != payload_type && Some(packet.payload_type) != self.former_payload_type) {
            return;
        }
        let before = stages.enter(Stage::Decode);
        let digit = self.speech(packet.sequence, packet.timestamp, packet.marker, packet.payload);
        stages.enter(before);
        if let Some(digit) = digit {
            self.stats.digits += 1;
            let code = (0..16).find(|code| digit_of(*code) == Some(digit)).unwrap_or(0);
            facts.push(MediaFact::Dtmf { leg: self.key.clone(), code, digit: Some(digit) });
        }
    }

    /// Decodes speech; what was lost before it is made up. Returns a key that was heard in it.
    fn speech(&mut self, sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) -> Option<char> {
        let expected = self.expected.unwrap_or((sequence, timestamp));
        let missing = sequence.wrapping_sub(expected.0);
        if missing >= u16::MAX - LATE {
            // Its place has been filled already.
            return None;
        }
        if self.concealer.is_none() {
            self.make_room_to_hear();
        }
        self.stop_ringing();
        self.pass_on(sequence, timestamp, marker, payload);
        let mut pcm = [0; PACKET_SAMPLES];
        let samples = if self.is_decoded() { self.codec.decode(payload, &mut pcm) } else { 0 };
        if samples == 0 {
            // What is passed on undecoded leaves no place that a later packet could come too late for.
            self.expected = None;
            return None;
        }
        let ticks = self.codec.ticks(samples);
        self.expected = Some((sequence.wrapping_add(1), timestamp.wrapping_add(ticks)));
        let mut absent = timestamp.wrapping_sub(expected.1);
        if missing <= CONCEAL {
            let mut made_up = [0; PACKET_SAMPLES];
            for _ in 0..missing {
                if let Some(concealer) = &mut self.concealer {
                    concealer.conceal(&mut made_up[..samples]);
                }
                self.heard(&made_up[..samples]);
                absent = absent.saturating_sub(ticks);
            }
        }
        // A jump backwards or of more than a minute is a new beginning.
        if absent < 60 * self.codec.clock() {
            self.gap += self.codec.samples(absent);
        }
        if let Some(concealer) = &mut self.concealer {
            concealer.received(&mut pcm[..samples]);
        }
        self.heard(&pcm[..samples]);
        self.detector.as_mut()?.push(&pcm[..samples])
    }

    /// Whether its voice is needed as PCM. What is only passed on is not.
    fn is_decoded(&self) -> bool {
        self.is_mixed() || !self.takes_packets() || self.detector.is_some()
    }

    /// Keeps a packet in the room's codec as it came, for those who hear it over WebRTC.
    fn pass_on(&mut self, sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) {
        if !self.takes_packets() || self.passed.is_full() {
            return;
        }
        let newest = self.extended.unwrap_or(u64::from(sequence) + (1 << 16));
        let ahead = i64::from(sequence.wrapping_sub(newest as u16) as i16);
        let extended = newest.saturating_add_signed(ahead);
        self.extended = Some(newest.max(extended));
        self.passed.push(Frame { sequence: extended, timestamp, marker, payload });
    }

    pub(crate) fn heard(&mut self, pcm: &[i16]) {
        // What the room speaks too goes on as it came.
        if !self.takes_packets() && self.fresh.len() + pcm.len() <= self.fresh.capacity() {
            self.fresh.extend_from_slice(pcm);
        }
        self.play_out(pcm);
    }
}
