//! What clients ask over their signalling connection.

use crate::{
    Exchange, Output,
    port::{ConnectionId, Level},
};
use trunkline_room::{
    Error, ParticipantPatch,
    signal::{About, LeaveAction, Outcome, Request, Response, Scenario},
};
use trunkline_types::{DisconnectReason, ParticipantSid, Time};

/// The signalling protocol from which clients understand that a request was done.
const UNDERSTANDS_OK: i32 = 15;

impl Exchange {
    /// A client says something.
    pub(crate) fn signal(&mut self, connection: ConnectionId, request: Request, now: Time, outputs: &mut Vec<Output>) {
        let Some(sid) = self.peers.at(connection) else { return };
        self.guarded(Some(sid.clone()), now, outputs, |this, outputs| this.requested(&sid, request, now, outputs));
    }

    fn requested(&mut self, sid: &ParticipantSid, request: Request, now: Time, outputs: &mut Vec<Output>) {
        match request {
            Request::Offer(offer) => self.client_offer(sid, offer, now, outputs),
            Request::Answer(answer) => self.client_answer(sid, answer, now, outputs),
            Request::AddTrack(add) => self.add_track(sid, add, now, outputs),
            Request::Mute { track, muted } => self.mute_own(sid, &track, muted, now, outputs),
            Request::UpdateSubscription { tracks, subscribe } => self.choose(sid, &tracks, subscribe, now, outputs),
            Request::UpdateTrackSettings { tracks, disabled } => self.pause(sid, &tracks, disabled, outputs),
            Request::UpdateMetadata { request_id, patch } => {
                self.update_metadata(sid, request_id, patch, now, outputs);
            }
            Request::SyncState(sync) => self.sync_state(sid, &sync, now, outputs),
            Request::Leave(reason) => {
                use DisconnectReason as R;
                let honoured = matches!(reason, R::UserUnavailable | R::UserRejected | R::AgentError);
                let reason = if honoured { reason } else { R::ClientInitiated };
                self.part(sid, reason, None, now, outputs);
            }
            Request::Simulate(scenario) => self.simulate(sid, scenario, now, outputs),
            Request::Unsupported { request_id } => {
                let (outcome, message) = (Outcome::UnsupportedType, "this request is not supported".into());
                let about = About::Nothing;
                self.say(sid, Response::RequestResponse { request_id, outcome, message, about }, outputs);
            }
        }
    }

    /// A client changes its own name, metadata or attributes. It sees the change like everybody,
    /// and then that it is done.
    fn update_metadata(
        &mut self,
        sid: &ParticipantSid,
        request_id: u32,
        patch: ParticipantPatch,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        // A permission is never the client's to change.
        let patch = ParticipantPatch { permission: None, ..patch };
        let (outcome, message) = if session.permission.can_update_metadata {
            let (name, identity) = (session.room_name.clone(), session.identity.clone());
            let mut events = Vec::new();
            let updated = self.rooms.update_participant(&name, &identity, &patch, now, &mut events);
            self.room_events(events, now, outputs);
            match updated {
                Ok(_) => (Outcome::Ok, ""),
                Err(Error::TooLong { field: "name", .. }) => (Outcome::LimitExceeded, "exceeds name length limit"),
                Err(Error::TooLong { field: "metadata", .. }) => {
                    (Outcome::LimitExceeded, "exceeds metadata size limit")
                }
                Err(Error::TooLong { .. }) => (Outcome::LimitExceeded, "exceeds attributes size limit"),
                Err(_) => (Outcome::NotFound, "participant does not exist"),
            }
        } else {
            (Outcome::NotAllowed, "does not have permission to update own metadata")
        };
        let Some(session) = self.peers.get(sid) else { return };
        if outcome == Outcome::Ok && session.protocol < UNDERSTANDS_OK {
            return;
        }
        let (message, about) = (message.into(), About::Metadata(patch));
        self.say(sid, Response::RequestResponse { request_id, outcome, message, about }, outputs);
    }

    fn simulate(&mut self, sid: &ParticipantSid, scenario: Scenario, now: Time, outputs: &mut Vec<Output>) {
        Self::log(Level::Info, None, "a client plays a test scenario", outputs);
        match scenario {
            Scenario::SpeakerUpdate(seconds) => self.feign_speech(sid, seconds, now, outputs),
            // The participant vanishes without a word, as if its server had died.
            Scenario::NodeFailure | Scenario::Migration => {
                self.part(sid, DisconnectReason::Migration, None, now, outputs);
            }
            Scenario::ServerLeave => {
                let (reason, action) = (DisconnectReason::ServerShutdown, LeaveAction::Disconnect);
                self.part(sid, reason, Some(action), now, outputs);
            }
            Scenario::DisconnectSignalOnResume => {
                if let Some(session) = self.peers.get_mut(sid) {
                    session.cut_on_resume = true;
                }
            }
            Scenario::LeaveRequestFullReconnect => {
                let (reason, action) = (DisconnectReason::StateMismatch, LeaveAction::Reconnect);
                self.part(sid, reason, Some(action), now, outputs);
            }
            Scenario::Other => {}
        }
    }
}
