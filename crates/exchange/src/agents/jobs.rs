//! A job from a worker's yes to its end.

use super::{
    dispatching::Start,
    table::{Manners, Presence, Stage},
};
use crate::{
    Exchange, Output,
    port::{ConnectionId, Level, Webhook},
};
use std::time::Duration;
use trunkline_room::worker::{Availability, Job, JobStatus, Pass, Response, RestartPolicy};
use trunkline_types::{JobId, Time};

/// From the assignment until the worker says that the job runs, or the agent joins.
const BEGIN: Duration = Duration::from_secs(60);
/// Jobs of a slot that may fail one after the other.
const MAX_RESTARTS: u32 = 3;
/// A job that ran so long counts as the first one when it fails.
const RAN_WELL: Duration = Duration::from_secs(60);
/// Jobs that have ended and are still listed with their dispatch.
const ENDED_KEPT: usize = 16;
/// The attribute of an agent that holds its name.
const AGENT_NAME: &str = "lk.agent_name";

impl Exchange {
    /// A worker answers an offer. An answer to anything else counts for nothing.
    pub(super) fn availability(
        &mut self,
        connection: ConnectionId,
        answer: Availability,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        if let Some(worker) = self.agents.worker_mut(connection) {
            worker.manners = Manners::Speaks;
        }
        let Some(work) = self.agents.work(&answer.job).filter(|w| w.stage == Stage::Offered(connection)) else {
            return;
        };
        let (id, group) = (answer.job.clone(), work.group.clone());
        if answer.available {
            self.assign(connection, answer, now, outputs);
        } else if answer.terminate {
            self.finish_job(&id, JobStatus::Success, String::new(), now, outputs);
        } else {
            self.refused(&id, connection, now, outputs);
        }
        // It can be asked for another one.
        self.serve(&group, now, outputs);
    }

    fn assign(&mut self, connection: ConnectionId, answer: Availability, now: Time, outputs: &mut Vec<Output>) {
        let id = answer.job;
        let Some(worker) = self.agents.worker(connection) else { return };
        let permission = worker.registration.permission;
        let identity = if answer.identity.is_empty() { format!("agent-{id}") } else { answer.identity };
        self.agents.set_stage(&id, Stage::Assigned(Some(connection)));
        self.agents.set_identity(&id, &identity);
        self.agents.due_in(&id, BEGIN, now);
        let Some(work) = self.agents.work_mut(&id) else { return };
        let state = &mut work.job.state;
        state.status = JobStatus::Running;
        state.started_at_ns = now.unix_nanos();
        state.updated_at_ns = now.unix_nanos();
        let job = work.job.clone();
        let mut attributes = answer.attributes;
        attributes.insert(AGENT_NAME.into(), job.agent_name.clone());
        let (room, name, metadata) = (job.room.name.clone(), answer.name, answer.metadata);
        let pass = Pass { room, identity, name, metadata, attributes, permission };
        Self::log(Level::Info, None, format!("job {id} is worker {}'s", job.state.worker_id), outputs);
        job_webhook("agent_job_started", &job, now, outputs);
        outputs.push(Output::Worker(connection, Box::new(Response::Assignment { job: Box::new(job), pass })));
        self.tell_waiting_of(&id);
    }

    /// A worker says how a job of its own is.
    pub(super) fn job_updated(
        &mut self,
        connection: ConnectionId,
        id: &JobId,
        status: JobStatus,
        error: String,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let own = Stage::Assigned(Some(connection));
        let Some(work) = self.agents.work_mut(id).filter(|work| work.stage == own) else { return };
        match status {
            JobStatus::Pending => {}
            JobStatus::Running => {
                work.job.state.updated_at_ns = now.unix_nanos();
                if work.presence == Presence::Expected {
                    work.presence = Presence::There;
                    self.agents.set_due(id, None);
                }
            }
            JobStatus::Success | JobStatus::Failed => self.finish_job(id, status, error, now, outputs),
        }
    }

    /// Tells the worker that a job is over.
    pub(super) fn terminate(&self, id: &JobId, outputs: &mut Vec<Output>) {
        if let Some(Stage::Assigned(Some(connection))) = self.agents.work(id).map(|work| &work.stage) {
            outputs.push(Output::Worker(*connection, Box::new(Response::Termination(id.clone()))));
        }
    }

    /// A job is over. One that has failed is given away again, if its dispatch says so.
    pub(super) fn finish_job(
        &mut self,
        id: &JobId,
        status: JobStatus,
        error: String,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let Some(work) = self.agents.remove_work(id) else { return };
        let assigned = match work.stage {
            Stage::Assigned(worker) => Some(worker),
            Stage::Waiting | Stage::Offered(_) => None,
        };
        let mut job = work.job;
        job.state.status = status;
        job.state.ended_at_ns = now.unix_nanos();
        job.state.updated_at_ns = now.unix_nanos();
        job.state.error = error;
        if assigned.is_some() {
            let how = if job.state.error.is_empty() { String::new() } else { format!(": {}", job.state.error) };
            let word = if status == JobStatus::Failed { "failed" } else { "ended" };
            let level = if status == JobStatus::Failed { Level::Warn } else { Level::Info };
            Self::log(level, None, format!("job {id} {word}{how}"), outputs);
            job_webhook("agent_job_ended", &job, now, outputs);
        }
        let ran = Duration::from_nanos(job.state.ended_at_ns.abs_diff(job.state.started_at_ns));
        let (dispatch_id, slot) =
            (job.dispatch_id.clone(), (job.kind, job.participant.as_ref().map(|p| p.sid.clone())));
        let participant = job.participant.clone();
        let Some(dispatch) = self.agents.dispatch_mut(&dispatch_id) else { return };
        if dispatch.ended.len() >= ENDED_KEPT {
            dispatch.ended.pop_front();
        }
        dispatch.ended.push_back(job);
        let again = status == JobStatus::Failed
            && dispatch.agent.restart_policy == RestartPolicy::OnFailure
            && dispatch.served.contains(&slot);
        let restarts = if ran >= RAN_WELL { 0 } else { work.restarts };
        if again && restarts < MAX_RESTARTS {
            // Somebody else shall have it first, if there is anybody.
            let failed_at = assigned.flatten();
            let others = self.agents.group(&work.group).any(|(c, worker)| Some(c) != failed_at && worker.is_open());
            let start = Start { participant, restarts: restarts + 1, avoid: failed_at.filter(|_| others) };
            self.begin_job(&dispatch_id, slot.0, start, now, outputs);
        }
        self.tell_waiting(&dispatch_id);
    }

    /// Does what is due for jobs.
    pub(crate) fn agents_tick(&mut self, now: Time, outputs: &mut Vec<Output>) {
        for id in self.agents.due(now) {
            self.agents.set_due(&id, None);
            let Some(work) = self.agents.work_mut(&id) else { continue };
            match (work.stage.clone(), work.presence) {
                (Stage::Waiting, _) => {
                    work.refused.clear();
                    self.offer(&id, now, outputs);
                    self.tell_waiting_of(&id);
                }
                (Stage::Offered(connection), _) => self.unanswered(&id, connection, now, outputs),
                (Stage::Assigned(_), Presence::There) => {}
                (Stage::Assigned(_), Presence::Left) => {
                    // It went in the orderly way, and nobody has said how.
                    self.finish_job(&id, JobStatus::Success, String::new(), now, outputs);
                }
                (Stage::Assigned(_), Presence::Expected) => {
                    self.terminate(&id, outputs);
                    let error = format!("the agent has not come within {} s", BEGIN.as_secs());
                    self.finish_job(&id, JobStatus::Failed, error, now, outputs);
                }
                (Stage::Assigned(_), Presence::Lost) => {
                    self.terminate(&id, outputs);
                    let error = "agent worker left the room".to_owned();
                    self.finish_job(&id, JobStatus::Failed, error, now, outputs);
                }
            }
        }
    }
}

fn job_webhook(event: &'static str, job: &Job, at: Time, outputs: &mut Vec<Output>) {
    let (room, job) = (Some(job.room.clone()), Some(Box::new(job.clone())));
    outputs.push(Output::Notify(Box::new(Webhook {
        event,
        at,
        room,
        participant: None,
        track: None,
        call: None,
        job,
    })));
}
