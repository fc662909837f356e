//! Who calls for agents, and when they are asked.

use crate::{
    staff::telephones,
    world::{ROOM, World},
};
use std::time::Duration;
use trunkline_exchange::command::{Code, Command, Reply};
use trunkline_room::{
    Kind, RoomSettings, TrackKind,
    worker::{AgentRequest, JobStatus, JobType, Request},
};
use trunkline_routing::record::{AgentDispatch, Options, RoomConfig};
use trunkline_types::DispatchId;

fn create(world: &mut World, agent: AgentRequest) -> Result<Reply, trunkline_exchange::command::ApiError> {
    world.ask(Command::CreateDispatch { room: ROOM.into(), agent: Box::new(agent) }).expect("answered")
}

#[test]
fn a_room_calls_for_whoever_has_no_name_and_the_agent_runs_until_the_room_ends() {
    let mut world = World::default();
    world.register(1, "");
    world.join(7, "ann");
    let job = world.last_offer(1);
    assert_eq!((job.kind, job.room.name.as_str(), job.participant.as_ref()), (JobType::Room, ROOM, None));
    assert!(!job.room.sid.is_empty() && job.id.as_str().starts_with("AJ_"));
    let id = world.accept(1);
    let pass = world.passes(1).pop().expect("an assignment");
    assert_eq!((pass.room.as_str(), pass.identity.as_str()), (ROOM, format!("agent-{id}").as_str()));
    world.update(1, &id, JobStatus::Running);
    world.arrive(1, 8);
    assert_eq!(world.statuses(), [JobStatus::Running]);
    assert_eq!(world.hooks(), ["agent_job_started"]);
    world.ask(Command::DeleteRoom(ROOM.into()));
    assert_eq!(world.terminated(1), [id]);
    assert_eq!(world.hooks(), ["agent_job_started", "agent_job_ended"]);
    assert!(world.dispatches().is_empty());
}

#[test]
fn a_worker_that_comes_after_the_room_is_asked_at_once() {
    let mut world = World::default();
    world.make_room(vec![AgentRequest::named("receptionist", "m")]);
    assert_eq!(world.waiting(), "no worker for the agent \"receptionist\" is registered");
    world.register(1, "");
    assert!(world.offers(1).is_empty(), "a room with agents of its own calls for nobody else");
    world.register(2, "receptionist");
    let job = world.last_offer(2);
    assert_eq!((job.agent_name.as_str(), job.metadata.as_str()), ("receptionist", "m"));
    world.accept(2);
    assert_eq!(world.waiting(), "");
    world.register(3, "receptionist");
    assert!(world.offers(3).is_empty(), "the room has its agent");
}

#[test]
fn participants_and_publishers_each_get_an_agent() {
    let mut world = World::default();
    world.register_for(1, JobType::Participant);
    world.register_for(2, JobType::Publisher);
    world.join(7, "ann");
    assert_eq!(world.last_offer(1).participant.expect("whom it is for").identity, "ann");
    assert!(world.offers(2).is_empty());
    world.publish(7, "voice", TrackKind::Audio);
    world.publish(7, "camera", TrackKind::Video);
    assert_eq!(world.offers(2).len(), 1);
    world.accept(1);
    world.arrive(1, 8);
    assert_eq!(world.offers(1).len(), 1, "an agent needs no agent");
    world.join(9, "bob");
    assert_eq!(world.last_offer(1).participant.expect("whom it is for").identity, "bob");
    world.request(9, trunkline_room::signal::Request::Leave(trunkline_types::DisconnectReason::ClientInitiated));
    assert_eq!(
        world.jobs().iter().filter(|j| j.state.status == JobStatus::Success).count(),
        1,
        "nobody is left for it"
    );
}

#[test]
fn a_callers_rule_names_his_agents_and_they_see_him_whole() {
    let agent = AgentDispatch {
        agent_name: "receptionist".into(),
        metadata: "m".into(),
        attributes: [("a".to_owned(), "b".to_owned())].into(),
        ..AgentDispatch::default()
    };
    let config = RoomConfig { agents: vec![agent], ..RoomConfig::default() };
    let mut world = telephones(Options::default(), Some(config));
    world.register(1, "receptionist");
    world.call();
    let job = world.last_offer(1);
    assert_eq!((job.metadata.as_str(), job.attributes["a"].as_str(), job.room.num_participants), ("m", "b", 1));
    let caller = world.caller();
    assert_eq!((caller.kind, caller.attributes["sip.phoneNumber"].as_str()), (Kind::Sip, "+17770"));
}

#[test]
fn the_api_creates_lists_and_deletes_dispatches() {
    let mut world = World::default();
    world.register(1, "receptionist");
    let made = create(&mut world, AgentRequest::named("receptionist", "m"));
    let Ok(Reply::Dispatch(made)) = made else { panic!("{made:?}") };
    assert!(made.id.as_str().starts_with("AD_") && made.created_at_ns > 0);
    assert_eq!((made.jobs.len(), made.jobs[0].state.status), (1, JobStatus::Pending));
    let job = world.accept(1);
    world.arrive(1, 8);
    let list = |id: &str| Command::ListDispatches { room: Some(ROOM.into()), dispatch: Some(DispatchId::from(id)) };
    let Some(Ok(Reply::Dispatches(listed))) = world.ask(list(made.id.as_str())) else { panic!("not listed") };
    assert_eq!((listed.len(), listed[0].jobs[0].state.status), (1, JobStatus::Running));
    assert_eq!(world.ask(list("AD_x")).expect("answered").expect_err("unknown").code, Code::NotFound);
    let delete = |room: &str| Command::DeleteDispatch { room: room.into(), dispatch: made.id.clone() };
    assert_eq!(world.ask(delete("other")).expect("answered").expect_err("another room's").code, Code::NotFound);
    let Some(Ok(Reply::Dispatch(deleted))) = world.ask(delete(ROOM)) else { panic!("not deleted") };
    assert!(deleted.deleted_at_ns > 0 && deleted.jobs[0].state.status == JobStatus::Success);
    assert_eq!(world.terminated(1), [job]);
    assert_eq!(world.ask(delete(ROOM)).expect("answered").expect_err("gone").code, Code::NotFound);
    world.register(2, "receptionist");
    assert!(world.offers(2).is_empty());
}

#[test]
fn what_cannot_be_dispatched_is_refused() {
    let mut world = World::default();
    for deployment in ["a_b".to_owned(), "a".repeat(65)] {
        let agent = AgentRequest { deployment, ..AgentRequest::default() };
        assert_eq!(create(&mut world, agent).expect_err("refused").code, Code::InvalidArgument);
    }
    let agent = AgentRequest { deployment: "a".repeat(64), ..AgentRequest::default() };
    assert!(create(&mut world, agent).is_ok());
    // The room's own dispatch and the one above count.
    for _ in 0..62 {
        create(&mut world, AgentRequest::named("a", "")).expect("below the limit");
    }
    assert_eq!(create(&mut world, AgentRequest::named("a", "")).expect_err("refused").code, Code::ResourceExhausted);
}

#[test]
fn a_built_in_participant_needs_no_worker() {
    let mut world = World::default();
    create(&mut world, AgentRequest::named("trunkline.echo", "")).expect("started");
    assert!(world.participants().iter().any(|p| p.kind == Kind::Agent));
}

#[test]
fn a_worker_may_ask_for_a_job_for_itself() {
    let mut world = World::default();
    world.register(1, "");
    world.register(2, "");
    let simulate = || Request::Simulate { kind: JobType::Room, room: "trial".into(), participant: String::new() };
    world.worker(2, simulate());
    assert_eq!(world.offers(1).len(), 0);
    assert_eq!(world.offers(2).len(), 1, "the room it was made for calls for nobody else");
    world.decline(2);
    world.wait(Duration::from_secs(100));
    assert_eq!((world.offers(1).len(), world.offers(2).len()), (0, 1));
    world.worker(2, simulate());
    world.accept(2);
    assert_eq!(world.passes(2).len(), 1);
    world.ask(Command::DeleteRoom("trial".into()));
    assert_eq!(world.terminated(2).len(), 1);
}

#[test]
fn once_everybody_has_gone_nothing_is_left() {
    let mut world = World::default();
    world.register(1, "");
    world.ask(Command::CreateRoom(ROOM.into(), RoomSettings { empty_timeout: 1, ..RoomSettings::default() }));
    world.accept(1);
    world.wait(Duration::from_secs(2));
    assert!(world.exchange.is_quiet());
    assert_eq!(world.terminated(1).len(), 1);
}
