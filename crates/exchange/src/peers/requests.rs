//! What clients ask over their signalling connection.

use super::session::Cut;
use crate::{
    Exchange, Output,
    port::{ConnectionId, Level},
};
use std::time::Duration;
use trunkline_room::{
    Error, ParticipantPatch,
    signal::{About, LeaveAction, Outcome, Request, Response, Scenario},
};
use trunkline_types::{DisconnectReason, ParticipantSid, Time};

/// The signalling protocol from which clients understand that a request was done.
const UNDERSTANDS_OK: i32 = 15;
/// Requests about tracks and subscriptions that a client may make within [`COUNTED_OVER`]; a page
/// that shows a crowd makes one for each tile.
const REQUESTS: u32 = 300;
const COUNTED_OVER: Duration = Duration::from_secs(1);

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
            Request::UpdateSubscription { .. }
            | Request::UpdateTrackSettings { .. }
            | Request::SubscriptionPermission { .. }
            | Request::UpdateTrack { .. }
                if !self.is_in_time(sid, now, outputs) => {}
            Request::UpdateSubscription { tracks, subscribe } => self.choose(sid, &tracks, subscribe, now, outputs),
            Request::UpdateTrackSettings { tracks, disabled } => self.pause(sid, &tracks, disabled, outputs),
            Request::SubscriptionPermission { everybody, listed } => {
                self.permit(sid, everybody, &listed, now, outputs);
            }
            Request::UpdateTrack { track, change } => self.update_track(sid, track, change, now, outputs),
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

    /// Whether the client may ask about tracks and subscriptions once more. Each such request costs
    /// everybody in the room something. It is told once in a while that it asks too often.
    fn is_in_time(&mut self, sid: &ParticipantSid, now: Time, outputs: &mut Vec<Output>) -> bool {
        let Some(session) = self.peers.get_mut(sid) else { return false };
        if now >= session.rate.0 + COUNTED_OVER {
            session.rate = (now, 0);
        }
        session.rate.1 = session.rate.1.saturating_add(1);
        if session.rate.1 == REQUESTS + 1 {
            let (outcome, message) = (Outcome::LimitExceeded, "too many requests about tracks within a second".into());
            let response = Response::RequestResponse { request_id: 0, outcome, message, about: About::Nothing };
            Self::log(Level::Warn, None, "a client asks about tracks too often", outputs);
            self.say(sid, response, outputs);
            return false;
        }
        session.rate.1 <= REQUESTS
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
            Scenario::DisconnectSignalOnResume => self.cut_on_resume(sid, Cut::AfterWords),
            Scenario::DisconnectSignalOnResumeNoMessages => self.cut_on_resume(sid, Cut::Silently),
            Scenario::LeaveRequestFullReconnect => {
                let (reason, action) = (DisconnectReason::StateMismatch, LeaveAction::Reconnect);
                self.part(sid, reason, Some(action), now, outputs);
            }
            Scenario::TcpAlone(tcp) => self.switch_protocol(sid, tcp, now, outputs),
            Scenario::Unplayable(why) => {
                let (outcome, message, about) = (Outcome::UnsupportedType, why.into(), About::Nothing);
                self.say(sid, Response::RequestResponse { request_id: 0, outcome, message, about }, outputs);
            }
        }
    }

    fn cut_on_resume(&mut self, sid: &ParticipantSid, cut: Cut) {
        if let Some(session) = self.peers.get_mut(sid) {
            session.cut_on_resume = Some(cut);
        }
    }
}
