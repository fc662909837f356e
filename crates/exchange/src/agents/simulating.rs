//! A worker asks for a job for itself (`SimulateJobRequest`), to try its agent out.

use super::table::{Dispatch, Presence, Stage, Work};
use crate::{
    Exchange, Output,
    port::{ConnectionId, Level},
};
use trunkline_room::worker::{AgentRequest, Job, JobType, RestartPolicy};
use trunkline_types::{DispatchId, JobId, Time};

impl Exchange {
    /// Makes the room if need be, and offers the worker a job in it.
    pub(super) fn simulate_job(
        &mut self,
        connection: ConnectionId,
        kind: JobType,
        room: &str,
        participant: &str,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        if self.rooms.room(room).is_none() && self.config.rooms.auto_create {
            let mut events = Vec::new();
            self.agents.simulated = Some(room.to_owned());
            // Whether it worked is seen below.
            let _ = self.rooms.create(room, Default::default(), now, &mut events);
            self.room_events(events, now, outputs);
            self.agents.simulated = None;
        }
        let (id, dispatch_id) = (JobId::random(&mut self.random), DispatchId::random(&mut self.random));
        let (Some(info), Some(worker)) = (self.rooms.room(room), self.agents.worker(connection)) else {
            return Self::log(Level::Warn, None, "a worker wants a job in a room that cannot be made", outputs);
        };
        if self.agents.of_room(&info.sid).len() >= super::dispatching::MAX_DISPATCHES {
            return Self::log(Level::Warn, None, "a worker wants a job in a room with too many dispatches", outputs);
        }
        let group = worker.group.clone();
        // Nobody else is asked.
        let others = self.agents.group(&group).map(|(other, _)| other).filter(|other| *other != connection).collect();
        let agent = AgentRequest {
            agent_name: group.agent_name.clone(),
            deployment: group.deployment.clone(),
            restart_policy: RestartPolicy::Never,
            ..AgentRequest::default()
        };
        let job = Job {
            id: id.clone(),
            dispatch_id: dispatch_id.clone(),
            kind,
            room: info.clone(),
            participant: self.rooms.participant(room, participant).ok(),
            agent_name: group.agent_name.clone(),
            deployment: group.deployment.clone(),
            ..Job::default()
        };
        let dispatch = Dispatch {
            room: info.sid.clone(),
            room_name: room.into(),
            agent,
            created_at_ns: now.unix_nanos(),
            served: Default::default(),
            jobs: Default::default(),
            ended: Default::default(),
            told: String::new(),
            simulated: true,
        };
        self.agents.add_dispatch(dispatch_id, dispatch);
        self.agents.add_work(Work {
            job,
            group,
            order: 0,
            room: info.sid,
            stage: Stage::Waiting,
            presence: Presence::Expected,
            refused: others,
            offered_at: now,
            rounds: 0,
            restarts: 0,
            due: None,
        });
        self.offer(&id, now, outputs);
    }
}
