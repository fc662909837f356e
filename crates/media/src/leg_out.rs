//! What a SIP leg says: the room's voices, packets as they came, keys, comfort noise, reports.

use crate::{
    frame::{FRAME, take},
    leg::{Leg, REPORT_EVERY},
    leg_codec::PACKET_SAMPLES,
    said::Said,
    stages::Stages,
};
use trunkline_audio::tone::Dtmf;
use trunkline_call::media::timings::Stage;
use trunkline_rtp::{DtmfPacket, DtmfTick, HEADER_BYTES, digit_of, rtcp, write_header};
use trunkline_types::Time;

/// The peak of each of the two tones of a key.
const KEY_LOUDNESS: i16 = 5_800;

impl Leg {
    /// Takes 20 ms of the room, of which the oldest came at `since`, and sends a packet when one is
    /// full. Whether it was the room that was listened to.
    pub(crate) fn say(
        &mut self,
        said: Said<'_>,
        since: Option<Time>,
        now: Time,
        buffer: &mut [u8],
        stages: &mut Stages,
    ) -> bool {
        let mut played = [0; FRAME];
        let own = self.codec.samples_in(20).min(FRAME);
        let is_played_to = self.media.is_some() && self.play_on(&mut played[..own]);
        // Until the call is answered the room is not for the far end, but what is played to it is.
        if self.started.is_none() && !is_played_to {
            return false;
        }
        let Some(media) = self.media.as_ref().filter(|m| m.flowing.send) else { return false };
        let event_type = media.telephone_event;
        let samples = self.codec.samples_in(usize::try_from(media.ptime.as_millis()).unwrap_or(20).clamp(10, 60));
        let payload_type = media.payload_type;
        if self.out.capacity() == 0 {
            self.make_room_to_say();
        }
        let key = self.keys.tick(self.timestamp);
        let is_of_room = !is_played_to && !matches!(key, DtmfTick::Event(_));
        match (key, event_type) {
            (DtmfTick::Event(event), Some(event_type)) => {
                self.send(event.marker, event_type, event.timestamp, &event.payload, buffer, stages);
                self.timestamp = self.timestamp.wrapping_add(self.codec.ticks(self.codec.samples_in(20)));
            }
            (DtmfTick::Event(event), None) => self.press_aloud(event),
            _ if is_played_to => self.out.extend(&played[..own]),
            _ => self.pass_said(said, since, payload_type, buffer, stages),
        }
        while self.out.len() >= samples {
            let mut pcm = [0; PACKET_SAMPLES];
            take(&mut self.out, &mut pcm[..samples]);
            let mut payload = [0; PACKET_SAMPLES / 2];
            let before = stages.enter(Stage::Encode);
            let bytes = self.codec.encode(&pcm[..samples], &mut payload);
            stages.enter(before);
            let timestamp = self.timestamp;
            self.send(self.stats.packets_out == 0, payload_type, timestamp, &payload[..bytes], buffer, stages);
            self.sent_since = self.sent_since.or(self.waiting_since.take());
            self.timestamp = self.timestamp.wrapping_add(self.codec.ticks(samples));
        }
        self.report(now, buffer);
        is_of_room
    }

    /// What comes after a packet that is shorter than 20 ms, in the same 20 ms.
    pub(crate) fn say_on(&mut self, payload: &[u8], ticks: u32, buffer: &mut [u8], stages: &mut Stages) {
        if let Some(payload_type) = self.media.as_ref().map(|media| media.payload_type) {
            self.relay(payload_type, payload, ticks, buffer, stages);
        }
    }

    /// 20 ms of the room.
    fn pass_said(
        &mut self,
        said: Said<'_>,
        since: Option<Time>,
        payload_type: u8,
        buffer: &mut [u8],
        stages: &mut Stages,
    ) {
        match said {
            Said::Pcm(frame) => {
                self.waiting_since = self.waiting_since.or(since);
                self.mixed_in(frame);
            }
            Said::Nothing if self.codec.is_opus() => self.quiet(payload_type, buffer, stages),
            Said::Nothing => {
                let mut own = [0; FRAME];
                let length = self.codec.samples_in(20).min(FRAME);
                self.noise.fill(&mut own[..length]);
                self.out.extend(&own[..length]);
            }
            Said::Packet(payload, ticks, came) => {
                self.relay(payload_type, payload, ticks, buffer, stages);
                self.sent_since = Some(came);
            }
            Said::Skipped => {}
            Said::Lost => {
                self.sequence = self.sequence.wrapping_add(1);
                self.timestamp = self.timestamp.wrapping_add(self.codec.ticks(self.codec.samples_in(20)));
            }
        }
    }

    /// A key where the far end takes no events: its two tones, for as long as the event would be.
    fn press_aloud(&mut self, event: DtmfPacket) {
        let mut own = [0; FRAME];
        let length = self.codec.samples_in(20).min(FRAME);
        let [code, flags, ..] = event.payload;
        if event.marker {
            let key = digit_of(code).unwrap_or('0');
            self.key_tone = Dtmf::new(key, KEY_LOUDNESS, self.codec.rate());
        }
        // The end is repeated for those who lose packets; a tone has but one.
        if flags & 0x80 == 0
            && let Some(tone) = &mut self.key_tone
        {
            tone.fill(&mut own[..length]);
        }
        self.out.extend(&own[..length]);
    }

    fn mixed_in(&mut self, frame: &[i16]) {
        match &mut self.resamplers {
            None => self.out.extend(frame),
            Some(resamplers) => {
                let mut own = [0; FRAME];
                let made = resamplers.1.process(frame, &mut own);
                self.out.extend(&own[..made.min(FRAME)]);
            }
        }
    }

    /// A packet of the room as it came.
    fn relay(&mut self, payload_type: u8, payload: &[u8], ticks: u32, buffer: &mut [u8], stages: &mut Stages) {
        self.out.clear();
        self.waiting_since = None;
        let timestamp = self.timestamp;
        self.send(self.stats.packets_out == 0, payload_type, timestamp, payload, buffer, stages);
        self.timestamp = timestamp.wrapping_add(ticks);
    }

    /// A frame of comfort noise, which is encoded once.
    fn quiet(&mut self, payload_type: u8, buffer: &mut [u8], stages: &mut Stages) {
        let mut payload = [0; PACKET_SAMPLES / 2];
        let mut quiet = std::mem::take(&mut self.quiet);
        if quiet.is_empty() {
            let mut own = [0; FRAME];
            self.noise.fill(&mut own);
            let length = self.codec.encode(&own, &mut payload);
            quiet = payload[..length].into();
        }
        let ticks = self.codec.ticks(self.codec.samples_in(20));
        self.relay(payload_type, &quiet, ticks, buffer, stages);
        self.quiet = quiet;
    }

    fn send(
        &mut self,
        marker: bool,
        payload_type: u8,
        timestamp: u32,
        payload: &[u8],
        buffer: &mut [u8],
        stages: &mut Stages,
    ) {
        let Some(remote) = self.lock.source().or(self.media.as_ref().and_then(|m| m.remote)) else { return };
        let header = write_header(marker, payload_type, self.sequence, timestamp, self.ssrc);
        let length = HEADER_BYTES + payload.len();
        buffer[..HEADER_BYTES].copy_from_slice(&header);
        buffer[HEADER_BYTES..length].copy_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.stats.packets_out += 1;
        self.stats.bytes_out += payload.len() as u64;
        let length = match &mut self.secured {
            None => length,
            Some(secured) => {
                let before = stages.enter(Stage::Srtp);
                let protected = secured.outward.protect_rtp(buffer, length);
                stages.enter(before);
                match protected {
                    Ok(length) => length,
                    Err(_) => return,
                }
            }
        };
        let before = stages.enter(Stage::Send);
        // What the network refuses is lost, as any datagram may be.
        let _ = self.rtp.send_to(&buffer[..length], remote);
        stages.enter(before);
    }

    fn report(&mut self, now: Time, buffer: &mut [u8]) {
        if now < self.next_report {
            return;
        }
        self.next_report = now + REPORT_EVERY;
        let Some(remote) = self.media.as_ref().and_then(|m| m.remote_rtcp) else { return };
        let report = rtcp::Report {
            ssrc: self.ssrc,
            timestamp: self.timestamp,
            packets: self.stats.packets_out as u32,
            bytes: self.stats.bytes_out as u32,
            source: self.remote_ssrc,
            lost: u32::try_from(self.reception.lost()).unwrap_or(u32::MAX),
            highest: self.reception.highest(),
            jitter: self.reception.jitter() as u32,
        };
        let (last_report, delay) = self.round_trip.echo(now);
        let feedback = rtcp::Feedback { fraction_lost: self.reception.fraction_lost(), last_report, delay };
        let written = rtcp::write_with(&report, feedback, now);
        buffer[..written.len()].copy_from_slice(&written);
        let length = match &mut self.secured {
            None => written.len(),
            Some(secured) => match secured.outward.protect_rtcp(buffer, written.len()) {
                Ok(length) => length,
                Err(_) => return,
            },
        };
        let _ = self.rtcp.send_to(&buffer[..length], remote);
    }
}
