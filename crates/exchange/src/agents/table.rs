//! All workers, dispatches and jobs, and how they are found.

use crate::port::ConnectionId;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use trunkline_room::worker::{AgentRequest, Job, JobType, Registration, WorkerInfo};
use trunkline_types::{DispatchId, JobId, ParticipantSid, RoomSid, Time, WorkerId};

/// Jobs a worker may be asked for at the same time; more wait until it has answered.
const OFFERS: usize = 64;

/// Workers that can stand in for each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) agent_name: String,
    pub(super) deployment: String,
    pub(super) kind: JobType,
}

impl Group {
    pub(super) fn of(agent: &AgentRequest, kind: JobType) -> Self {
        Self { agent_name: agent.agent_name.clone(), deployment: agent.deployment.clone(), kind }
    }
}

/// How likely a worker answers; the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Manners {
    /// It has said how it is, or answered.
    Speaks,
    /// It has said nothing yet. Workers do so within seconds.
    New,
    /// It has let an offer pass and answered none since.
    Silent,
}

/// A registered worker.
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) group: Group,
    pub(super) registration: Registration,
    /// Between 0 and 1.
    pub(super) load: f32,
    pub(super) full: bool,
    pub(super) draining: bool,
    pub(super) manners: Manners,
    pub(super) offers: BTreeSet<JobId>,
    pub(super) jobs: BTreeSet<JobId>,
}

impl Worker {
    /// Whether it says that it takes jobs.
    pub(super) const fn is_open(&self) -> bool {
        !self.full && !self.draining
    }

    /// Whether it can be asked now.
    pub(super) fn is_ready(&self) -> bool {
        self.is_open() && self.offers.len() < OFFERS
    }

    fn info(&self) -> WorkerInfo {
        WorkerInfo {
            worker_id: self.id.clone(),
            agent_name: self.group.agent_name.clone(),
            deployment: self.group.deployment.clone(),
            job_type: match self.group.kind {
                JobType::Room => "room",
                JobType::Publisher => "publisher",
                JobType::Participant => "participant",
            },
            version: self.registration.version.clone(),
            available: self.is_open(),
            reported: self.manners == Manners::Speaks,
            load: self.load,
            jobs: self.jobs.len(),
        }
    }
}

/// What a job is for: the room, or one participant of it.
pub(super) type Slot = (JobType, Option<ParticipantSid>);

/// A dispatch, as long as its room is there.
pub(super) struct Dispatch {
    pub(super) room: RoomSid,
    pub(super) room_name: String,
    pub(super) agent: AgentRequest,
    pub(super) created_at_ns: i64,
    /// The slots that have, or had, a job.
    pub(super) served: BTreeSet<Slot>,
    pub(super) jobs: BTreeSet<JobId>,
    /// The last jobs that have ended.
    pub(super) ended: VecDeque<Job>,
    /// Why it waits, as calls were told last.
    pub(super) told: String,
    /// Of one job that a worker asked for itself; it gets no other.
    pub(super) simulated: bool,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No worker takes it now.
    Waiting,
    /// A worker is asked.
    Offered(ConnectionId),
    /// A worker has it; `None` while that worker's socket is cut.
    Assigned(Option<ConnectionId>),
}

/// How the agent of an assigned job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It has not come yet.
    Expected,
    /// It is in the room, or its worker says that it runs.
    There,
    /// It has left by itself; the worker shall say how the job ended.
    Left,
    /// It was lost; it may come back.
    Lost,
}

/// A job that has not ended.
pub(super) struct Work {
    pub(super) job: Job,
    pub(super) group: Group,
    /// Whoever began first is served first.
    pub(super) order: u64,
    pub(super) room: RoomSid,
    pub(super) stage: Stage,
    pub(super) presence: Presence,
    /// Workers that have declined it or let it pass.
    pub(super) refused: BTreeSet<ConnectionId>,
    /// When a worker was asked last.
    pub(super) offered_at: Time,
    /// How often every worker has refused it.
    pub(super) rounds: u32,
    /// How often it was given away before.
    pub(super) restarts: u32,
    /// When something is to be done for it.
    pub(super) due: Option<Time>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Agents {
    workers: BTreeMap<ConnectionId, Worker>,
    groups: BTreeMap<Group, BTreeSet<ConnectionId>>,
    dispatches: BTreeMap<DispatchId, Dispatch>,
    by_room: BTreeMap<RoomSid, Vec<DispatchId>>,
    /// By agent name and deployment.
    by_name: BTreeMap<(String, String), BTreeSet<DispatchId>>,
    jobs: BTreeMap<JobId, Work>,
    /// In the order in which they began.
    waiting: BTreeMap<Group, BTreeMap<u64, JobId>>,
    begun: u64,
    /// By the room and the agent's identity.
    by_identity: BTreeMap<(RoomSid, String), JobId>,
    timers: BTreeSet<(Time, JobId)>,
    /// A room of this name is being made for a simulated job.
    pub(super) simulated: Option<String>,
}

impl Agents {
    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Whether no dispatch and no job is left.
    pub(crate) fn is_quiet(&self) -> bool {
        self.dispatches.is_empty() && self.jobs.is_empty() && self.waiting.is_empty() && self.by_identity.is_empty()
    }

    /// Registered workers and jobs that have not ended.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.workers.len(), self.jobs.len())
    }

    pub(super) fn due(&self, now: Time) -> Vec<JobId> {
        self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| id.clone()).collect()
    }

    // Workers.

    pub(super) fn worker(&self, connection: ConnectionId) -> Option<&Worker> {
        self.workers.get(&connection)
    }

    pub(super) fn worker_mut(&mut self, connection: ConnectionId) -> Option<&mut Worker> {
        self.workers.get_mut(&connection)
    }

    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        self.workers.keys().copied().collect()
    }

    pub(crate) fn workers(&self) -> Vec<WorkerInfo> {
        self.workers.values().map(Worker::info).collect()
    }

    pub(super) fn add_worker(&mut self, connection: ConnectionId, worker: Worker) {
        self.groups.entry(worker.group.clone()).or_default().insert(connection);
        self.workers.insert(connection, worker);
    }

    pub(super) fn remove_worker(&mut self, connection: ConnectionId) -> Option<Worker> {
        let worker = self.workers.remove(&connection)?;
        if let Some(group) = self.groups.get_mut(&worker.group) {
            group.remove(&connection);
            if group.is_empty() {
                self.groups.remove(&worker.group);
            }
        }
        Some(worker)
    }

    pub(super) fn group(&self, group: &Group) -> impl Iterator<Item = (ConnectionId, &Worker)> {
        let members = self.groups.get(group);
        members.into_iter().flatten().filter_map(|c| self.workers.get(c).map(|worker| (*c, worker)))
    }

    pub(super) fn has_group(&self, group: &Group) -> bool {
        self.groups.contains_key(group)
    }

    // Dispatches.

    pub(super) fn dispatch(&self, id: &DispatchId) -> Option<&Dispatch> {
        self.dispatches.get(id)
    }

    pub(super) fn dispatch_mut(&mut self, id: &DispatchId) -> Option<&mut Dispatch> {
        self.dispatches.get_mut(id)
    }

    pub(super) fn of_room(&self, room: &RoomSid) -> Vec<DispatchId> {
        self.by_room.get(room).cloned().unwrap_or_default()
    }

    pub(super) fn has_room(&self, room: &RoomSid) -> bool {
        self.by_room.contains_key(room)
    }

    pub(super) fn dispatch_ids(&self) -> Vec<DispatchId> {
        self.dispatches.keys().cloned().collect()
    }

    pub(super) fn named(&self, group: &Group) -> Vec<DispatchId> {
        let name = (group.agent_name.clone(), group.deployment.clone());
        self.by_name.get(&name).into_iter().flatten().cloned().collect()
    }

    pub(super) fn add_dispatch(&mut self, id: DispatchId, dispatch: Dispatch) {
        let name = (dispatch.agent.agent_name.clone(), dispatch.agent.deployment.clone());
        self.by_name.entry(name).or_default().insert(id.clone());
        self.by_room.entry(dispatch.room.clone()).or_default().push(id.clone());
        self.dispatches.insert(id, dispatch);
    }

    pub(super) fn remove_dispatch(&mut self, id: &DispatchId) -> Option<Dispatch> {
        let dispatch = self.dispatches.remove(id)?;
        let name = (dispatch.agent.agent_name.clone(), dispatch.agent.deployment.clone());
        if let Some(named) = self.by_name.get_mut(&name) {
            named.remove(id);
            if named.is_empty() {
                self.by_name.remove(&name);
            }
        }
        if let Some(all) = self.by_room.get_mut(&dispatch.room) {
            all.retain(|held| held != id);
            if all.is_empty() {
                self.by_room.remove(&dispatch.room);
            }
        }
        Some(dispatch)
    }

    // Jobs.

    pub(super) fn work(&self, id: &JobId) -> Option<&Work> {
        self.jobs.get(id)
    }

    pub(super) fn work_mut(&mut self, id: &JobId) -> Option<&mut Work> {
        self.jobs.get_mut(id)
    }

    pub(super) fn add_work(&mut self, mut work: Work) {
        let id = work.job.id.clone();
        self.begun += 1;
        work.order = self.begun;
        if let Some(dispatch) = self.dispatches.get_mut(&work.job.dispatch_id) {
            dispatch.jobs.insert(id.clone());
        }
        self.waiting.entry(work.group.clone()).or_default().insert(work.order, id.clone());
        self.jobs.insert(id, work);
    }

    /// Takes a job away from whoever has it.
    pub(super) fn remove_work(&mut self, id: &JobId) -> Option<Work> {
        let stage = self.jobs.get(id)?.stage.clone();
        self.set_due(id, None);
        self.set_stage(id, Stage::Waiting);
        let mut work = self.jobs.remove(id)?;
        work.stage = stage;
        self.no_longer_waits(&work.group, work.order);
        self.forget_identity(&work.room, &work.job.state.participant_identity, id);
        if let Some(dispatch) = self.dispatches.get_mut(&work.job.dispatch_id) {
            dispatch.jobs.remove(id);
        }
        Some(work)
    }

    fn no_longer_waits(&mut self, group: &Group, order: u64) {
        if let Some(waiting) = self.waiting.get_mut(group) {
            waiting.remove(&order);
            if waiting.is_empty() {
                self.waiting.remove(group);
            }
        }
    }

    /// Moves a job between those that wait, are offered and are assigned.
    pub(super) fn set_stage(&mut self, id: &JobId, stage: Stage) {
        let Some(work) = self.jobs.get_mut(id) else { return };
        let (group, order) = (work.group.clone(), work.order);
        let before = std::mem::replace(&mut work.stage, stage.clone());
        match before {
            Stage::Waiting => self.no_longer_waits(&group, order),
            Stage::Offered(worker) => _ = self.workers.get_mut(&worker).map(|w| w.offers.remove(id)),
            Stage::Assigned(Some(worker)) => _ = self.workers.get_mut(&worker).map(|w| w.jobs.remove(id)),
            Stage::Assigned(None) => {}
        }
        match stage {
            Stage::Waiting => _ = self.waiting.entry(group).or_default().insert(order, id.clone()),
            Stage::Offered(worker) => _ = self.workers.get_mut(&worker).map(|w| w.offers.insert(id.clone())),
            Stage::Assigned(Some(worker)) => _ = self.workers.get_mut(&worker).map(|w| w.jobs.insert(id.clone())),
            Stage::Assigned(None) => {}
        }
    }

    pub(super) fn set_due(&mut self, id: &JobId, due: Option<Time>) {
        let Some(work) = self.jobs.get_mut(id) else { return };
        if let Some(before) = std::mem::replace(&mut work.due, due) {
            self.timers.remove(&(before, id.clone()));
        }
        if let Some(at) = due {
            self.timers.insert((at, id.clone()));
        }
    }

    pub(super) fn due_in(&mut self, id: &JobId, wait: Duration, now: Time) {
        self.set_due(id, Some(now + wait));
    }

    /// The jobs of a group that wait.
    pub(super) fn waiting(&self, group: &Group) -> Vec<JobId> {
        self.waiting.get(group).into_iter().flatten().map(|(_, id)| id.clone()).collect()
    }

    /// The first job of a group that waits and began after that one.
    pub(super) fn next_waiting(&self, group: &Group, after: u64) -> Option<(u64, JobId)> {
        let (order, id) = self.waiting.get(group)?.range(after.saturating_add(1)..).next()?;
        Some((*order, id.clone()))
    }

    /// The agent of a job is called so from now on.
    pub(super) fn set_identity(&mut self, id: &JobId, identity: &str) {
        let Some(work) = self.jobs.get_mut(id) else { return };
        work.job.state.participant_identity = identity.into();
        self.by_identity.insert((work.room.clone(), identity.into()), id.clone());
    }

    fn forget_identity(&mut self, room: &RoomSid, identity: &str, id: &JobId) {
        let key = (room.clone(), identity.to_owned());
        if self.by_identity.get(&key) == Some(id) {
            self.by_identity.remove(&key);
        }
    }

    /// The job whose agent this is.
    pub(crate) fn job_of(&self, room: &RoomSid, identity: &str) -> Option<JobId> {
        self.by_identity.get(&(room.clone(), identity.to_owned())).cloned()
    }
}
