//! Workers come, say how they are, and go.

use super::table::{Group, Manners, Presence, Stage, Worker};
use crate::{
    Exchange, Output,
    exchange::Drain,
    port::{ConnectionId, Level},
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use trunkline_room::worker::{JobType, Registration, Request, Response, Status};
use trunkline_types::{JobId, Time, WorkerId};

impl Exchange {
    /// A worker says something. A fault costs that worker its socket, and nobody else anything.
    pub(crate) fn worker(&mut self, connection: ConnectionId, request: Request, now: Time, outputs: &mut Vec<Output>) {
        let handled = catch_unwind(AssertUnwindSafe(|| self.worker_said(connection, request, now, outputs)));
        if handled.is_err() {
            Self::log(Level::Error, None, "a fault while a worker was handled; its socket is closed", outputs);
            outputs.push(Output::WorkerHangUp(connection));
            self.worker_closed(connection, now, outputs);
        }
    }

    fn worker_said(&mut self, connection: ConnectionId, request: Request, now: Time, outputs: &mut Vec<Output>) {
        if let Request::Register(registration) = request {
            return self.register(connection, registration, now, outputs);
        }
        if self.agents.worker(connection).is_none() {
            // Nothing counts before the registration.
            return outputs.push(Output::WorkerHangUp(connection));
        }
        match request {
            Request::Register(_) => {}
            Request::Availability(answer) => self.availability(connection, answer, now, outputs),
            Request::Status(status) => self.worker_status(connection, status, now, outputs),
            Request::UpdateJob { job, status, error } => {
                self.job_updated(connection, &job, status, error, now, outputs);
            }
            Request::Migrate(jobs) => self.migrate(connection, &jobs, outputs),
            Request::Simulate { kind, room, participant } => {
                self.simulate_job(connection, kind, &room, &participant, now, outputs);
            }
        }
    }

    fn register(&mut self, connection: ConnectionId, registration: Registration, now: Time, outputs: &mut Vec<Output>) {
        if self.agents.worker(connection).is_some() {
            Self::log(Level::Warn, None, "a worker registered twice; its socket is closed", outputs);
            outputs.push(Output::WorkerHangUp(connection));
            return self.worker_closed(connection, now, outputs);
        }
        if self.drain == Drain::Done {
            return outputs.push(Output::WorkerHangUp(connection));
        }
        let id = WorkerId::random(&mut self.random);
        let (agent_name, deployment, kind) =
            (registration.agent_name.clone(), registration.deployment.clone(), registration.kind);
        let group = Group { agent_name, deployment, kind };
        let text = format!("worker {id} is registered for {}", naming(&group.agent_name));
        Self::log(Level::Info, None, text, outputs);
        outputs.push(Output::Worker(connection, Box::new(Response::Registered(id.clone()))));
        let worker = Worker {
            id,
            group: group.clone(),
            registration,
            load: 0.0,
            full: false,
            draining: false,
            manners: Manners::New,
            offers: Default::default(),
            jobs: Default::default(),
        };
        self.agents.add_worker(connection, worker);
        for dispatch in self.agents.named(&group) {
            self.fill(&dispatch, group.kind, now, outputs);
        }
        self.serve(&group, now, outputs);
    }

    fn worker_status(&mut self, connection: ConnectionId, status: Status, now: Time, outputs: &mut Vec<Output>) {
        let Some(worker) = self.agents.worker_mut(connection) else { return };
        let was_open = worker.is_open();
        worker.load = if status.load.is_finite() { status.load.clamp(0.0, 1.0) } else { 1.0 };
        worker.full = status.full.unwrap_or(worker.full);
        worker.draining |= status.draining;
        if worker.manners == Manners::New {
            worker.manners = Manners::Speaks;
        }
        if worker.is_open() && !was_open {
            let group = worker.group.clone();
            // What it declined because it was full it may take now.
            for job in self.agents.waiting(&group) {
                if let Some(work) = self.agents.work_mut(&job) {
                    work.refused.remove(&connection);
                }
            }
            self.serve(&group, now, outputs);
        }
    }

    /// A worker's socket is gone. What it was asked is asked of others; its jobs run on, for their
    /// processes may be alive.
    pub(crate) fn worker_closed(&mut self, connection: ConnectionId, now: Time, outputs: &mut Vec<Output>) {
        let Some(worker) = self.agents.remove_worker(connection) else { return };
        let text = format!("worker {} is gone; {} of its jobs run on", worker.id, worker.jobs.len());
        Self::log(Level::Info, None, text, outputs);
        for job in &worker.offers {
            self.agents.set_due(job, None);
            self.agents.set_stage(job, Stage::Waiting);
        }
        for job in &worker.jobs {
            self.agents.set_stage(job, Stage::Assigned(None));
            let presence = self.agents.work(job).map(|work| work.presence);
            if matches!(presence, Some(Presence::Left | Presence::Lost)) {
                // Nobody will say more about it.
                self.agents.set_due(job, Some(now));
            }
        }
        self.serve(&worker.group, now, outputs);
        for dispatch in self.agents.named(&worker.group) {
            self.tell_waiting(&dispatch);
        }
    }

    /// After its socket was cut a worker names the jobs it still has.
    fn migrate(&mut self, connection: ConnectionId, jobs: &[JobId], outputs: &mut Vec<Output>) {
        for job in jobs {
            let assigned = self.agents.work(job).is_some_and(|work| matches!(work.stage, Stage::Assigned(_)));
            if assigned {
                self.agents.set_stage(job, Stage::Assigned(Some(connection)));
                let id = self.agents.worker(connection).map(|worker| worker.id.clone());
                if let (Some(work), Some(id)) = (self.agents.work_mut(job), id) {
                    work.job.state.worker_id = id;
                }
            } else {
                outputs.push(Output::Worker(connection, Box::new(Response::Termination(job.clone()))));
            }
        }
    }

    /// The server stops: workers shall look for another one.
    pub(crate) fn agents_shut_down(&mut self, now: Time, outputs: &mut Vec<Output>) {
        for connection in self.agents.connections() {
            outputs.push(Output::WorkerHangUp(connection));
            self.worker_closed(connection, now, outputs);
        }
    }
}

/// How a worker's name is shown.
pub(super) fn naming(agent_name: &str) -> String {
    if agent_name.is_empty() { "automatic dispatch".into() } else { format!("the agent {agent_name:?}") }
}

/// As operators read it.
pub(super) const fn kind_name(kind: JobType) -> &'static str {
    match kind {
        JobType::Room => "rooms",
        JobType::Publisher => "publishers",
        JobType::Participant => "participants",
    }
}
