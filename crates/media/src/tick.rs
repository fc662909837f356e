//! 20 ms of a room: everybody hears everybody but himself.

use crate::{
    frame::FRAME,
    loudness,
    said::Said,
    stages::Way,
    thread::{AHEAD, Thread},
    track::Origin,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use trunkline_audio::mix;
use trunkline_call::media::{MediaFact, peer::PeerFact, timings::Stage};
use trunkline_types::Time;

/// Frames between two reports of who speaks.
const REPORT_EVERY: u8 = (loudness::WINDOW / 20) as u8;
/// Such reports until one is made of what has not changed: a track that speaks may not have been
/// known to who was told.
const TOLD_AGAIN: u8 = 5;
/// Rooms that tick before the sockets have their turn again. A thread with more to do than it can
/// is late for all its rooms and deaf to nobody: what it does not read in time the kernel drops,
/// and with it those who are just connecting.
const TURN: usize = 256;

impl Thread {
    /// Ticks rooms whose time has come; whether there are more of them.
    pub(crate) fn tick_rooms(&mut self, now: Time) -> bool {
        let mut due = std::mem::take(&mut self.ticking);
        if due.is_empty() {
            self.busy.is_behind(self.wheel.behind(now), now);
            self.busy.left_out += self.wheel.due(now, &mut due);
        }
        let turn = due.len().min(TURN);
        for at in 0..turn {
            if at % AHEAD == 0 {
                self.look_at_rooms(&due[at..turn.min(at + AHEAD)]);
            }
            let (place, due) = due[at];
            if catch_unwind(AssertUnwindSafe(|| self.tick(place, due, now))).is_err() {
                let room = self.rooms.get(place).map(|room| room.sid.as_str());
                tracing::error!(room, "a fault while a room was mixed");
            }
        }
        due.drain(..turn);
        self.ticking = due;
        !self.ticking.is_empty()
    }

    /// A tick that was due then.
    fn tick(&mut self, place: usize, due: Time, now: Time) {
        self.ring(place, now);
        let before = self.stages.enter(Stage::Mix);
        self.mix(place, due, now);
        self.stages.enter(before);
        self.encode_builtins(place, now);
        let Some(room) = self.rooms.get_mut(place) else { return };
        for at in 0..room.legs.len() {
            let Some(leg) = room.legs.get(at).and_then(|index| self.legs.get_mut(*index)) else { continue };
            leg.check_silence(now, &mut self.facts);
            if leg.report_latency(now, &mut self.facts) {
                self.dropped += leg.newly_dropped();
            }
            leg.report_done(&mut self.facts);
            if let Some(until) = leg.draining
                && (now >= until || !room.is_speaking())
            {
                leg.draining = None;
                self.facts.push(MediaFact::Drained { leg: leg.key.clone() });
            }
        }
        room.until_report = room.until_report.saturating_sub(1);
        if room.until_report == 0 {
            room.until_report = REPORT_EVERY;
            self.report_speaking(place);
        }
        self.report_reception(place);
        self.tick_earlier(place);
    }

    /// Jitter buffers are asked for what is due: when a thread is late, nothing has waited for longer.
    fn mix(&mut self, place: usize, due: Time, now: Time) {
        let Some(room) = self.rooms.get_mut(place) else { return };
        if room.legs.is_empty() && room.builtins.is_empty() {
            return;
        }
        if self.relay(place, due, now) {
            return;
        }
        let Some(room) = self.rooms.get_mut(place) else { return };
        let length = room.frame();
        self.heard.clear();
        let is_mixed = room.is_mixed();
        let mut voices = [0; FRAME];
        let mut listens = false;
        for index in &room.legs {
            let mut leg = self.legs.get_mut(*index);
            if let Some(leg) = &mut leg {
                leg.mix(is_mixed);
                listens |= leg.is_started();
            }
            if is_mixed {
                let mut frame = [0; FRAME];
                if let Some(leg) = leg {
                    leg.hear(&mut frame[..length]);
                }
                mix::add(&mut voices[..length], &frame[..length]);
                self.heard.push(frame);
            }
        }
        let mut said = [0; FRAME];
        let mut spoken = room.legs.len() > 1;
        let mut oldest: Option<Time> = None;
        for (_, track) in &mut room.tracks {
            // Nothing is taken out before somebody listens: the first word is kept.
            if listens
                && !track.muted
                && let Some(downlink) = &mut track.downlink
            {
                let mut frame = [0; FRAME];
                let mixing = self.stages.enter(Stage::Decode);
                let has_voice = downlink.next(&mut frame[..length], due);
                self.stages.enter(mixing);
                if has_voice {
                    if let Some(begun) = downlink.begun() {
                        oldest = Some(oldest.map_or(begun, |oldest| oldest.min(begun)));
                        self.stages.timings.jitter_target.record(downlink.target());
                    }
                    mix::add(&mut said[..length], &frame[..length]);
                    spoken = true;
                }
            }
        }
        room.drop_finished();
        let mut wire = said;
        mix::add(&mut wire[..length], &voices[..length]);
        self.spoken_builtins.clear();
        for (participant, member) in &mut room.builtins {
            let heard_over_webrtc = room.tracks.iter().any(|(_, t)| {
                !t.subscribers.is_empty() && matches!(&t.origin, Origin::Builtin(held) if held == participant)
            });
            member.hear(&wire[..length]);
            spoken |= member.has_voice();
            let mut frame = [0; FRAME];
            member.speak(listens || heard_over_webrtc, &mut frame[..length]);
            mix::add(&mut said[..length], &frame[..length]);
            if heard_over_webrtc {
                self.spoken_builtins.push((participant.clone(), frame));
            }
        }
        for (at, index) in room.legs.iter().enumerate() {
            let mut mixed = said;
            for (other, frame) in self.heard.iter().enumerate() {
                if other != at {
                    mix::add(&mut mixed[..length], &frame[..length]);
                }
            }
            if let Some(leg) = self.legs.get_mut(*index) {
                let said = if spoken { Said::Pcm(&mixed[..length]) } else { Said::Nothing };
                leg.say(said, oldest, now, &mut self.buffer, &mut self.stages);
                if let Some(since) = leg.sent_since.take() {
                    self.stages.moves(*index, Way::Down, since);
                }
            }
        }
    }

    /// Where the only phone speaks the room's codec and hears at most one voice, packets go to it as they came.
    fn relay(&mut self, place: usize, due: Time, now: Time) -> bool {
        let Some(room) = self.rooms.get_mut(place) else { return false };
        let [index] = room.legs[..] else { return false };
        let Some(leg) = self.legs.get_mut(index).filter(|leg| leg.takes_packets()) else { return false };
        let mut voices = room.tracks.iter_mut().filter(|(_, t)| !t.muted && t.downlink.is_some());
        let (voice, others) = (voices.next(), voices.next());
        if !room.builtins.is_empty() || others.is_some() {
            return false;
        }
        leg.mix(false);
        // Nothing is taken out before somebody listens: the first word is kept.
        let mut downlink = voice.and_then(|(_, track)| track.downlink.as_mut()).filter(|_| leg.is_started());
        let frame = downlink.as_ref().map_or(0, |downlink| downlink.frame_ticks());
        let said = downlink.as_mut().map_or(Said::Nothing, |downlink| downlink.next_packet(due));
        let mut left = if let Said::Packet(_, ticks, _) = said { frame.saturating_sub(ticks) } else { 0 };
        let is_heard = leg.say(said, None, now, &mut self.buffer, &mut self.stages);
        while let Some(downlink) = downlink.as_mut().filter(|_| left > 0)
            && let Said::Packet(payload, ticks, _) = downlink.next_packet(due)
        {
            left = left.saturating_sub(ticks.max(1));
            if is_heard {
                leg.say_on(payload, ticks, &mut self.buffer, &mut self.stages);
            }
        }
        if let Some(since) = leg.sent_since.take() {
            self.stages.moves(index, Way::Down, since);
            if let Some(downlink) = downlink {
                self.stages.timings.jitter_target.record(downlink.target());
            }
        }
        room.drop_finished();
        true
    }

    /// What built-in participants said, to those who hear them over WebRTC.
    fn encode_builtins(&mut self, place: usize, now: Time) {
        let spoken = std::mem::take(&mut self.spoken_builtins);
        for (participant, frame) in &spoken {
            let Some(room) = self.rooms.get_mut(place) else { break };
            let (length, rate) = (room.frame(), room.rate);
            let own = |origin: &Origin| matches!(origin, Origin::Builtin(held) if held == participant);
            let Some((index, track)) = room.tracks.iter_mut().find(|(_, t)| own(&t.origin)) else { continue };
            track.loudness.pcm(&frame[..length], rate);
            if let Some(uplink) = &mut track.uplink {
                let before = self.stages.enter(Stage::Encode);
                uplink.spare(self.busy.is_sparing());
                uplink.push(&frame[..length], &mut self.frames);
                self.stages.enter(before);
            }
            self.send_frames(place, index, now);
        }
        self.spoken_builtins = spoken;
    }

    fn report_speaking(&mut self, place: usize) {
        let Some(room) = self.rooms.get_mut(place) else { return };
        if room.peers == 0 {
            return;
        }
        let (mut has_changed, mut speakers) = (false, 0);
        for (_, track) in &mut room.tracks {
            has_changed |= track.loudness.end_window();
            speakers += usize::from(track.loudness.level() > 0.0);
        }
        // A track that is gone speaks no more.
        has_changed |= std::mem::replace(&mut room.speakers, speakers) != speakers;
        room.windows_untold = if has_changed || speakers == 0 { 0 } else { room.windows_untold + 1 };
        if has_changed || room.windows_untold >= TOLD_AGAIN {
            room.windows_untold = 0;
            let levels = room.tracks.iter().map(|(_, track)| (track.sid.clone(), track.loudness.level()));
            let mut levels: Vec<_> = levels.filter(|(_, level)| *level > 0.0).collect();
            levels.sort_by(|a, b| b.1.total_cmp(&a.1));
            self.facts.push(MediaFact::Peer(PeerFact::Speaking { room: room.sid.clone(), levels }));
        }
    }
}
