//! Which worker is asked.

use crate::world::World;
use std::time::Duration;
use trunkline_exchange::command::Command;
use trunkline_room::{
    RoomSettings,
    worker::{JobType, Request, Status},
};

fn rooms(world: &mut World, count: usize) {
    world.hasty = true;
    for number in 0..count {
        world.ask(Command::CreateRoom(format!("room {number}"), RoomSettings::default()));
    }
}

#[test]
fn who_has_more_room_is_asked_more_often() {
    let mut world = World::default();
    world.register(1, "");
    world.register(2, "");
    world.status(1, false, 0.9);
    world.status(2, false, 0.1);
    for number in 0..40 {
        world.ask(Command::CreateRoom(format!("room {number}"), RoomSettings::default()));
        let asked =
            if world.offers(1).len() + world.offers(2).len() == number + 1 { number } else { panic!("{number}") };
        for worker in [1, 2] {
            if world.offers(worker).last().is_some_and(|(job, _)| job.room.name == format!("room {asked}")) {
                world.accept(worker);
            }
        }
    }
    let (busy, idle) = (world.offers(1).len(), world.offers(2).len());
    assert!(busy > 0 && idle > 3 * busy, "{busy} and {idle}");
}

#[test]
fn a_full_or_draining_worker_is_not_asked_and_one_that_is_overloaded_but_available_is() {
    let mut world = World::default();
    world.register(1, "");
    world.register(2, "");
    world.status(1, true, 0.0);
    world.status(2, false, f32::NAN);
    rooms(&mut world, 5);
    assert_eq!((world.offers(1).len(), world.offers(2).len()), (0, 5));
    world.worker(2, Request::Status(Status { full: Some(false), load: 0.0, draining: true }));
    world.ask(Command::CreateRoom("another".into(), RoomSettings::default()));
    assert_eq!((world.offers(1).len(), world.offers(2).len()), (0, 5));
    world.status(1, false, 0.0);
    assert_eq!(world.offers(1).len(), 1, "what waits is served");
}

#[test]
fn names_deployments_and_types_do_not_mix() {
    let mut world = World::default();
    world.register(1, "receptionist");
    world.register_for(2, JobType::Publisher);
    rooms(&mut world, 2);
    assert!(world.offers(1).is_empty() && world.offers(2).is_empty());
}

#[test]
fn a_worker_is_asked_for_a_bounded_number_of_jobs_at_a_time() {
    let mut world = World::default();
    world.register(1, "");
    rooms(&mut world, 100);
    assert_eq!(world.offers(1).len(), 64);
    for _ in 0..100 {
        let asked = world.offers(1).len();
        world.accept(1);
        assert!(world.offers(1).len() >= asked);
    }
    for (job, _) in world.offers(1) {
        let answer = trunkline_room::worker::Availability { job: job.id, available: true, ..Default::default() };
        world.worker(1, Request::Availability(answer));
    }
    assert_eq!((world.offers(1).len(), world.passes(1).len()), (100, 100));
}

#[test]
fn who_lets_an_offer_pass_is_asked_last_until_it_answers() {
    let mut world = World::default();
    world.register(1, "");
    world.make_room(Vec::new());
    assert_eq!(world.offers(1).len(), 1);
    world.register(2, "");
    world.wait(Duration::from_secs(11));
    assert_eq!(world.offers(2).len(), 1, "the next one is asked");
    rooms(&mut world, 20);
    assert_eq!((world.offers(1).len(), world.offers(2).len()), (1, 21));
    // That it is alive proves nothing; a late answer does.
    world.status(1, false, 0.0);
    world.ask(Command::CreateRoom("another".into(), RoomSettings::default()));
    assert_eq!(world.offers(1).len(), 1);
    world.decline(1);
    for number in 20..60 {
        world.ask(Command::CreateRoom(format!("room {number}"), RoomSettings::default()));
    }
    assert!(world.offers(1).len() > 5);
}

#[test]
fn a_worker_may_think_for_long_only_while_nobody_else_can_be_asked() {
    let mut world = World::default();
    world.register(1, "");
    world.make_room(Vec::new());
    world.wait(Duration::from_secs(9));
    assert_eq!(world.offers(1).len(), 1);
    world.accept(1);
    assert_eq!(world.passes(1).len(), 1, "nobody else is there, and it has answered in time");

    world.ask(Command::CreateRoom("another".into(), RoomSettings::default()));
    assert_eq!(world.offers(1).len(), 2);
    world.wait(Duration::from_secs(3));
    world.register(2, "");
    world.wait(Duration::from_secs(2));
    assert_eq!((world.offers(1).len(), world.offers(2).len()), (2, 1), "another one has come");
    world.accept(2);
    world.accept(1);
    assert_eq!((world.passes(1).len(), world.passes(2).len()), (1, 1), "whoever answers first has it");
}

#[test]
fn who_has_never_said_anything_is_asked_after_those_who_have() {
    let mut world = World::default();
    for worker in 1..=10 {
        world.register(worker, "");
    }
    world.status(7, false, 0.9);
    rooms(&mut world, 20);
    assert_eq!(world.offers(7).len(), 20);
    world.close(7);
    assert_eq!((1..=10).filter(|w| *w != 7).map(|w| world.offers(w).len()).sum::<usize>(), 20);
}
