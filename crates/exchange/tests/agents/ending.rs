//! How jobs are declined, fail, are given away again and end.

use crate::world::{ROOM, World};
use std::time::Duration;
use trunkline_exchange::command::Command;
use trunkline_room::worker::{AgentRequest, Availability, JobStatus, Request, Response, RestartPolicy};

#[test]
fn a_decline_and_a_time_out_try_the_next_one_and_then_all_of_them_again() {
    let mut world = World::default();
    world.hasty = true;
    world.register(1, "");
    world.register(2, "");
    world.make_room(Vec::new());
    let first = asked(&mut world).expect("somebody is asked");
    world.decline(first);
    assert_eq!(asked(&mut world), Some(3 - first));
    world.wait(Duration::from_millis(10_001));
    assert_eq!((world.offers(1).len(), world.offers(2).len()), (1, 1), "each was asked once");
    assert_eq!(world.waiting(), "every worker for automatic dispatch has declined or not answered");
    world.wait(Duration::from_millis(5_001));
    assert_eq!(asked(&mut world), Some(first), "again, and first whoever has spoken");
}

#[test]
fn a_worker_that_comes_is_asked_for_what_all_others_have_declined() {
    let mut world = World::default();
    world.register(1, "");
    world.make_room(Vec::new());
    world.decline(1);
    world.register(2, "");
    assert_eq!(world.offers(2).len(), 1);
    world.accept(2);
    world.wait(Duration::from_secs(30));
    assert_eq!(world.offers(1).len(), 1);
}

#[test]
fn a_worker_may_say_that_nobody_shall_have_the_job() {
    let mut world = World::default();
    world.register(1, "");
    world.make_room(Vec::new());
    world.register(2, "");
    let job = world.last_offer(1).id;
    world.worker(1, Request::Availability(Availability { job, terminate: true, ..Availability::default() }));
    assert_eq!(world.statuses(), [JobStatus::Success]);
    assert!(world.offers(2).is_empty() && world.hooks().is_empty());
}

#[test]
fn what_a_worker_asks_for_its_agent_is_in_the_pass() {
    let mut world = World::default();
    world.register(1, "receptionist");
    world.make_room(vec![AgentRequest::named("receptionist", "")]);
    let answer = Availability {
        job: world.last_offer(1).id,
        available: true,
        identity: "ann".into(),
        name: "Ann".into(),
        metadata: "m".into(),
        attributes: [("a".to_owned(), "b".to_owned())].into(),
        ..Availability::default()
    };
    world.worker(1, Request::Availability(answer));
    let pass = world.passes(1).pop().expect("an assignment");
    assert_eq!((pass.identity.as_str(), pass.name.as_str(), pass.metadata.as_str()), ("ann", "Ann", "m"));
    assert_eq!((pass.attributes["a"].as_str(), pass.attributes["lk.agent_name"].as_str()), ("b", "receptionist"));
}

/// The worker that is asked for a job now.
fn asked(world: &mut World) -> Option<u64> {
    let pending = world.jobs().into_iter().find(|j| j.state.status == JobStatus::Pending)?;
    [1, 2].into_iter().find(|w| world.told(*w)[0] == Response::Registered(pending.state.worker_id.clone()))
}

#[test]
fn a_job_that_fails_is_given_to_another_worker_a_few_times() {
    let mut world = World::default();
    world.register(1, "");
    world.make_room(Vec::new());
    world.register(2, "");
    for (round, worker) in [1, 2, 1, 2].into_iter().enumerate() {
        assert_eq!(asked(&mut world), Some(worker));
        assert_eq!(world.offers(worker).pop().expect("an offer").1, round > 0, "resuming");
        let job = world.accept(worker);
        world.update(worker, &job, JobStatus::Failed);
    }
    assert_eq!((asked(&mut world), world.offers(1).len(), world.offers(2).len()), (None, 2, 2));
    assert_eq!(world.statuses(), [JobStatus::Failed; 4]);
}

#[test]
fn a_job_that_is_to_run_once_runs_once() {
    let mut world = World::default();
    world.register(1, "");
    let agent = AgentRequest { restart_policy: RestartPolicy::Never, ..AgentRequest::default() };
    world.make_room(vec![agent]);
    let job = world.accept(1);
    world.update(1, &job, JobStatus::Failed);
    assert_eq!((world.offers(1).len(), world.statuses()), (1, vec![JobStatus::Failed]));
}

#[test]
fn a_job_that_succeeds_is_over() {
    let mut world = World::default();
    world.register(1, "");
    world.make_room(Vec::new());
    let job = world.accept(1);
    world.update(1, &job, JobStatus::Running);
    world.update(1, &job, JobStatus::Success);
    world.update(1, &job, JobStatus::Failed);
    assert_eq!((world.offers(1).len(), world.statuses()), (1, vec![JobStatus::Success]));
    assert_eq!(world.hooks(), ["agent_job_started", "agent_job_ended"]);
    world.ask(Command::DeleteRoom(ROOM.into()));
    assert!(world.terminated(1).is_empty());
}

#[test]
fn an_agent_that_never_comes_is_replaced() {
    let mut world = World::default();
    world.register(1, "");
    world.make_room(Vec::new());
    let job = world.accept(1);
    world.register(2, "");
    world.wait(Duration::from_secs(61));
    assert_eq!(world.terminated(1), [job]);
    assert_eq!(world.offers(2).len(), 1);
}
