//! Dispatches: an agent shall come into a room.

use super::{
    table::{Dispatch, Group, Presence, Stage, Work},
    workers::{kind_name, naming},
};
use crate::{
    Exchange, Output,
    command::{ApiError, Code, Reply},
    port::{ConnectionId, Level},
};
use trunkline_call::{Event, RoomEvent};
use trunkline_room::{
    Error, ParticipantInfo, RoomInfo, State,
    worker::{AgentRequest, DispatchInfo, Job, JobState, JobStatus, JobType},
};
use trunkline_types::{DispatchId, JobId, ParticipantSid, RoomSid, Time};

/// Dispatches of one room.
pub(super) const MAX_DISPATCHES: usize = 64;
/// The longest name of a deployment, in bytes.
const DEPLOYMENT_BYTES: usize = 64;
/// What the workers of a name can be registered for.
const KINDS: [JobType; 3] = [JobType::Room, JobType::Publisher, JobType::Participant];

/// How a job begins.
#[derive(Default)]
pub(super) struct Start {
    /// Whom it is for.
    pub(super) participant: Option<ParticipantInfo>,
    /// How often it was given away before.
    pub(super) restarts: u32,
    /// A worker that is not asked at first.
    pub(super) avoid: Option<ConnectionId>,
}

impl Exchange {
    /// A room has come to be: those it was made with are dispatched, or else whoever registered
    /// without a name.
    pub(crate) fn dispatch_first(
        &mut self,
        room: &RoomInfo,
        agents: Vec<AgentRequest>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        if agents.is_empty() && self.agents.simulated.as_ref() != Some(&room.name) {
            self.dispatch(room, AgentRequest::default(), now, outputs);
        }
        for agent in agents {
            if self.agents.of_room(&room.sid).len() >= MAX_DISPATCHES {
                Self::log(Level::Warn, None, "a room was made with too many agents; the rest is left out", outputs);
                break;
            }
            if !self.start_builtin(room, &agent.agent_name, &agent.metadata, now, outputs) {
                self.dispatch(room, agent, now, outputs);
            }
        }
    }

    fn dispatch(&mut self, room: &RoomInfo, agent: AgentRequest, now: Time, outputs: &mut Vec<Output>) -> DispatchId {
        let id = DispatchId::random(&mut self.random);
        let named = !agent.agent_name.is_empty();
        let dispatch = Dispatch {
            room: room.sid.clone(),
            room_name: room.name.clone(),
            agent,
            created_at_ns: now.unix_nanos(),
            served: Default::default(),
            jobs: Default::default(),
            ended: Default::default(),
            told: String::new(),
            simulated: false,
        };
        self.agents.add_dispatch(id.clone(), dispatch);
        for kind in KINDS {
            self.fill(&id, kind, now, outputs);
        }
        self.tell_waiting(&id);
        if named
            && let Some(why) = self.agents.dispatch(&id).map(|d| self.why_dispatch_waits(d)).filter(|w| !w.is_empty())
        {
            Self::log(Level::Info, None, format!("dispatch {id} waits: {why}"), outputs);
        }
        id
    }

    /// Makes the jobs that the dispatch owes to workers of this kind, if there are any.
    pub(super) fn fill(&mut self, id: &DispatchId, kind: JobType, now: Time, outputs: &mut Vec<Output>) {
        let Some(dispatch) = self.agents.dispatch(id) else { return };
        let group = Group::of(&dispatch.agent, kind);
        if dispatch.simulated || !self.agents.has_group(&group) {
            return;
        }
        let targets: Vec<Option<ParticipantInfo>> = match kind {
            JobType::Room => vec![None],
            JobType::Publisher | JobType::Participant => self
                .rooms
                .participants(&dispatch.room_name)
                .into_iter()
                .filter(|p| !p.is_dependent() && p.state == State::Active)
                .filter(|p| kind == JobType::Participant || !p.tracks.is_empty())
                .map(Some)
                .collect(),
        };
        for target in targets {
            let slot = (kind, target.as_ref().map(|p| p.sid.clone()));
            let Some(dispatch) = self.agents.dispatch_mut(id) else { return };
            if dispatch.served.insert(slot.clone()) {
                self.begin_job(id, kind, Start { participant: target, ..Start::default() }, now, outputs);
            }
        }
    }

    /// A job of a dispatch, for a slot that has none.
    pub(super) fn begin_job(
        &mut self,
        id: &DispatchId,
        kind: JobType,
        start: Start,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let job_id = JobId::random(&mut self.random);
        let Some(dispatch) = self.agents.dispatch(id) else { return };
        let Some(room) = self.rooms.room(&dispatch.room_name) else { return };
        let job = Job {
            id: job_id.clone(),
            dispatch_id: id.clone(),
            kind,
            room,
            participant: start.participant,
            metadata: dispatch.agent.metadata.clone(),
            agent_name: dispatch.agent.agent_name.clone(),
            deployment: dispatch.agent.deployment.clone(),
            attributes: dispatch.agent.attributes.clone(),
            state: JobState { updated_at_ns: now.unix_nanos(), ..JobState::default() },
        };
        let work = Work {
            group: Group::of(&dispatch.agent, kind),
            order: 0,
            room: dispatch.room.clone(),
            job,
            stage: Stage::Waiting,
            presence: Presence::Expected,
            refused: start.avoid.into_iter().collect(),
            offered_at: now,
            rounds: 0,
            restarts: start.restarts,
            due: None,
        };
        self.agents.add_work(work);
        self.offer(&job_id, now, outputs);
    }

    /// A participant is there, or publishes: those who work for participants may be needed.
    pub(super) fn fill_room(&mut self, room: &RoomSid, kind: JobType, now: Time, outputs: &mut Vec<Output>) {
        for dispatch in self.agents.of_room(room) {
            self.fill(&dispatch, kind, now, outputs);
        }
    }

    /// A participant has left: nothing that has not begun is needed for it.
    pub(super) fn vacate(
        &mut self,
        room: &RoomSid,
        participant: &ParticipantSid,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        for id in self.agents.of_room(room) {
            let Some(dispatch) = self.agents.dispatch_mut(&id) else { continue };
            dispatch.served.retain(|(_, target)| target.as_ref() != Some(participant));
            let jobs: Vec<_> = dispatch.jobs.iter().cloned().collect();
            for job in jobs {
                let idle = self.agents.work(&job).is_some_and(|work| {
                    !matches!(work.stage, Stage::Assigned(_))
                        && work.job.participant.as_ref().is_some_and(|p| p.sid == *participant)
                });
                if idle {
                    self.finish_job(&job, JobStatus::Success, String::new(), now, outputs);
                }
            }
        }
    }

    /// The room is gone, and with it what was to be done in it.
    pub(crate) fn dispatches_finished(&mut self, room: &RoomSid, now: Time, outputs: &mut Vec<Output>) {
        for id in self.agents.of_room(room) {
            self.end_dispatch(&id, now, outputs);
        }
    }

    fn end_dispatch(&mut self, id: &DispatchId, now: Time, outputs: &mut Vec<Output>) -> Option<DispatchInfo> {
        let jobs: Vec<_> = self.agents.dispatch(id)?.jobs.iter().cloned().collect();
        for job in &jobs {
            self.terminate(job, outputs);
            self.finish_job(job, JobStatus::Success, String::new(), now, outputs);
        }
        let mut info = self.dispatch_info(id)?;
        info.deleted_at_ns = now.unix_nanos();
        info.waiting.clear();
        self.agents.remove_dispatch(id);
        Some(info)
    }

    /// `CreateDispatch`.
    pub(crate) fn create_dispatch(
        &mut self,
        room: &str,
        agent: AgentRequest,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<Reply, ApiError> {
        let invalid = |message: &str| ApiError::new(Code::InvalidArgument, message);
        if agent.deployment.contains('_') || agent.deployment.len() > DEPLOYMENT_BYTES {
            return Err(invalid("deployment has at most 64 bytes and no underscore"));
        }
        let info = match self.rooms.room(room) {
            Some(info) => info,
            None if self.config.rooms.auto_create => {
                let mut events = Vec::new();
                let created = self.rooms.create(room, Default::default(), now, &mut events);
                self.room_events(events, now, outputs);
                created?
            }
            None => return Err(Error::NoSuchRoom.into()),
        };
        if self.agents.of_room(&info.sid).len() >= MAX_DISPATCHES {
            let message = format!("the room has {MAX_DISPATCHES} dispatches; delete one");
            return Err(ApiError::new(Code::ResourceExhausted, message));
        }
        if self.start_builtin(&info, &agent.agent_name, &agent.metadata, now, outputs) {
            let id = DispatchId::random(&mut self.random);
            let created_at_ns = now.unix_nanos();
            let dispatch = DispatchInfo { id, room: room.into(), agent, created_at_ns, ..DispatchInfo::default() };
            return Ok(Reply::Dispatch(Box::new(dispatch)));
        }
        let id = self.dispatch(&info, agent, now, outputs);
        let info = self.dispatch_info(&id).ok_or(Error::NoSuchRoom)?;
        Ok(Reply::Dispatch(Box::new(info)))
    }

    /// `DeleteDispatch`: its jobs are terminated.
    pub(crate) fn delete_dispatch(
        &mut self,
        room: &str,
        id: &DispatchId,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<Reply, ApiError> {
        if self.agents.dispatch(id).is_none_or(|dispatch| dispatch.room_name != room) {
            return Err(no_dispatch(id));
        }
        let info = self.end_dispatch(id, now, outputs).ok_or_else(|| no_dispatch(id))?;
        Ok(Reply::Dispatch(Box::new(info)))
    }

    /// `ListDispatch`, of a room or of all, of one dispatch or of all.
    pub(crate) fn list_dispatches(&self, room: Option<&str>, id: Option<&DispatchId>) -> Result<Reply, ApiError> {
        let ids = match room {
            Some(room) => self.rooms.sid(room).map(|sid| self.agents.of_room(&sid)).unwrap_or_default(),
            None => self.agents.dispatch_ids(),
        };
        let wanted = ids.iter().filter(|held| id.is_none_or(|id| id == *held));
        let found: Vec<_> = wanted.filter_map(|id| self.dispatch_info(id)).collect();
        match id {
            Some(id) if found.is_empty() => Err(no_dispatch(id)),
            _ => Ok(Reply::Dispatches(found)),
        }
    }

    fn dispatch_info(&self, id: &DispatchId) -> Option<DispatchInfo> {
        let dispatch = self.agents.dispatch(id)?;
        let running = dispatch.jobs.iter().filter_map(|job| self.agents.work(job)).map(|work| {
            let mut job = work.job.clone();
            job.state.error = self.why_waiting(work);
            job
        });
        Some(DispatchInfo {
            id: id.clone(),
            room: dispatch.room_name.clone(),
            agent: dispatch.agent.clone(),
            jobs: dispatch.ended.iter().cloned().chain(running).collect(),
            created_at_ns: dispatch.created_at_ns,
            deleted_at_ns: 0,
            waiting: self.why_dispatch_waits(dispatch),
        })
    }

    /// Why no agent of it has come yet; empty if one has, or if there is nothing to do for one.
    fn why_dispatch_waits(&self, dispatch: &Dispatch) -> String {
        if dispatch.served.is_empty() {
            let registered = KINDS.iter().find(|kind| self.agents.has_group(&Group::of(&dispatch.agent, **kind)));
            let whose = naming(&dispatch.agent.agent_name);
            return match registered {
                None => format!("no worker for {whose} is registered"),
                Some(kind) => format!("workers for {whose} wait for {}", kind_name(*kind)),
            };
        }
        let mut waiting = dispatch.jobs.iter().filter_map(|job| self.agents.work(job)).map(|w| self.why_waiting(w));
        waiting.find(|why| !why.is_empty()).unwrap_or_default()
    }

    /// Calls in the room learn why no agent has come.
    pub(super) fn tell_waiting(&mut self, id: &DispatchId) {
        let Some(dispatch) = self.agents.dispatch(id) else { return };
        let calls = self.calls.of_room(&dispatch.room);
        if calls.is_empty() {
            return;
        }
        let why = self.why_dispatch_waits(dispatch);
        if dispatch.told == why {
            return;
        }
        if let Some(dispatch) = self.agents.dispatch_mut(id) {
            dispatch.told.clone_from(&why);
        }
        for call in calls {
            self.events.push_back((call, Event::Room(RoomEvent::AgentAwaited { why: why.clone() })));
        }
    }

    pub(super) fn tell_waiting_of(&mut self, job: &JobId) {
        if let Some(dispatch) = self.agents.work(job).map(|work| work.job.dispatch_id.clone()) {
            self.tell_waiting(&dispatch);
        }
    }
}

fn no_dispatch(id: &DispatchId) -> ApiError {
    ApiError::new(Code::NotFound, format!("dispatch {:?} does not exist", id.as_str()))
}
