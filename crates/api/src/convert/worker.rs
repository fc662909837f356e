//! What workers and the server say to each other, and what they speak of.

use super::{agents_server_info, media::sorted, participant, room, room::permission_from};
use livekit_protocol::{self as proto, server_message, worker_message};
use trunkline_room::{
    Permission,
    worker::{
        AgentRequest, Availability, DispatchInfo, Job, JobStatus, JobType, Registration, Request, Response,
        RestartPolicy, Status,
    },
};
use trunkline_types::JobId;

/// Reads what a worker says; `None` for what is answered without the exchange.
///
/// # Errors
/// A field that has a value we do not know.
pub(crate) fn worker_request(message: worker_message::Message) -> Result<Option<Request>, String> {
    Ok(Some(match message {
        worker_message::Message::Register(register) => Request::Register(Registration {
            kind: kind_from(register.r#type)?,
            agent_name: register.agent_name,
            deployment: register.deployment,
            version: register.version,
            permission: register.allowed_permissions.as_ref().map_or_else(agents_permission, permission_from),
        }),
        worker_message::Message::Availability(answer) => Request::Availability(Availability {
            job: answer.job_id.into(),
            available: answer.available,
            terminate: answer.terminate,
            identity: answer.participant_identity,
            name: answer.participant_name,
            metadata: answer.participant_metadata,
            attributes: sorted(answer.participant_attributes),
        }),
        worker_message::Message::UpdateWorker(update) => Request::Status(Status {
            full: update.status.map(|status| status != i32::from(proto::WorkerStatus::WsAvailable)),
            load: update.load,
            draining: update.draining,
        }),
        worker_message::Message::UpdateJob(update) => Request::UpdateJob {
            status: match update.status() {
                proto::JobStatus::JsPending => JobStatus::Pending,
                proto::JobStatus::JsRunning => JobStatus::Running,
                proto::JobStatus::JsSuccess => JobStatus::Success,
                proto::JobStatus::JsFailed => JobStatus::Failed,
            },
            job: update.job_id.into(),
            error: update.error,
        },
        worker_message::Message::MigrateJob(migrate) => {
            Request::Migrate(migrate.job_ids.into_iter().map(JobId::from).collect())
        }
        worker_message::Message::SimulateJob(simulate) => Request::Simulate {
            kind: kind_from(simulate.r#type)?,
            room: simulate.room.map(|room| room.name).unwrap_or_default(),
            participant: simulate.participant.map(|participant| participant.identity).unwrap_or_default(),
        },
        worker_message::Message::Ping(_) => return Ok(None),
    }))
}

/// Writes what a worker is told. `None` for [`Response::Assignment`], which needs a secret.
pub(crate) fn worker_response(response: Response, node_id: &str) -> Option<server_message::Message> {
    Some(match response {
        Response::Registered(id) => server_message::Message::Register(proto::RegisterWorkerResponse {
            worker_id: id.as_str().to_owned(),
            server_info: Some(agents_server_info(node_id)),
            ..Default::default()
        }),
        Response::Availability { job: asked, resuming } => {
            server_message::Message::Availability(proto::AvailabilityRequest { job: Some(job(&asked)), resuming })
        }
        Response::Termination(id) => {
            server_message::Message::Termination(proto::JobTermination { job_id: id.as_str().to_owned() })
        }
        Response::Assignment { .. } => return None,
    })
}

/// Writes a job. The numbers of type and status are LiveKit's own.
pub(crate) fn job(job: &Job) -> proto::Job {
    proto::Job {
        id: job.id.as_str().to_owned(),
        dispatch_id: job.dispatch_id.as_str().to_owned(),
        r#type: job.kind as i32,
        room: Some(room(&job.room)),
        participant: job.participant.as_ref().map(participant),
        metadata: job.metadata.clone(),
        agent_name: job.agent_name.clone(),
        deployment: job.deployment.clone(),
        attributes: job.attributes.clone().into_iter().collect(),
        state: Some(proto::JobState {
            status: job.state.status as i32,
            error: job.state.error.clone(),
            started_at: job.state.started_at_ns,
            ended_at: job.state.ended_at_ns,
            updated_at: job.state.updated_at_ns,
            participant_identity: job.state.participant_identity.clone(),
            worker_id: job.state.worker_id.as_str().to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Writes a dispatch. Why it waits is the error of its pending job.
pub(crate) fn dispatch(info: &DispatchInfo) -> proto::AgentDispatch {
    proto::AgentDispatch {
        id: info.id.as_str().to_owned(),
        agent_name: info.agent.agent_name.clone(),
        room: info.room.clone(),
        metadata: info.agent.metadata.clone(),
        state: Some(proto::AgentDispatchState {
            jobs: info.jobs.iter().map(job).collect(),
            created_at: info.created_at_ns,
            deleted_at: info.deleted_at_ns,
        }),
        restart_policy: info.agent.restart_policy as i32,
        deployment: info.agent.deployment.clone(),
        attributes: info.agent.attributes.clone().into_iter().collect(),
    }
}

/// Reads an agent that shall come into a room.
pub(crate) fn agent_request(agent: proto::RoomAgentDispatch) -> AgentRequest {
    AgentRequest {
        restart_policy: restart_policy(agent.restart_policy()),
        agent_name: agent.agent_name,
        metadata: agent.metadata,
        deployment: agent.deployment,
        attributes: sorted(agent.attributes),
    }
}

/// Reads `CreateDispatch`: the room and the agent.
pub(crate) fn create_dispatch(request: proto::CreateAgentDispatchRequest) -> (String, AgentRequest) {
    let agent = AgentRequest {
        restart_policy: restart_policy(request.restart_policy()),
        agent_name: request.agent_name,
        metadata: request.metadata,
        deployment: request.deployment,
        attributes: sorted(request.attributes),
    };
    (request.room, agent)
}

const fn restart_policy(policy: proto::JobRestartPolicy) -> RestartPolicy {
    match policy {
        proto::JobRestartPolicy::JrpOnFailure => RestartPolicy::OnFailure,
        proto::JobRestartPolicy::JrpNever => RestartPolicy::Never,
    }
}

fn kind_from(number: i32) -> Result<JobType, String> {
    match proto::JobType::try_from(number) {
        Ok(proto::JobType::JtRoom) => Ok(JobType::Room),
        Ok(proto::JobType::JtPublisher) => Ok(JobType::Publisher),
        Ok(proto::JobType::JtParticipant) => Ok(JobType::Participant),
        Err(_) => Err(format!("{number} is no JobType")),
    }
}

/// Of a worker that asks for nothing particular.
fn agents_permission() -> Permission {
    Permission { agent: true, ..Permission::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn fields_of_a_newer_worker_do_no_harm() {
        let register = proto::RegisterWorkerRequest { agent_name: "a".into(), ..Default::default() };
        let message = proto::WorkerMessage { message: Some(worker_message::Message::Register(register)) };
        let mut bytes = message.encode_to_vec();
        // A field that does not exist, beside the message.
        bytes.extend_from_slice(&[0xfa, 0x3f, 0x01, 0x00]);
        let read = proto::WorkerMessage::decode(bytes.as_slice()).unwrap().message.unwrap();
        let Some(Request::Register(registration)) = worker_request(read).unwrap() else { panic!("no registration") };
        assert_eq!(registration.agent_name, "a");
        assert!(registration.permission.agent && registration.permission.can_publish);
        let odd = proto::RegisterWorkerRequest { r#type: 9, ..Default::default() };
        assert!(worker_request(worker_message::Message::Register(odd)).is_err());
    }

    #[test]
    fn a_job_is_written_whole() {
        let mut given = Job { id: "AJ_a".into(), kind: JobType::Publisher, metadata: "m".into(), ..Job::default() };
        given.room.name = "lobby".into();
        given.state.status = JobStatus::Running;
        let written = job(&given);
        assert_eq!((written.r#type(), written.metadata.as_str()), (proto::JobType::JtPublisher, "m"));
        assert_eq!(written.room.unwrap().name, "lobby");
        assert_eq!(written.state.unwrap().status(), proto::JobStatus::JsRunning);
    }
}
