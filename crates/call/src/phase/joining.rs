//! A call enters its room, and its media leg is opened there: the same for calls in, calls out and
//! callers who have entered a pin.

use crate::{Effect, Facts, RoomCommand, media::MediaPlan};
use trunkline_types::{ParticipantSid, RoomSid};

/// How far the media leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    /// The room is not joined yet.
    Waiting,
    /// Asked for.
    Opening,
    /// Open on this port.
    Open(u16),
}

impl Leg {
    /// Whether it has to be closed.
    pub(super) fn is_opened(self) -> bool {
        self != Self::Waiting
    }
}

/// Asks the room to take the call in, with all its attributes at once.
pub(super) fn join(facts: &mut Facts, effects: &mut Vec<Effect>) {
    effects.push(Effect::Room(RoomCommand::Join {
        room: facts.setup.room_name.clone(),
        identity: facts.setup.identity.clone(),
        name: std::mem::take(&mut facts.setup.name),
        metadata: std::mem::take(&mut facts.setup.metadata),
        attributes: facts.attribute_values(),
    }));
}

/// The room has taken it in: its leg is opened there.
pub(super) fn joined(
    room: RoomSid,
    participant: ParticipantSid,
    identity: String,
    facts: &mut Facts,
    effects: &mut Vec<Effect>,
) -> Leg {
    facts.joined(room.clone(), participant, identity);
    effects.push(Effect::Media(MediaPlan::Open { leg: facts.leg(), room, local: facts.setup.media_local }));
    Leg::Opening
}
