//! What an agents' worker and the server say to each other over the worker's socket: LiveKit's
//! `WorkerMessage` and `ServerMessage` in our own types, and what they speak of. Fields we do not
//! act on are not here.

use crate::{ParticipantInfo, Permission, RoomInfo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trunkline_types::{DispatchId, JobId, WorkerId};

/// LiveKit's `JobType`, with its numbers: what an agent is started for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobType {
    /// Once for a room.
    #[default]
    Room = 0,
    /// For each participant that publishes.
    Publisher = 1,
    /// For each participant.
    Participant = 2,
}

/// LiveKit's `JobStatus`, with its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "LiveKit's names")]
pub enum JobStatus {
    #[default]
    Pending = 0,
    Running = 1,
    Success = 2,
    Failed = 3,
}

/// LiveKit's `JobRestartPolicy`, with its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// A job that has failed is given to a worker again.
    #[default]
    OnFailure = 0,
    /// A job runs once.
    Never = 1,
}

/// LiveKit's `RoomAgentDispatch`: an agent that shall come into a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentRequest {
    /// The name its workers register with; empty for workers without a name.
    pub agent_name: String,
    /// Handed to the agent.
    pub metadata: String,
    /// The deployment its workers register with; mostly empty.
    pub deployment: String,
    /// Handed to the agent.
    pub attributes: BTreeMap<String, String>,
    /// What becomes of a job that fails.
    pub restart_policy: RestartPolicy,
}

impl AgentRequest {
    /// An agent of this name.
    pub fn named(agent_name: &str, metadata: &str) -> Self {
        Self { agent_name: agent_name.into(), metadata: metadata.into(), ..Self::default() }
    }
}

/// LiveKit's `JobState`. Times are Unix nanoseconds, 0 for not yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of LiveKit's message")]
pub struct JobState {
    pub status: JobStatus,
    /// Of a pending job: why it waits.
    pub error: String,
    pub started_at_ns: i64,
    pub ended_at_ns: i64,
    pub updated_at_ns: i64,
    pub participant_identity: String,
    pub worker_id: WorkerId,
}

/// LiveKit's `Job`: an agent's work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of LiveKit's message")]
pub struct Job {
    pub id: JobId,
    pub dispatch_id: DispatchId,
    pub kind: JobType,
    pub room: RoomInfo,
    /// Whom it is for; `None` for [`JobType::Room`].
    pub participant: Option<ParticipantInfo>,
    pub metadata: String,
    pub agent_name: String,
    pub deployment: String,
    pub attributes: BTreeMap<String, String>,
    pub state: JobState,
}

/// LiveKit's `AgentDispatch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DispatchInfo {
    /// `AD_…`.
    pub id: DispatchId,
    /// The room's name.
    pub room: String,
    /// What was asked for.
    pub agent: AgentRequest,
    /// Its jobs; of those that have ended, the last few.
    pub jobs: Vec<Job>,
    /// Unix nanoseconds.
    pub created_at_ns: i64,
    /// Unix nanoseconds; 0 for not deleted.
    pub deleted_at_ns: i64,
    /// Why no agent has come yet; empty when nothing is waited for.
    pub waiting: String,
}

/// A registered worker as operators see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WorkerInfo {
    /// `AW_…`.
    pub worker_id: WorkerId,
    /// The name its agents are dispatched by.
    pub agent_name: String,
    /// Its deployment.
    pub deployment: String,
    /// `room`, `publisher` or `participant`.
    pub job_type: &'static str,
    /// The version of its SDK.
    pub version: String,
    /// It takes jobs.
    pub available: bool,
    /// It has said how it is, or answered an offer; those that have are asked first.
    pub reported: bool,
    /// Between 0 and 1, as it said last.
    pub load: f32,
    /// The jobs it has.
    pub jobs: usize,
}

/// A worker introduces itself (`RegisterWorkerRequest`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registration {
    /// What jobs it takes.
    pub kind: JobType,
    /// The name its agents are dispatched by; empty for automatic dispatch.
    pub agent_name: String,
    /// Its deployment.
    pub deployment: String,
    /// The version of its SDK.
    pub version: String,
    /// What its agents may do.
    pub permission: Permission,
}

/// A worker's answer to [`Response::Availability`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// The job it was asked for.
    pub job: JobId,
    /// It takes the job.
    pub available: bool,
    /// The job shall be given to nobody else either.
    pub terminate: bool,
    /// What the agent is called; empty for `agent-` and the job's id.
    pub identity: String,
    /// The name shown.
    pub name: String,
    /// The agent's metadata.
    pub metadata: String,
    /// The agent's attributes.
    pub attributes: BTreeMap<String, String>,
}

/// How a worker is (`UpdateWorkerStatus`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Status {
    /// It takes no jobs for now; `None` for unchanged.
    pub full: Option<bool>,
    /// Between 0 and 1.
    pub load: f32,
    /// It takes no jobs any more.
    pub draining: bool,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Before anything else.
    Register(Registration),
    /// Whether it takes a job.
    Availability(Availability),
    /// How it is.
    Status(Status),
    /// How a job is.
    UpdateJob {
        /// The job.
        job: JobId,
        /// Its status.
        status: JobStatus,
        /// Why it failed.
        error: String,
    },
    /// After its socket was cut: the jobs it still has.
    Migrate(Vec<JobId>),
    /// It wants a job for itself.
    Simulate {
        /// Of which kind.
        kind: JobType,
        /// In this room, which is made if need be.
        room: String,
        /// For the participant with this identity; empty for none.
        participant: String,
    },
}

/// What an agent's token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// The room's name.
    pub room: String,
    /// The agent's identity.
    pub identity: String,
    /// The name shown.
    pub name: String,
    /// Its metadata.
    pub metadata: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// What it may do.
    pub permission: Permission,
}

/// What a worker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// It is registered. Nothing is said before this.
    Registered(WorkerId),
    /// Does it take this job?
    Availability {
        /// The job.
        job: Box<Job>,
        /// It was another worker's before.
        resuming: bool,
    },
    /// It has the job. The shell signs a token for the agent.
    Assignment {
        /// The job.
        job: Box<Job>,
        /// What the token says.
        pass: Pass,
    },
    /// The job is over.
    Termination(JobId),
}
