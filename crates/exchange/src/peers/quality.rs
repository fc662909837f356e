//! How good the connections of a room's clients are, as far as what they publish tells.

use crate::{Exchange, Output};
use std::{collections::BTreeMap, time::Duration};
use trunkline_call::media::peer::Reception;
use trunkline_room::signal::{Quality, Response};
use trunkline_types::{ParticipantSid, RoomSid, TrackSid};

/// Lost packets of a hundred from which a connection is no longer excellent, and from which it is
/// poor: concealment hides fewer, and hides no more.
const LOSS: [u64; 2] = [3, 10];
/// Jitter from which it is no longer excellent, and from which it is poor.
const JITTER: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(150)];
/// Of fewer packets nothing is concluded: one that is late would weigh too much.
const ENOUGH: u64 = 10;

impl Exchange {
    /// A media thread says how tracks have arrived. Clients are told what has changed, newcomers
    /// everything.
    pub(super) fn received(&mut self, room: &RoomSid, tracks: &[(TrackSid, Reception)], outputs: &mut Vec<Output>) {
        let Some(held) = self.peers.rooms.get(room) else { return };
        let mut by_publisher: BTreeMap<&ParticipantSid, Quality> = BTreeMap::new();
        for (track, reception) in tracks {
            let Some(track) = held.tracks.get(track) else { continue };
            let worst = by_publisher.entry(&track.publisher).or_insert(Quality::Excellent);
            *worst = worse(*worst, quality(reception));
        }
        let mut now = BTreeMap::new();
        let mut hidden = Vec::new();
        for session in self.peers.of_room(room).filter(|s| s.active) {
            let arrives = by_publisher.get(&session.sid).copied().unwrap_or(Quality::Excellent);
            let quality = if session.lost.is_some() { Quality::Lost } else { arrives };
            now.insert(session.sid.clone(), quality);
            if session.permission.hidden {
                hidden.push(session.sid.clone());
            }
        }
        let Some(held) = self.peers.rooms.get_mut(room) else { return };
        let before = std::mem::replace(&mut held.quality, now.clone());
        for listener in now.keys() {
            let Some(session) = self.peers.get_mut(listener) else { continue };
            let knows = session.connection.is_some() && std::mem::replace(&mut session.knows_quality, true);
            let is_news = |sid: &ParticipantSid, quality: Quality| !knows || before.get(sid) != Some(&quality);
            let may_see = |sid: &ParticipantSid| sid == listener || !hidden.contains(sid);
            let news = now.iter().filter(|(sid, quality)| may_see(sid) && is_news(sid, **quality));
            let news: Vec<_> = news.map(|(sid, quality)| (sid.clone(), *quality)).collect();
            if !news.is_empty() {
                self.say(listener, Response::ConnectionQuality(news), outputs);
            }
        }
    }
}

fn quality(reception: &Reception) -> Quality {
    let Reception { expected, received, jitter } = *reception;
    if expected < ENOUGH {
        return Quality::Excellent;
    }
    let lost = expected.saturating_sub(received).saturating_mul(100);
    let [good, poor] = LOSS.map(|percent| lost >= percent.saturating_mul(expected));
    if poor || jitter >= JITTER[1] {
        Quality::Poor
    } else if good || jitter >= JITTER[0] {
        Quality::Good
    } else {
        Quality::Excellent
    }
}

fn worse(a: Quality, b: Quality) -> Quality {
    let rank = |quality| match quality {
        Quality::Lost => 0,
        Quality::Poor => 1,
        Quality::Good => 2,
        Quality::Excellent => 3,
    };
    if rank(b) < rank(a) { b } else { a }
}
