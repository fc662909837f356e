//! Agents join and leave rooms.

use super::table::{Presence, Stage};
use crate::{Exchange, Output};
use std::time::Duration;
use trunkline_call::{Event, RoomEvent};
use trunkline_room::{
    Kind, ParticipantInfo, RoomInfo, State,
    worker::{JobStatus, JobType},
};
use trunkline_types::{CallId, DisconnectReason, Time};

/// How long the worker of an agent that has left may take to say how its job ended.
const LAST_WORD: Duration = Duration::from_secs(15);
/// How long a lost agent may take to come back.
const COME_BACK: Duration = Duration::from_secs(10);

impl Exchange {
    /// A participant is there.
    pub(crate) fn agents_joined(
        &mut self,
        room: &RoomInfo,
        participant: &ParticipantInfo,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        if let Some(job) = self.agents.job_of(&room.sid, &participant.identity)
            && let Some(work) = self.agents.work_mut(&job).filter(|w| matches!(w.stage, Stage::Assigned(_)))
        {
            work.presence = Presence::There;
            self.agents.set_due(&job, None);
        }
        if is_agent(participant) {
            for call in self.calls.of_room(&room.sid) {
                self.events.push_back((call, Event::Room(RoomEvent::AgentJoined)));
            }
        } else if !participant.is_dependent() && self.agents.has_room(&room.sid) {
            self.fill_room(&room.sid, JobType::Participant, now, outputs);
        }
    }

    /// A call has joined its room: it learns who is there, and why nobody is.
    pub(crate) fn agents_seen_by(&mut self, call: &CallId, room: &RoomInfo) {
        let there = self.rooms.participants(&room.name).iter().any(|p| is_agent(p) && p.state == State::Active);
        if there {
            self.events.push_back((call.clone(), Event::Room(RoomEvent::AgentJoined)));
        }
        for dispatch in self.agents.of_room(&room.sid) {
            if let Some(dispatch) = self.agents.dispatch_mut(&dispatch) {
                dispatch.told.clear();
            }
            self.tell_waiting(&dispatch);
        }
    }

    /// A participant publishes.
    pub(crate) fn agents_published(
        &mut self,
        room: &RoomInfo,
        participant: &ParticipantInfo,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        if !participant.is_dependent() && self.agents.has_room(&room.sid) {
            self.fill_room(&room.sid, JobType::Publisher, now, outputs);
        }
    }

    /// A participant has left.
    pub(crate) fn agents_left(
        &mut self,
        room: &RoomInfo,
        participant: &ParticipantInfo,
        was_active: bool,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let reason = participant.disconnect_reason.unwrap_or(DisconnectReason::UnknownReason);
        // Whoever takes its place is the same agent.
        if reason == DisconnectReason::DuplicateIdentity {
            return;
        }
        if let Some(job) = self.agents.job_of(&room.sid, &participant.identity) {
            self.agent_left(&job, reason, now, outputs);
        }
        if !participant.is_dependent() {
            self.vacate(&room.sid, &participant.sid, now, outputs);
        }
        if is_agent(participant) && was_active {
            let others = self.rooms.participants(&room.name);
            if !others.iter().any(|p| is_agent(p) && p.state == State::Active) {
                for call in self.calls.of_room(&room.sid) {
                    self.events.push_back((call, Event::Room(RoomEvent::AgentLeft)));
                }
            }
        }
    }

    fn agent_left(
        &mut self,
        job: &trunkline_types::JobId,
        reason: DisconnectReason,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        use DisconnectReason as R;
        let Some(work) = self.agents.work_mut(job) else { return };
        let Stage::Assigned(worker) = work.stage else { return };
        match reason {
            R::RoomDeleted | R::RoomClosed | R::ParticipantRemoved | R::ServerShutdown => {
                self.terminate(job, outputs);
                self.finish_job(job, JobStatus::Success, String::new(), now, outputs);
            }
            R::ClientInitiated | R::AgentError | R::UserRejected | R::UserUnavailable => {
                work.presence = Presence::Left;
                let wait = if worker.is_some() { LAST_WORD } else { Duration::ZERO };
                self.agents.due_in(job, wait, now);
            }
            _ => {
                work.presence = Presence::Lost;
                let wait = if worker.is_some() { COME_BACK } else { Duration::ZERO };
                self.agents.due_in(job, wait, now);
            }
        }
    }
}

/// Whether calls count it as an agent: built-in participants are agents too.
fn is_agent(participant: &ParticipantInfo) -> bool {
    participant.kind == Kind::Agent || participant.permission.agent
}
