//! Participants leave: by themselves, because they are made to, or because they are lost.

use super::session::{Parting, Session};
use crate::{
    Exchange, Output,
    port::{ConnectionId, Level},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use trunkline_call::media::peer::PeerPlan;
use trunkline_room::{
    ParticipantInfo, RoomInfo,
    signal::{LeaveAction, Response},
};
use trunkline_types::{DisconnectReason, ParticipantSid, Time};

/// From the loss of media until the participant is gone.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// From the end of media, as the client wanted it, until it should have said that it leaves.
const GOODBYE: Duration = Duration::from_secs(2);
/// From this signalling protocol on, clients take a participant with a known identity and a new
/// sid for a replacement by themselves.
const KNOWS_REPLACEMENT: i32 = 12;

impl Exchange {
    /// The participant leaves, or is made to. `action` is what its client is told to do; `None`
    /// if it knows already.
    pub(super) fn part(
        &mut self,
        sid: &ParticipantSid,
        reason: DisconnectReason,
        action: Option<LeaveAction>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        session.parting = action.map_or(Parting::Quiet, Parting::Tell);
        let (name, identity) = (session.room_name.clone(), session.identity.clone());
        let mut events = Vec::new();
        if self.rooms.leave(&name, &identity, reason, now, &mut events).is_err() {
            self.peers.remove(sid);
        }
        self.room_events(events, now, outputs);
    }

    /// The client's state and ours do not fit together: it has to join anew.
    pub(super) fn mismatch(&mut self, sid: &ParticipantSid, why: &str, now: Time, outputs: &mut Vec<Output>) {
        Self::log(Level::Warn, None, why, outputs);
        self.part(sid, DisconnectReason::StateMismatch, Some(LeaveAction::Reconnect), now, outputs);
    }

    /// A participant has left its room.
    pub(crate) fn peers_left(
        &mut self,
        room: &RoomInfo,
        participant: &ParticipantInfo,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let reason = participant.disconnect_reason.unwrap_or(DisconnectReason::UnknownReason);
        if let Some(session) = self.peers.remove(&participant.sid) {
            self.farewell(&session, reason, outputs);
        }
        self.peers.places.lost(&participant.sid);
        self.fail_rpcs(&participant.sid, outputs);
        // A built-in participant of a room that is finished may still be speaking to a call.
        let lingers =
            self.builtins.is_builtin(&participant.sid) && self.rooms.sid(&room.name).as_ref() != Some(&room.sid);
        let mut had_tracks = false;
        for track in participant.tracks.iter().filter(|_| !lingers) {
            self.drop_track(&room.sid, &track.sid, outputs);
            had_tracks = true;
        }
        let gone = ParticipantInfo { tracks: Vec::new(), ..participant.clone() };
        if reason != DisconnectReason::DuplicateIdentity {
            self.show(&room.sid, &gone, None, outputs);
        } else if !participant.permission.hidden {
            for session in self.peers.of_room(&room.sid).filter(|s| (1..KNOWS_REPLACEMENT).contains(&s.protocol)) {
                self.say(&session.sid, Response::Update(vec![gone.clone()]), outputs);
            }
        }
        self.show_room(room, None, outputs);
        if had_tracks {
            self.refresh_room(&room.sid, now, outputs);
        }
        self.hush(&room.sid, outputs);
    }

    fn farewell(&self, session: &Session, reason: DisconnectReason, outputs: &mut Vec<Output>) {
        if let Some(connection) = session.connection {
            if let Parting::Tell(action) = session.parting {
                outputs.push(Output::Signal(connection, Box::new(Response::Leave { reason, action })));
            }
            outputs.push(Output::HangUp(connection));
        }
        Self::plan(PeerPlan::Close { participant: session.sid.clone() }, outputs);
    }

    /// A signalling connection is gone. While media is up the participant stays: it may resume.
    pub(crate) fn signal_closed(&mut self, connection: ConnectionId, now: Time, outputs: &mut Vec<Output>) {
        let Some(sid) = self.peers.at(connection) else { return };
        self.peers.connect(&sid, None);
        let Some(session) = self.peers.get_mut(&sid) else { return };
        session.cut = Some(now);
        if !session.active || session.closed.is_some() {
            self.part(&sid, DisconnectReason::SignalClose, None, now, outputs);
        }
    }

    /// The client has closed its media: it is about to leave. If it does not say so, it has to join
    /// anew: a closed connection does not come back.
    pub(super) fn media_closed(&mut self, sid: &ParticipantSid, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        if session.connection.is_none() {
            return self.part(sid, DisconnectReason::SignalClose, None, now, outputs);
        }
        session.closed.get_or_insert(now + GOODBYE);
    }

    /// Media is gone. A client that still has signalling is told to resume.
    pub(super) fn media_lost(&mut self, sid: &ParticipantSid, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid).filter(|s| s.lost.is_none()) else { return };
        session.lost = Some(now + GRACE);
        session.cut = Some(now);
        self.say(
            sid,
            Response::Leave { reason: DisconnectReason::ConnectionTimeout, action: LeaveAction::Resume },
            outputs,
        );
        if let Some(connection) = self.peers.connect(sid, None) {
            outputs.push(Output::HangUp(connection));
        }
    }

    /// The server stops: everybody leaves.
    pub(crate) fn peers_shut_down(&mut self, now: Time, outputs: &mut Vec<Output>) {
        for sid in self.peers.ids() {
            self.part(&sid, DisconnectReason::ServerShutdown, Some(LeaveAction::Disconnect), now, outputs);
        }
    }

    /// Does what is due for sessions and requests.
    pub(crate) fn peers_tick(&mut self, now: Time, outputs: &mut Vec<Output>) {
        for sid in self.peers.due(now) {
            self.guarded(Some(sid.clone()), now, outputs, |this, outputs| this.session_due(&sid, now, outputs));
        }
        self.rpcs_due(now, outputs);
        self.places_due(now, outputs);
    }

    fn session_due(&mut self, sid: &ParticipantSid, now: Time, outputs: &mut Vec<Output>) {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        let Some(session) = self.peers.get_mut(sid) else { return };
        if due(session.closed) {
            return self.mismatch(sid, "a client has closed its media and stays", now, outputs);
        }
        if due(session.lost) {
            let (reason, action) = (DisconnectReason::ConnectionTimeout, LeaveAction::Reconnect);
            return self.part(sid, reason, Some(action), now, outputs);
        }
        if due(session.join_deadline()) {
            let (reason, action) = (DisconnectReason::JoinFailure, LeaveAction::Disconnect);
            return self.part(sid, reason, Some(action), now, outputs);
        }
        let (answer, feigned) = (due(session.offering.deadline()), due(session.feigned));
        let deferred = due(session.publishing.deadline());
        if feigned {
            self.feign_silence(sid, outputs);
        }
        if deferred {
            self.deferred_offer(sid, now, outputs);
        }
        self.subscriptions_due(sid, now, outputs);
        if answer {
            self.answer_overdue(sid, now, outputs);
        }
    }

    /// A fault costs the participant it concerns, and nobody else.
    pub(super) fn guarded(
        &mut self,
        sid: Option<ParticipantSid>,
        now: Time,
        outputs: &mut Vec<Output>,
        work: impl FnOnce(&mut Self, &mut Vec<Output>),
    ) {
        if catch_unwind(AssertUnwindSafe(|| work(self, outputs))).is_ok() {
            return;
        }
        Self::log(Level::Error, None, "a fault while a participant was handled; it has to join anew", outputs);
        if let Some(sid) = sid {
            self.part(&sid, DisconnectReason::StateMismatch, Some(LeaveAction::Reconnect), now, outputs);
        }
    }
}
