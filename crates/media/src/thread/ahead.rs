//! What the next few packets will touch, asked for all at once and one step after the other: where
//! the second thing lies is written in the first.

use super::{Thread, leg_of};
use crate::{
    batch::{BATCH, Inbound},
    leg::Leg,
    peer::Peer,
    room::Room,
    soon::soon,
    track::Track,
};
use mio::Token;
use trunkline_types::Time;

/// Sockets or rooms that are looked at together: what they touch fits into the caches.
pub(crate) const AHEAD: usize = 16;
/// Of a larger audience these are looked at.
const HEARERS: usize = 4;

impl Thread {
    /// Legs that have received something, and who hears them.
    pub(super) fn look_at_legs(&self, ready: &[Token]) {
        let legs = || ready.iter().filter_map(|token| self.legs.get(leg_of(*token).0)).map(|leg| &**leg);
        legs().for_each(soon);
        legs().filter_map(|leg| self.rooms.get(leg.room)).for_each(soon);
        legs().for_each(Leg::soon_parts);
        let tracks = || legs().filter_map(|leg| self.track_of(leg));
        tracks().for_each(soon);
        tracks().for_each(Track::soon_heard);
        let hearers = || tracks().flat_map(|track| track.subscribers.iter().take(HEARERS));
        let peers = || hearers().filter_map(|to| Some((self.peers.get(to.peer)?, to.section)));
        peers().for_each(|(peer, _)| peer.soon());
        peers().for_each(|(peer, section)| peer.soon_sending(section));
    }

    fn track_of(&self, leg: &Leg) -> Option<&Track> {
        self.rooms.get(leg.room)?.tracks.get(leg.track?)
    }

    /// Connections from which datagrams have come, and what they publish.
    pub(crate) fn look_at_peers(&self, inbound: &mut Inbound, count: usize) {
        let mut from = [None; BATCH];
        for (at, slot) in from.iter_mut().enumerate().take(count) {
            *slot = inbound.datagram(at).and_then(|(_, source)| self.addresses.get(source));
        }
        let peers = || from.iter().flatten().filter_map(|index| self.peers.get(*index));
        peers().for_each(Peer::soon);
        peers().for_each(Peer::soon_receiving);
        peers().filter_map(|peer| self.rooms.get(peer.room)).for_each(soon);
        peers().for_each(Peer::soon_sources);
        let tracks = || peers().filter_map(|peer| self.rooms.get(peer.room)?.tracks.get(peer.first_track()?));
        tracks().for_each(soon);
        tracks().for_each(Track::soon_heard);
        let downlinks = || tracks().filter_map(|track| track.downlink.as_deref());
        downlinks().for_each(soon);
        downlinks().for_each(|downlink| downlink.soon_pushed());
    }

    /// Rooms whose time has come, their phones, and what these will hear.
    pub(crate) fn look_at_rooms(&self, due: &[(usize, Time)]) {
        let rooms = || due.iter().filter_map(|(place, _)| self.rooms.get(*place));
        let tracks = || rooms().flat_map(|room: &Room| room.tracks.iter().map(|(_, track)| track));
        let legs = || rooms().flat_map(|room| &room.legs).filter_map(|leg| self.legs.get(*leg));
        rooms().for_each(soon);
        rooms().for_each(|room| soon(&room.legs[..]));
        tracks().for_each(soon);
        legs().for_each(|leg| soon(&**leg));
        let downlinks = || tracks().filter_map(|track| track.downlink.as_deref());
        downlinks().for_each(soon);
        downlinks().for_each(|downlink| downlink.soon_played());
        legs().for_each(|leg| leg.soon_parts());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::alone::parts;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn what_is_gone_is_looked_at_without_harm() {
        let (thread, ..) = Thread::new(&parts(), sync_channel(1).1).unwrap();
        thread.look_at_legs(&[]);
        thread.look_at_legs(&[Token(0), Token(7), Token(usize::MAX - 3)]);
        thread.look_at_rooms(&[]);
        thread.look_at_rooms(&[0, 9, usize::MAX].map(|place| (place, Time::default())));
        thread.look_at_peers(&mut Inbound::new(), BATCH);
        thread.look_at_peers(&mut Inbound::default(), 0);
    }
}
