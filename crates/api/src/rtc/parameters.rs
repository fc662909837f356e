//! What a joining client states about itself and its connection, in either version.

use std::collections::BTreeMap;
use trunkline_room::signal::{AddTrack, Description, SyncState, Transports};
use trunkline_types::ParticipantSid;

/// See the module. Nothing here is to be trusted: the token says what is allowed.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// One connection or two: `/rtc/v1` or `/rtc`.
    pub(super) transports: Transports,
    /// The room, should the token name none.
    pub(super) room: String,
    /// The signalling protocol it speaks.
    pub(super) protocol: i32,
    /// What it understands of other clients.
    pub(super) client_protocol: i32,
    /// LiveKit's `ClientInfo.Capability`s.
    pub(super) capabilities: Vec<i32>,
    /// Whether it hears everybody without asking.
    pub(super) auto_subscribe: bool,
    /// Replaces the token's metadata if it is not empty.
    pub(super) metadata: String,
    /// Go on top of the token's; empty values are skipped.
    pub(super) attributes: BTreeMap<String, String>,
    /// Not empty: a second connection of the same participant that publishes only this.
    pub(super) publish: String,
    /// The session to go on with; empty if the client knows no sid.
    pub(super) resume: Option<ParticipantSid>,
    /// Tracks to be published at once.
    pub(super) add_tracks: Vec<AddTrack>,
    /// The first offer.
    pub(super) offer: Option<Description>,
    /// What a resuming client holds.
    pub(super) sync: Option<SyncState>,
}
