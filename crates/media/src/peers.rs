//! The WebRTC connections of a thread: plans carried out, datagrams to whom they belong, packets
//! from track to subscribers.

use crate::{
    batch::BATCH,
    bypass,
    passing::Passing,
    peer::{Arrived, Heard, Peer},
    rtc_socket::stun_ufrag,
    thread::{RTC_BUDGET, Thread},
    track::{Origin, Subscriber, Track},
    uplink::Uplink,
    voice::milliseconds,
};
use std::{
    cmp::Reverse,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};
use str0m::net::Protocol;
use trunkline_call::media::{
    MediaFact,
    peer::{PeerFact, PeerKey, PeerMedia, PeerPlan, Side, TrackOrigin},
    timings::Stage,
};
use trunkline_types::{ParticipantSid, RoomSid, Time, TrackSid, VoiceCodec};

/// Ticks of a video's timestamps a second.
const VIDEO_CLOCK: u32 = 90_000;

/// Does something that may be at fault.
fn caught<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(work))
}

impl Thread {
    pub(crate) fn peer_plan(&mut self, plan: PeerPlan, now: Time) {
        match plan {
            PeerPlan::Offer { peer, room, codec, sdp, id, renew } => {
                let index = self.peer(&peer, &room, codec, now);
                let answered = self.guarded(index, |held| held.answer(&sdp, &renew));
                self.tell(index, peer, answered, now, |peer, sdp| PeerFact::Answered { peer, sdp, id });
            }
            PeerPlan::MakeOffer { peer, room, codec, add, remove, restart_ice } => {
                let index = self.peer(&peer, &room, codec, now);
                let offered = self.guarded(index, |held| held.offer(&add, &remove, restart_ice));
                self.tell(index, peer, offered, now, |peer, (sdp, sections)| PeerFact::Offered { peer, sdp, sections });
            }
            PeerPlan::Answer { peer, sdp } => {
                let Some(index) = self.peer_index.get(&peer).copied() else { return };
                if let Some(Err(why)) = self.guarded(index, |held| held.accept(&sdp)) {
                    self.facts.push(MediaFact::Peer(PeerFact::Failed { peer, why }));
                }
                self.note_ufrags(index);
            }
            PeerPlan::Publish { room, track, origin } => self.publish(&room, track, &origin, now),
            PeerPlan::Unpublish { room, track } => self.unpublish(&room, &track),
            PeerPlan::MuteTrack { room, track, muted } => {
                if let Some(track) = self.track(&room, &track) {
                    track.muted = muted;
                    track.hush();
                }
            }
            PeerPlan::Subscribe { peer, mid, track } => self.subscribe(&peer, &mid, &track, now),
            PeerPlan::Unsubscribe { peer, mid } => self.unsubscribe(&peer, &mid),
            PeerPlan::SendData { to, reliable, payload, .. } => {
                for participant in to {
                    let Some(index) = self.data_peer(&participant) else { continue };
                    if let Some(peer) = self.peers.get_mut(index) {
                        peer.send_data(reliable, payload.clone());
                    }
                    self.drive(index, now);
                }
            }
            PeerPlan::Close { participant } => {
                for side in [Side::Publisher, Side::Subscriber] {
                    let key = PeerKey { participant: participant.clone(), side };
                    if let Some(index) = self.peer_index.get(&key).copied() {
                        self.remove_peer(index);
                    }
                }
            }
        }
        self.settle(now);
    }

    /// The connection, made when it is new.
    fn peer(&mut self, key: &PeerKey, room: &RoomSid, codec: VoiceCodec, now: Time) -> usize {
        if let Some(index) = self.peer_index.get(key) {
            return *index;
        }
        let place = self.room(room, now);
        let peer = Peer::new(key.clone(), place, codec, &self.stack, &self.candidates, self.instant(now));
        let index = self.peers.insert(peer);
        self.peer_index.insert(key.clone(), index);
        let Some(held) = self.rooms.get_mut(place) else { return index };
        held.peers += 1;
        held.codec = codec;
        for leg in &held.legs {
            if let Some(leg) = self.legs.get_mut(*leg) {
                leg.room_codec(codec);
            }
        }
        index
    }

    /// Does something to a connection; `None` if that was a fault.
    fn guarded<T>(&mut self, index: usize, work: impl FnOnce(&mut Peer) -> T) -> Option<T> {
        let peer = self.peers.get_mut(index)?;
        caught(|| work(peer)).ok()
    }

    fn tell<T>(
        &mut self,
        index: usize,
        peer: PeerKey,
        outcome: Option<Result<T, String>>,
        now: Time,
        fact: impl FnOnce(PeerKey, T) -> PeerFact,
    ) {
        match outcome {
            Some(Ok(made)) => {
                self.note_ufrags(index);
                self.facts.push(MediaFact::Peer(fact(peer, made)));
                self.drive(index, now);
            }
            Some(Err(why)) => self.facts.push(MediaFact::Peer(PeerFact::Failed { peer, why })),
            None => self.peer_fault(index),
        }
    }

    fn note_ufrags(&mut self, index: usize) {
        let Some(peer) = self.peers.get(index) else { return };
        for ufrag in &peer.ufrags {
            self.by_ufrag.insert(ufrag.clone(), index);
            self.names.note(ufrag, self.index);
        }
    }

    /// The connection over which data for a participant goes.
    fn data_peer(&self, participant: &ParticipantSid) -> Option<usize> {
        [Side::Subscriber, Side::Publisher]
            .into_iter()
            .find_map(|side| self.peer_index.get(&PeerKey { participant: participant.clone(), side }).copied())
    }

    fn track(&mut self, room: &RoomSid, sid: &TrackSid) -> Option<&mut Track> {
        let room = self.rooms.named(room)?;
        room.tracks.get_mut(*room.by_sid.get(sid)?)
    }

    fn publish(&mut self, room: &RoomSid, sid: TrackSid, origin: &TrackOrigin, now: Time) {
        let found = match origin {
            TrackOrigin::Peer { peer, media, .. } => {
                self.peer_index.get(peer).map(|index| Origin::Peer { peer: *index, video: *media == PeerMedia::Video })
            }
            TrackOrigin::Leg(leg) => self.leg_index(leg).map(Origin::Leg),
            TrackOrigin::Builtin(participant) => Some(Origin::Builtin(participant.clone())),
        };
        let Some(found) = found else { return };
        self.next_track += 1;
        let id = self.next_track;
        let place = self.room(room, now);
        let Some(held) = self.rooms.get_mut(place) else { return };
        let index = match held.by_sid.get(&sid).copied() {
            Some(index) => {
                if let Some(track) = held.tracks.get_mut(index) {
                    track.origin = found.clone();
                    track.id = id;
                    track.downlink = None;
                }
                index
            }
            None => {
                let index = held.tracks.insert(Track::new(sid.clone(), found.clone(), id));
                held.by_sid.insert(sid, index);
                index
            }
        };
        match (&found, origin) {
            (Origin::Peer { peer, .. }, TrackOrigin::Peer { mid, .. }) => {
                if let Some(peer) = self.peers.get_mut(*peer) {
                    peer.publish(mid, index);
                }
            }
            (Origin::Leg(leg), _) => {
                if let Some(leg) = self.legs.get_mut(*leg) {
                    leg.track = Some(index);
                }
            }
            _ => {}
        }
    }

    fn unpublish(&mut self, room: &RoomSid, sid: &TrackSid) {
        let Some(held) = self.rooms.named(room) else { return };
        let Some(index) = held.by_sid.get(sid).copied() else { return };
        let Some(track) = held.tracks.get(index) else { return };
        let origin = track.origin.clone();
        held.retire(index);
        match origin {
            Origin::Peer { peer, .. } => {
                if let Some(peer) = self.peers.get_mut(peer) {
                    peer.unpublish(index);
                }
            }
            Origin::Leg(leg) => {
                if let Some(leg) = self.legs.get_mut(leg) {
                    leg.track = None;
                }
            }
            Origin::Builtin(_) | Origin::Gone => {}
        }
    }

    fn subscribe(&mut self, key: &PeerKey, mid: &str, sid: &TrackSid, now: Time) {
        self.unsubscribe(key, mid);
        let Some(index) = self.peer_index.get(key).copied() else { return };
        let Some(peer) = self.peers.get_mut(index) else { return };
        let section = peer.section(mid);
        let place = peer.room;
        let quality = self.quality;
        let (mut keyframe, instant) = (None, self.instant(now));
        let Some(room) = self.rooms.get_mut(place) else { return };
        let (rate, codec) = (room.rate, room.codec);
        if let Some(track) = room.by_sid.get(sid).and_then(|at| room.tracks.get_mut(*at)) {
            track.subscribers.push(Subscriber { peer: index, section });
            match track.origin {
                Origin::Peer { peer, video: true } => keyframe = Some(peer),
                Origin::Builtin(_) if track.uplink.is_none() => {
                    track.uplink = Uplink::new(codec, rate, quality).map(Box::new);
                }
                // The encoder of a caller's voice is made when it speaks: its codec may change.
                Origin::Peer { .. } | Origin::Leg(_) | Origin::Builtin(_) | Origin::Gone => {}
            }
        }
        if let Some(publisher) = keyframe
            && let Some(track) = room.by_sid.get(sid).copied()
            && let Some(publisher) = self.peers.get_mut(publisher)
        {
            publisher.ask_keyframe(track, instant);
        }
    }

    fn unsubscribe(&mut self, key: &PeerKey, mid: &str) {
        let Some(index) = self.peer_index.get(key).copied() else { return };
        let Some(peer) = self.peers.get_mut(index) else { return };
        let section = peer.section(mid);
        if let Some(held) = peer.sections.get_mut(section) {
            held.numbers.restart();
        }
        let place = peer.room;
        let gone = Subscriber { peer: index, section };
        for (_, track) in self.rooms.get_mut(place).into_iter().flat_map(|r| &mut r.tracks) {
            track.subscribers.retain(|held| *held != gone);
            if track.subscribers.is_empty() {
                track.uplink = None;
            }
        }
    }

    /// Takes a connection out of everything that knows it.
    pub(crate) fn remove_peer(&mut self, index: usize) {
        let Some(peer) = self.peers.try_remove(index) else { return };
        self.peer_index.remove(&peer.key);
        self.by_ufrag.retain(|_, held| *held != index);
        self.names.forget(&peer.ufrags);
        self.close_streams(index);
        self.addresses.forget(index);
        self.due.retain(|Reverse((_, held))| *held != index);
        if let Some(room) = self.rooms.get_mut(peer.room) {
            room.peers = room.peers.saturating_sub(1);
            let mut gone = Vec::new();
            for (at, track) in &mut room.tracks {
                track.subscribers.retain(|s| s.peer != index);
                if track.subscribers.is_empty() {
                    track.uplink = None;
                }
                if matches!(track.origin, Origin::Peer { peer, .. } if peer == index) {
                    gone.push(at);
                }
            }
            for at in gone {
                room.retire(at);
            }
        }
        self.forget_if_empty(peer.room);
    }

    /// Reads the shared socket; whether there may be more.
    pub(crate) fn receive_rtc(&mut self, now: Time) -> bool {
        let mut inbound = std::mem::take(&mut self.inbound);
        let mut more = true;
        for _ in 0..RTC_BUDGET {
            let before = self.stages.enter(Stage::Receive);
            let (read, full) = inbound.read::<BATCH>(&self.socket);
            self.stages.enter(before);
            self.look_at_peers(&mut inbound, read);
            for at in 0..read {
                if let Some((datagram, from)) = inbound.datagram(at) {
                    self.datagram(datagram, from, now);
                }
            }
            if !full {
                more = false;
                break;
            }
        }
        self.inbound = inbound;
        self.settle(now);
        more
    }

    pub(crate) fn datagram(&mut self, datagram: &mut [u8], from: SocketAddr, now: Time) {
        let known = self.addresses.get(from);
        if let Some(index) = known
            && bypass::is_media(datagram)
            && self.hear_peer(index, datagram, now)
        {
            return;
        }
        let index = match known {
            Some(index) => index,
            // From an address nobody knows only a binding request with one of our names counts.
            None => {
                let Some(index) = stun_ufrag(datagram).and_then(|ufrag| self.by_ufrag.get(ufrag)).copied() else {
                    return;
                };
                index
            }
        };
        // A client that reuses a port for a new connection names it in its binding request.
        let index = match stun_ufrag(datagram).and_then(|ufrag| self.by_ufrag.get(ufrag)) {
            Some(named) => *named,
            None => index,
        };
        // Who only claims to be a client must not take its place.
        let is_stranger = known != Some(index);
        let arrived = Arrived { datagram, from, protocol: Protocol::Udp, is_stranger };
        if self.take_in(index, arrived, now) && is_stranger && self.peers.contains(index) {
            self.addresses.note(from, index);
        }
    }

    /// Forwards audio of a connection that comes past its stack; `false` for what the stack must see.
    pub(crate) fn hear_peer(&mut self, index: usize, datagram: &mut [u8], now: Time) -> bool {
        let Some(peer) = self.peers.get_mut(index) else { return false };
        let before = self.stages.enter(Stage::RtcIn);
        let heard = caught(|| peer.hear(datagram, now));
        self.stages.enter(Stage::RtcOut);
        let is_foreign = matches!(heard, Ok(Heard::Foreign));
        match heard {
            Ok(Heard::Audio(track, packet)) => self.forward(index, track, &packet, now),
            Ok(Heard::Foreign | Heard::Dropped) => {}
            Err(_) => self.peer_fault(index),
        }
        self.stages.enter(before);
        !is_foreign
    }

    /// Gives a connection what came for it; returns whether that was meant for it.
    pub(crate) fn take_in(&mut self, index: usize, arrived: Arrived<'_>, now: Time) -> bool {
        let instant = self.instant(now);
        let Some(to) = self.candidates.facing(arrived.from, arrived.protocol) else { return false };
        let Some(peer) = self.peers.get_mut(index) else { return false };
        let before = self.stages.enter(Stage::RtcIn);
        let taken = caught(|| peer.receive(&arrived, to, instant));
        match taken {
            Ok(true) => self.drive(index, now),
            Ok(false) => {}
            Err(_) => self.peer_fault(index),
        }
        self.stages.enter(before);
        taken.unwrap_or(false)
    }

    /// Wakes the connections whose time has come.
    pub(crate) fn wake_peers(&mut self, now: Time) {
        let instant = self.instant(now);
        let before = self.stages.enter(Stage::RtcOut);
        while let Some(Reverse((listed, index))) = self.due.peek().copied()
            && listed <= instant
        {
            self.due.pop();
            let Some(peer) = self.peers.get_mut(index).filter(|p| p.listed == Some(listed)) else { continue };
            peer.listed = None;
            match peer.due {
                Some(at) if at <= instant => {
                    peer.due = None;
                    if caught(|| peer.wake(instant)).is_err() {
                        self.peer_fault(index);
                        continue;
                    }
                    self.drive(index, now);
                }
                // Packets have moved its time meanwhile.
                Some(_) => self.list(index),
                None => {}
            }
        }
        self.stages.enter(before);
        self.settle(now);
    }

    /// Sends what a connection has to send and takes out what it has to tell.
    pub(crate) fn drive(&mut self, index: usize, now: Time) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let (socket, outbound, outbox) = (&self.socket, &mut self.outbound, &mut self.outbox);
        match caught(|| peer.drain(index, now, socket, outbound, outbox)) {
            Err(_) => self.peer_fault(index),
            Ok(Err(why)) => {
                tracing::debug!(participant = %peer.key.participant, %why, "a connection has failed");
                let key = peer.key.clone();
                self.outbox.facts.push(PeerFact::Lost { peer: key });
            }
            Ok(Ok(())) => self.list(index),
        }
    }

    /// Puts a connection on the list of those with something to do, unless it is there for an
    /// earlier time.
    fn list(&mut self, index: usize) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let Some(at) = peer.due.filter(|at| peer.listed.is_none_or(|listed| *at < listed)) else { return };
        peer.listed = Some(at);
        self.due.push(Reverse((at, index)));
    }

    /// Forwards what connections have received, until nothing is left to do.
    pub(crate) fn settle(&mut self, now: Time) {
        let before = self.stages.enter(Stage::RtcOut);
        while !self.outbox.packets.is_empty() || !self.outbox.keyframes.is_empty() {
            let mut packets = std::mem::take(&mut self.outbox.packets);
            for (publisher, track, packet) in packets.drain(..) {
                self.forward(publisher, track, &Passing::of_stack(&packet), now);
            }
            if self.outbox.packets.is_empty() {
                self.outbox.packets = packets;
            }
            for (index, mid) in std::mem::take(&mut self.outbox.keyframes) {
                self.keyframe(index, mid, now);
            }
        }
        for fact in self.outbox.facts.drain(..) {
            // Of two connections the one we offer on carries the data for the client.
            if let PeerFact::DataOpen { participant, side: Side::Publisher, .. } = &fact
                && self.peer_index.contains_key(&PeerKey { participant: participant.clone(), side: Side::Subscriber })
            {
                continue;
            }
            self.facts.push(MediaFact::Peer(fact));
        }
        self.stages.enter(before);
    }

    fn keyframe(&mut self, index: usize, mid: str0m::media::Mid, now: Time) {
        let Some(peer) = self.peers.get(index) else { return };
        let Some(section) = peer.sections.iter().position(|s| s.mid == mid) else { return };
        let wanted = Subscriber { peer: index, section };
        let Some(room) = self.rooms.get(peer.room) else { return };
        let found = room.tracks.iter().find(|(_, t)| t.subscribers.contains(&wanted));
        if let Some((track, Track { origin: Origin::Peer { peer: publisher, .. }, .. })) = found {
            let (publisher, instant) = (*publisher, self.instant(now));
            if let Some(held) = self.peers.get_mut(publisher) {
                held.ask_keyframe(track, instant);
            }
            self.drive(publisher, now);
        }
    }

    /// One packet of a publisher to everybody who hears or sees it.
    fn forward(&mut self, publisher: usize, index: usize, packet: &Passing<'_>, now: Time) {
        let instant = self.instant(now);
        let Some(room) = self.peers.get(publisher).and_then(|peer| self.rooms.get_mut(peer.room)) else { return };
        let Some(track) = room.tracks.get_mut(index) else { return };
        let Origin::Peer { video, .. } = track.origin else { return };
        let clock = if video { VIDEO_CLOCK } else { room.codec.clock() };
        track.arrivals.note(track.id, packet.sequence, packet.timestamp, clock, now);
        if let Some(level) = packet.level
            && !track.muted
        {
            track.loudness.dbov(level.level, milliseconds(room.codec, packet.payload.bytes()));
        }
        let payload = packet.payload.bytes();
        if track.is_for_phones() && !track.muted && !payload.is_empty() {
            if room.legs.is_empty() {
                track.recent.keep(packet, now);
            } else {
                if track.downlink.is_none() {
                    track.open_downlink(room.codec, room.rate, self.jitter, now);
                }
                if let Some(downlink) = &mut track.downlink {
                    downlink.push(packet.sequence as u16, packet.timestamp, packet.marker, payload, now);
                }
            }
        }
        for Subscriber { peer, section } in &track.subscribers {
            if let Some(held) = self.peers.get_mut(*peer)
                && held.forward(*section, track, packet, instant, &self.socket, &mut self.outbound)
            {
                self.touched.push(*peer);
            }
        }
        self.drive_touched(now);
    }

    /// Listeners are driven once a packet is with all of them.
    pub(crate) fn drive_touched(&mut self, now: Time) {
        let mut touched = std::mem::take(&mut self.touched);
        let instant = self.instant(now);
        for index in touched.drain(..) {
            // What was written leaves with the next time that passes.
            let woken = self.peers.get_mut(index).map(|peer| caught(|| peer.wake(instant)));
            match woken {
                Some(Err(_)) => self.peer_fault(index),
                _ => self.drive(index, now),
            }
        }
        self.touched = touched;
    }
}
