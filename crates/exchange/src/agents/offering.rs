//! Which worker is asked for a job, and who is asked next.

use super::{
    table::{Manners, Stage, Work, Worker},
    workers::naming,
};
use crate::{Exchange, Output, agents::table::Group, port::ConnectionId};
use std::time::Duration;
use trunkline_room::worker::{JobStatus, Response};
use trunkline_types::{JobId, Time};

/// How long a worker may think about an offer when nobody else can be asked.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it may think while somebody else could be asked: a caller hears it ring meanwhile.
const WHILE_OTHERS_CAN: Duration = Duration::from_secs(2);
/// When every worker has refused a job they are asked again after this, then after twice as long.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest pause.
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);
/// What a worker without load weighs.
const WEIGHT: f32 = 1_000.0;

impl Exchange {
    /// Offers a waiting job to a worker; whether one could be asked.
    pub(super) fn offer(&mut self, id: &JobId, now: Time, outputs: &mut Vec<Output>) -> bool {
        let Some(work) = self.agents.work(id).filter(|work| work.stage == Stage::Waiting) else { return false };
        let (room, rests) = (self.rooms.room(&work.job.room.name), work.due.is_none() && !work.refused.is_empty());
        let whom = work.job.participant.as_ref();
        let participant = whom.and_then(|p| self.rooms.participant(&work.job.room.name, &p.identity).ok());
        let Some(connection) = self.pick(id) else {
            if rests {
                self.ask_later(id, now);
            }
            return false;
        };
        let worker_id = self.agents.worker(connection).map(|worker| worker.id.clone()).unwrap_or_default();
        self.agents.set_stage(id, Stage::Offered(connection));
        self.agents.due_in(id, WHILE_OTHERS_CAN, now);
        let Some(work) = self.agents.work_mut(id) else { return false };
        work.offered_at = now;
        if let Some(room) = room {
            work.job.room = room;
        }
        if let Some(participant) = participant {
            work.job.participant = Some(participant);
        }
        work.job.state.worker_id = worker_id;
        work.job.state.updated_at_ns = now.unix_nanos();
        let (mut job, resuming) = (Box::new(work.job.clone()), work.restarts > 0);
        // The agent sees this copy, and by then it runs.
        job.state.status = JobStatus::Running;
        job.state.started_at_ns = now.unix_nanos();
        outputs.push(Output::Worker(connection, Box::new(Response::Availability { job, resuming })));
        true
    }

    /// A worker still thinks about an offer: it may go on, unless its time is over or another one could be asked.
    pub(super) fn unanswered(&mut self, id: &JobId, connection: ConnectionId, now: Time, outputs: &mut Vec<Output>) {
        let Some(work) = self.agents.work(id) else { return };
        let left = ANSWER.saturating_sub(now.since(work.offered_at));
        let asked_before = |other: &ConnectionId| *other == connection || work.refused.contains(other);
        let another = self.agents.group(&work.group).any(|(who, worker)| worker.is_ready() && !asked_before(&who));
        if !left.is_zero() && !another {
            return self.agents.due_in(id, left.min(WHILE_OTHERS_CAN), now);
        }
        if let Some(worker) = self.agents.worker_mut(connection) {
            worker.manners = Manners::Silent;
        }
        self.refused(id, connection, now, outputs);
    }

    /// Everybody has refused: they are asked again later.
    fn ask_later(&mut self, id: &JobId, now: Time) {
        let Some(work) = self.agents.work_mut(id) else { return };
        let wait = AGAIN.saturating_mul(1 << work.rounds.min(4)).min(AGAIN_AT_MOST);
        work.rounds = work.rounds.saturating_add(1);
        self.agents.due_in(id, wait, now);
    }

    /// By chance, weighted by what load leaves free, among those of whom an answer is most likely.
    fn pick(&mut self, id: &JobId) -> Option<ConnectionId> {
        let work = self.agents.work(id)?;
        let willing = || {
            let group = self.agents.group(&work.group);
            group.filter(|(connection, worker)| worker.is_ready() && !work.refused.contains(connection))
        };
        let best = willing().map(|(_, worker)| worker.manners).min()?;
        let likely = willing().filter(|(_, worker)| worker.manners == best);
        let candidates: Vec<_> = likely.map(|(connection, worker)| (connection, weight(worker))).collect();
        let mut drawn = self.random.below(candidates.iter().map(|(_, weight)| weight).sum());
        for (connection, weight) in candidates {
            if drawn < weight {
                return Some(connection);
            }
            drawn -= weight;
        }
        None
    }

    /// Offers what waits for workers of this group.
    pub(super) fn serve(&mut self, group: &Group, now: Time, outputs: &mut Vec<Output>) {
        let mut last = 0;
        while self.agents.group(group).any(|(_, worker)| worker.is_ready())
            && let Some((order, job)) = self.agents.next_waiting(group, last)
        {
            last = order;
            self.offer(&job, now, outputs);
            self.tell_waiting_of(&job);
        }
    }

    /// A worker does not take a job: the next one is asked.
    pub(super) fn refused(&mut self, id: &JobId, connection: ConnectionId, now: Time, outputs: &mut Vec<Output>) {
        self.agents.set_due(id, None);
        self.agents.set_stage(id, Stage::Waiting);
        if let Some(work) = self.agents.work_mut(id) {
            work.refused.insert(connection);
            work.job.state.worker_id = Default::default();
        }
        let dispatch = self.agents.work(id).and_then(|work| self.agents.dispatch(&work.job.dispatch_id));
        if dispatch.is_some_and(|dispatch| dispatch.simulated) {
            return self.finish_job(id, JobStatus::Success, String::new(), now, outputs);
        }
        self.offer(id, now, outputs);
        self.tell_waiting_of(id);
    }

    /// Why a job waits; empty if it does not.
    pub(super) fn why_waiting(&self, work: &Work) -> String {
        let whose = naming(&work.group.agent_name);
        match work.stage {
            Stage::Offered(_) => return format!("a worker for {whose} is being asked"),
            Stage::Assigned(_) => return String::new(),
            Stage::Waiting => {}
        }
        let mut workers = self.agents.group(&work.group).peekable();
        if workers.peek().is_none() {
            return format!("no worker for {whose} is registered");
        }
        let all: Vec<_> = workers.collect();
        if all.iter().all(|(_, worker)| !worker.is_open()) {
            return format!("every worker for {whose} is full or draining");
        }
        if all.iter().all(|(connection, worker)| !worker.is_open() || work.refused.contains(connection)) {
            return format!("every worker for {whose} has declined or not answered");
        }
        format!("every worker for {whose} is being asked for other jobs")
    }
}

/// What load leaves free; never nothing, for a worker that calls itself available is.
fn weight(worker: &Worker) -> u64 {
    ((1.0 - worker.load) * WEIGHT).max(1.0) as u64
}
