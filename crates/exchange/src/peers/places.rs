//! Places in rooms that are kept for clients on their way from another room.

use std::{collections::BTreeMap, time::Duration};
use trunkline_types::{ParticipantSid, Time};

/// How long a client may take to come: as long as any client for its media.
const KEPT: Duration = Duration::from_secs(60);

/// See the module. Few at a time, and each leaves after [`KEPT`]: they are searched.
#[derive(Default)]
pub(super) struct Places(BTreeMap<ParticipantSid, Place>);

struct Place {
    room: String,
    identity: String,
    until: Time,
    /// Whoever it was kept for was removed meanwhile, or its room was deleted.
    lost: bool,
}

/// What is left of a place when its client comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is there.
    Kept,
    /// It was taken away.
    Lost,
    /// Nothing is known of it.
    Unknown,
}

impl Places {
    pub(super) fn keep(&mut self, sid: ParticipantSid, room: &str, identity: &str, now: Time) {
        let place = Place { room: room.to_owned(), identity: identity.to_owned(), until: now + KEPT, lost: false };
        self.0.insert(sid, place);
    }

    /// Whether this participant is on its way.
    pub(super) fn holds(&self, sid: &ParticipantSid) -> bool {
        self.0.get(sid).is_some_and(|place| !place.lost)
    }

    /// The participant has left before its client came.
    pub(super) fn lost(&mut self, sid: &ParticipantSid) {
        if let Some(place) = self.0.get_mut(sid) {
            place.lost = true;
        }
    }

    /// The client is there. A place that was taken away stays so for all of its time.
    pub(super) fn take(&mut self, sid: &ParticipantSid) -> Found {
        match self.0.get(sid).map(|place| place.lost) {
            None => Found::Unknown,
            Some(true) => Found::Lost,
            Some(false) => {
                self.0.remove(sid);
                Found::Kept
            }
        }
    }

    /// A place whose time is over: the room and the identity whose client has not come.
    pub(super) fn due(&mut self, now: Time) -> Option<(String, String, bool)> {
        let sid = self.0.iter().find(|(_, place)| place.until <= now).map(|(sid, _)| sid.clone())?;
        let Place { room, identity, lost, .. } = self.0.remove(&sid)?;
        Some((room, identity, lost))
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.0.values().map(|place| place.until).min()
    }
}
