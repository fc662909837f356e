//! How publishers' packets arrive is told now and then.

use crate::{room::RECEPTION_EVERY, thread::Thread, track::Origin};
use trunkline_call::media::{MediaFact, peer::PeerFact};

impl Thread {
    /// Tells now and then how the tracks of the room's publishers arrive.
    pub(crate) fn report_reception(&mut self, place: usize) {
        let Some(room) = self.rooms.get_mut(place) else { return };
        room.until_reception = room.until_reception.saturating_sub(1);
        if room.until_reception > 0 {
            return;
        }
        room.until_reception = RECEPTION_EVERY;
        if room.peers == 0 {
            return;
        }
        let of_peers = room.tracks.iter_mut().filter(|(_, t)| matches!(t.origin, Origin::Peer { .. }));
        let tracks = of_peers.map(|(_, track)| (track.sid.clone(), track.arrivals.take())).collect();
        self.facts.push(MediaFact::Peer(PeerFact::Received { room: room.sid.clone(), tracks }));
    }
}
