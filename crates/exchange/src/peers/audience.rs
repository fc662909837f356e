//! Those whom a publisher lets hear and see its tracks.

use std::collections::{BTreeMap, BTreeSet};
use trunkline_types::TrackSid;

/// Who may hear and see what somebody publishes. At first everybody may.
#[derive(Debug, Default)]
pub(super) struct Audience {
    /// Those who may, by their identity; `None` if everybody may.
    pub(super) listed: Option<BTreeMap<String, Tracks>>,
    /// Somebody may have been told that he may not.
    pub(super) was_restricted: bool,
}

/// Which of a publisher's tracks.
#[derive(Debug)]
pub(super) enum Tracks {
    All,
    These(BTreeSet<TrackSid>),
}

impl Audience {
    /// Whether this participant may have this track.
    pub(super) fn lets(&self, track: &TrackSid, identity: &str) -> bool {
        let Some(listed) = &self.listed else { return true };
        match listed.get(identity) {
            None => false,
            Some(Tracks::All) => true,
            Some(Tracks::These(tracks)) => tracks.contains(track),
        }
    }

    /// The track is gone, and with it what was said about it.
    pub(super) fn forget(&mut self, track: &TrackSid) {
        for tracks in self.listed.iter_mut().flat_map(BTreeMap::values_mut) {
            if let Tracks::These(tracks) = tracks {
                tracks.remove(track);
            }
        }
    }
}
