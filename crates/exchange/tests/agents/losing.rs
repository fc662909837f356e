//! Agents leave and are lost; workers' sockets are cut.

use crate::world::{ROOM, World};
use std::time::Duration;
use trunkline_call::media::peer::PeerFact;
use trunkline_exchange::command::{Code, Command};
use trunkline_room::{
    signal,
    worker::{JobStatus, Request},
};
use trunkline_types::DisconnectReason;

/// A room with a guest, and an agent at connection 8 that worker 1 runs.
fn served() -> (World, trunkline_types::JobId) {
    let mut world = World::default();
    world.register(1, "");
    world.join(7, "guest");
    let job = world.accept(1);
    world.update(1, &job, JobStatus::Running);
    world.arrive(1, 8);
    (world, job)
}

fn lose(world: &mut World, connection: u64) {
    let peer = world.peer(connection);
    world.give(trunkline_exchange::Input::SignalClosed(connection));
    world.tell(PeerFact::Lost { peer });
    world.wait(Duration::from_secs(6));
}

#[test]
fn an_agent_that_leaves_is_not_replaced_and_its_worker_says_how_it_ended() {
    let (mut world, job) = served();
    world.register(2, "");
    world.request(8, signal::Request::Leave(DisconnectReason::ClientInitiated));
    assert_eq!(world.statuses(), [JobStatus::Running]);
    world.update(1, &job, JobStatus::Success);
    assert_eq!(world.statuses(), [JobStatus::Success]);
    world.wait(Duration::from_secs(60));
    assert!(world.offers(2).is_empty());
}

#[test]
fn a_worker_that_does_not_say_how_its_agent_ended_is_not_waited_for() {
    let (mut world, _) = served();
    world.request(8, signal::Request::Leave(DisconnectReason::ClientInitiated));
    world.wait(Duration::from_secs(16));
    assert_eq!(world.statuses(), [JobStatus::Success]);
}

#[test]
fn a_lost_agent_may_come_back_and_one_that_does_not_is_replaced() {
    let (mut world, job) = served();
    world.register(2, "");
    lose(&mut world, 8);
    world.arrive(1, 9);
    world.wait(Duration::from_secs(30));
    assert_eq!(world.statuses(), [JobStatus::Running]);
    lose(&mut world, 9);
    world.wait(Duration::from_secs(11));
    assert_eq!(world.terminated(1), [job]);
    let asked: Vec<_> = world.offers(1).into_iter().chain(world.offers(2)).collect();
    assert_eq!(asked.len(), 2);
    assert!(world.offers(2).last().is_some_and(|(_, resuming)| *resuming), "another worker is preferred");
}

#[test]
fn a_worker_whose_socket_was_cut_keeps_its_jobs_and_names_them_when_it_is_back() {
    let (mut world, job) = served();
    world.close(1);
    world.wait(Duration::from_secs(60));
    assert_eq!(world.statuses(), [JobStatus::Running]);
    world.register(2, "");
    assert!(world.offers(2).is_empty());
    let unknown = "AJ_unknown".into();
    world.worker(2, Request::Migrate(vec![job.clone(), unknown]));
    assert_eq!(world.terminated(2), ["AJ_unknown".into()], "a job for a room that is gone");
    world.update(2, &job, JobStatus::Success);
    assert_eq!(world.statuses(), [JobStatus::Success]);
}

#[test]
fn a_killed_worker_gives_its_job_back_when_its_agent_is_lost() {
    let (mut world, _) = served();
    world.close(1);
    world.register(2, "");
    assert!(world.offers(2).is_empty(), "the agent may live on");
    lose(&mut world, 8);
    assert!(world.offers(2).last().is_some_and(|(_, resuming)| *resuming));
    world.accept(2);
    world.arrive(2, 9);
    assert_eq!(world.statuses(), [JobStatus::Failed, JobStatus::Running]);
}

#[test]
fn what_a_lost_worker_was_asked_is_asked_of_another() {
    let mut world = World::default();
    world.register(1, "");
    world.make_room(Vec::new());
    world.register(2, "");
    world.close(1);
    assert_eq!(world.offers(2).len(), 1);
    world.close(2);
    assert_eq!(world.waiting(), "no worker for automatic dispatch is registered");
    world.register(3, "");
    assert_eq!(world.offers(3).len(), 1);
}

#[test]
fn who_takes_an_agents_place_is_the_same_agent() {
    let (mut world, _) = served();
    world.arrive(1, 9);
    world.wait(Duration::from_secs(60));
    assert_eq!((world.statuses(), world.terminated(1).len()), (vec![JobStatus::Running], 0));
}

#[test]
fn an_agent_is_not_moved_away_from_its_job() {
    let (mut world, _) = served();
    let identity = world.passes(1).pop().expect("an assignment").identity;
    let moving = Command::MoveParticipant { room: ROOM.into(), identity, destination: "elsewhere".into() };
    let refused = world.ask(moving).expect("answered at once").unwrap_err();
    assert_eq!(refused.code, Code::FailedPrecondition);
    assert!(refused.message.contains("dispatch an agent to the destination_room"), "{}", refused.message);
    assert!(world.leaves(8).is_empty());
}
