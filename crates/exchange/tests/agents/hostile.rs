//! Workers that do what they should not.

use crate::{staff::registration, world::World};
use std::time::Duration;
use trunkline_exchange::command::Command;
use trunkline_room::worker::{Availability, JobStatus, JobType, Registration, Request, Status};
use trunkline_types::{JobId, Random};

#[test]
fn a_thousand_registrations_on_one_connection_cost_that_connection() {
    let mut world = World::default();
    world.register(1, "");
    for _ in 0..1_000 {
        if !world.dismissed.contains(&2) {
            world.register(2, "");
        }
    }
    assert!(world.dismissed.contains(&2) && !world.dismissed.contains(&1));
    world.make_room(Vec::new());
    assert_eq!((world.offers(1).len(), world.offers(2).len()), (1, 0));
}

#[test]
fn nothing_counts_before_the_registration() {
    let mut world = World::default();
    world.status(1, false, 0.0);
    assert!(world.dismissed.contains(&1));
}

#[test]
fn answers_to_what_was_not_asked_and_second_answers_count_for_nothing() {
    let mut world = World::default();
    world.register(1, "");
    world.make_room(Vec::new());
    world.register(2, "");
    let job = world.last_offer(1).id;
    let yes = Request::Availability(Availability { job: job.clone(), available: true, ..Availability::default() });
    world.worker(2, yes.clone());
    assert!(world.passes(2).is_empty());
    world.update(2, &job, JobStatus::Failed);
    for _ in 0..3 {
        world.worker(1, yes.clone());
    }
    assert_eq!(world.passes(1).len(), 1);
    world.worker(1, Request::Availability(Availability { job: job.clone(), ..Availability::default() }));
    world.update(2, &job, JobStatus::Success);
    assert_eq!(world.statuses(), [JobStatus::Running]);
}

/// Anything in any order: nobody is told anything after he was dismissed, no job is two workers',
/// and in the end nothing is left.
#[test]
fn any_sequence_leaves_nothing_behind() {
    for seed in 0..200 {
        let mut random = Random::from_number(seed);
        let mut world = World::default();
        world.hasty = true;
        let (mut next, mut guests) = (1, 0);
        let mut jobs: Vec<JobId> = vec!["AJ_none".into()];
        for _ in 0..120 {
            let worker = 1 + random.below(next);
            if world.dismissed.contains(&worker) {
                continue;
            }
            jobs.extend(world.offers(worker).into_iter().map(|(job, _)| job.id));
            let job = jobs[random.below(jobs.len() as u64) as usize].clone();
            let yes = random.below(2) == 0;
            let request = match random.below(12) {
                0 => {
                    next += 1;
                    let kind = [JobType::Room, JobType::Participant][random.below(2) as usize];
                    let agent_name = ["", "a"][random.below(2) as usize];
                    world.worker(next, Request::Register(Registration { kind, ..registration(agent_name) }));
                    continue;
                }
                1..=4 => Request::Availability(Availability { job, available: yes, ..Availability::default() }),
                5 => Request::Status(Status { full: Some(yes), load: f32::INFINITY, draining: false }),
                6 => Request::UpdateJob {
                    job,
                    status: if yes { JobStatus::Failed } else { JobStatus::Running },
                    error: String::new(),
                },
                7 => Request::Migrate(vec![job]),
                8 => Request::Simulate { kind: JobType::Room, room: "room".into(), participant: String::new() },
                9 => {
                    world.close(worker);
                    world.dismissed.insert(worker);
                    continue;
                }
                10 if yes => {
                    world.ask(Command::DeleteRoom("room".into()));
                    continue;
                }
                10 => {
                    guests += 1;
                    world.join(1_000 + guests, "ann");
                    continue;
                }
                _ => {
                    world.wait(Duration::from_secs(random.below(20)));
                    continue;
                }
            };
            world.worker(worker, request);
        }
        let workers: Vec<_> = world.workers.keys().copied().collect();
        for worker in workers {
            world.close(worker);
        }
        world.ask(Command::DeleteRoom("room".into()));
        world.wait(Duration::from_secs(400));
        assert!(world.exchange.is_quiet(), "seed {seed}");
    }
}
