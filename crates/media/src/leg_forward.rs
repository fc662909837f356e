//! What a room hears of a leg over WebRTC: the caller's voice, or a ringing tone until there is one.

use crate::{
    frame::FRAME,
    passing::Passing,
    stages::Way,
    thread::Thread,
    track::{Fed, Subscriber, Track},
    uplink::Uplink,
    voice::{Law, milliseconds},
};
use trunkline_call::media::timings::Stage;
use trunkline_types::{Time, VoiceCodec};

/// A packet of Opus without speech is no longer than this, in bytes.
const OPUS_PAUSE: usize = 8;
/// How loud speech is said to be that nobody has decoded, in −dBov.
const OPUS_LEVEL: u8 = 20;

impl Thread {
    /// What a caller has said since the last time, to everybody who hears him over WebRTC.
    pub(crate) fn forward_leg(&mut self, index: usize, now: Time) {
        let Some(leg) = self.legs.get_mut(index) else { return };
        if leg.fresh.is_empty() && leg.passed.is_empty() {
            return;
        }
        if self.busy.is_resting() && !leg.fresh.is_empty() {
            leg.gap = leg.gap.saturating_add(u32::try_from(leg.fresh.len()).unwrap_or(u32::MAX));
            leg.fresh.clear();
            leg.passed.clear();
            return;
        }
        let Some(room) = self.rooms.get_mut(leg.room) else { return };
        let codec = room.codec;
        let found = leg.track.and_then(|at| room.tracks.get_mut(at));
        let is_heard = found.as_ref().is_some_and(|track| !track.subscribers.is_empty());
        if let Some(track) = found
            && !track.muted
        {
            track.loudness.pcm(&leg.fresh, leg.rate());
            if !leg.passed.is_empty() {
                track.is_fed(Fed::Passed, &mut self.next_track);
            }
            for frame in leg.passed.iter() {
                note_level(track, codec, frame.payload);
                self.frames.push(frame);
            }
            let rate = leg.rate();
            if !track.subscribers.is_empty() && !leg.fresh.is_empty() {
                track.is_fed(Fed::Encoded, &mut self.next_track);
                if track.uplink.as_ref().is_none_or(|held| held.rate() != rate) {
                    track.renew(Uplink::new(codec, rate, self.quality), &mut self.next_track);
                }
            }
            if let Some(uplink) = &mut track.uplink {
                if leg.gap > 0 {
                    uplink.skip(leg.gap);
                }
                let before = self.stages.enter(Stage::Encode);
                uplink.spare(self.busy.is_sparing());
                uplink.push(&leg.fresh, &mut self.frames);
                self.stages.enter(before);
            }
        }
        leg.gap = 0;
        leg.fresh.clear();
        leg.passed.clear();
        let (place, track) = (leg.room, leg.track);
        if let Some(track) = track {
            if !self.frames.is_empty() && is_heard {
                self.stages.moves(index, Way::Up, now);
            }
            self.send_frames(place, track, now);
        }
    }

    /// 20 ms of the ringing tone of each leg of a room that has one.
    pub(crate) fn ring(&mut self, place: usize, now: Time) {
        let Some(legs) = self.rooms.get(place).map(|room| room.legs.len()) else { return };
        for at in 0..legs {
            let Some(index) = self.rooms.get(place).and_then(|room| room.legs.get(at)).copied() else { return };
            let Some(leg) = self.legs.get_mut(index) else { continue };
            let mut frame = [0; FRAME];
            let Some(length) = leg.ring(&mut frame) else { continue };
            let (rate, track) = (leg.rate(), leg.track);
            let Some(room) = self.rooms.get_mut(place) else { return };
            let codec = room.codec;
            let Some((at, track)) = track.and_then(|at| Some((at, room.tracks.get_mut(at)?))) else { continue };
            if track.muted {
                continue;
            }
            track.loudness.pcm(&frame[..length], rate);
            if track.subscribers.is_empty() {
                continue;
            }
            track.is_fed(Fed::Encoded, &mut self.next_track);
            if track.uplink.as_ref().is_none_or(|held| held.rate() != rate) {
                track.renew(Uplink::new(codec, rate, self.quality), &mut self.next_track);
            }
            if let Some(uplink) = &mut track.uplink {
                let before = self.stages.enter(Stage::Encode);
                uplink.spare(self.busy.is_sparing());
                uplink.push(&frame[..length], &mut self.frames);
                self.stages.enter(before);
            }
            self.send_frames(place, at, now);
        }
    }

    /// Sends encoded frames of a voice of our own to its subscribers.
    pub(crate) fn send_frames(&mut self, place: usize, index: usize, now: Time) {
        if self.frames.is_empty() {
            return;
        }
        let before = self.stages.enter(Stage::RtcOut);
        let instant = self.instant(now);
        let frames = std::mem::take(&mut self.frames);
        if let Some(track) = self.rooms.get(place).and_then(|room| room.tracks.get(index)) {
            for packet in frames.iter().map(Passing::of_frame) {
                for Subscriber { peer, section } in &track.subscribers {
                    if let Some(held) = self.peers.get_mut(*peer)
                        && held.forward(*section, track, &packet, instant, &self.socket, &mut self.outbound)
                    {
                        self.touched.push(*peer);
                    }
                }
            }
        }
        self.frames = frames;
        self.frames.clear();
        self.drive_touched(now);
        self.stages.enter(before);
    }
}

/// How loud a packet is. Of Opus only a decoder knows it; one without speech has a few bytes.
fn note_level(track: &mut Track, codec: VoiceCodec, payload: &[u8]) {
    match Law::of(codec) {
        None if payload.len() > OPUS_PAUSE => track.loudness.dbov(OPUS_LEVEL, milliseconds(codec, payload)),
        None => {}
        Some(law) => {
            let mut pcm = [0; FRAME];
            let samples = law.decode(payload, &mut pcm);
            track.loudness.pcm(&pcm[..samples], codec.clock());
        }
    }
}
