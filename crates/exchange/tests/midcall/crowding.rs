//! The media threads have no time for more calls: those that run go on, new ones go elsewhere.

use crate::{
    phone::{OFFER, Phone, header, world},
    world::World,
};
use std::time::Duration;
use trunkline_call::media::{LegKey, MediaFact};
use trunkline_exchange::{
    Input,
    command::{Command, Gauges, Reply},
};
use trunkline_routing::record::Options;
use trunkline_types::LegId;

/// For some seconds the only thread is so busy.
fn busy(world: &mut World, share: f32) {
    for _ in 0..5 {
        world.give(Input::Media(MediaFact::Load {
            thread: 0,
            busy: share,
            spared: Duration::ZERO,
            left_out: Duration::ZERO,
            dropped: 0,
        }));
        world.wait(Duration::from_secs(1));
    }
}

fn gauges(world: &mut World) -> Box<Gauges> {
    match world.ask(Command::Gauges) {
        Some(Ok(Reply::Gauges(gauges))) => gauges,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_too_many_is_sent_elsewhere_until_there_is_room() {
    let mut world = world(Options::default());
    let first = Phone::call(&mut world, "a", "");
    busy(&mut world, 0.95);
    for name in ["b", "c"] {
        let refusal = Phone::new(name).invite(&mut world, "", OFFER);
        assert!(refusal.starts_with("SIP/2.0 503 "), "{refusal}");
        assert_eq!(header(&refusal, "Retry-After").as_deref(), Some("10"));
    }
    let seen = gauges(&mut world);
    assert_eq!((seen.invite_errors["media_busy"], seen.media_full, seen.calls_active), (2, true, 1));
    assert!((0.94..0.96).contains(&seen.media_busy[&0]), "{:?}", seen.media_busy);
    // One line for both, which says what can be done.
    let told: Vec<_> = world.lines.iter().filter(|line| line.contains("media threads are busy 95%")).collect();
    assert!(told.len() == 1 && told[0].contains("media_threads"), "{:?}", world.lines);
    assert!(first.got(&world, "BYE").is_empty());

    busy(&mut world, 0.5);
    Phone::call(&mut world, "d", "");
    let seen = gauges(&mut world);
    assert_eq!((seen.media_full, seen.calls_active), (false, 2));
}

#[test]
fn a_call_that_takes_the_place_of_another_is_let_in() {
    let mut world = world(Options::default());
    let old = Phone::call(&mut world, "a", "");
    busy(&mut world, 1.0);
    let headers = format!("Replaces: a;to-tag={};from-tag=far\r\n", old.to_tag);
    Phone::call(&mut world, "b", &headers);
    old.ok(&mut world, "BYE");
    assert_eq!(world.participants().len(), 1);
}

#[test]
fn what_is_left_out_is_counted_and_said() {
    let mut world = world(Options::default());
    let left_out = Duration::from_millis(180);
    for _ in 0..3 {
        world.give(Input::Media(MediaFact::Load {
            thread: 1,
            busy: 1.0,
            spared: Duration::ZERO,
            left_out,
            dropped: 0,
        }));
    }
    assert_eq!(gauges(&mut world).media_left_out, 3 * left_out);
    let told = world.lines.iter().filter(|line| line.contains("media thread 1 has more to do than it can: 180ms"));
    assert_eq!(told.count(), 1, "{:?}", world.lines);
}

#[test]
fn less_work_on_voices_is_counted_and_said() {
    let mut world = world(Options::default());
    let spared = Duration::from_millis(900);
    for _ in 0..2 {
        world.give(Input::Media(MediaFact::Load {
            thread: 1,
            busy: 1.0,
            spared,
            left_out: Duration::ZERO,
            dropped: 0,
        }));
    }
    assert_eq!(gauges(&mut world).media_spared, 2 * spared);
    let told =
        world.lines.iter().filter(|line| line.contains("media thread 1 is late") && line.contains("complexity 0"));
    assert_eq!(told.count(), 1, "{:?}", world.lines);
}

#[test]
fn what_the_kernel_drops_is_counted_and_said_with_the_cure() {
    let mut world = world(Options::default());
    for dropped in [0, 7, 7] {
        world.give(Input::Media(MediaFact::Load {
            thread: 1,
            busy: 0.1,
            spared: Duration::ZERO,
            left_out: Duration::ZERO,
            dropped,
        }));
        world.wait(Duration::from_secs(11));
    }
    assert_eq!(gauges(&mut world).media_dropped, [(1, 7)].into());
    let told = |line: &&String| line.contains("7 datagrams") && line.contains("net.core.rmem_max");
    assert_eq!(world.lines.iter().filter(told).count(), 1, "{:?}", world.lines);
}

#[test]
fn calls_whose_audio_has_just_begun_count_before_the_threads_can_report_them() {
    let mut world = world(Options::default());
    let phone = Phone::call(&mut world, "a", "");
    for n in 0..400 {
        let leg = LegKey { call: format!("SCL_{n}").as_str().into(), leg: LegId(0) };
        let source = "192.0.2.1:4000".parse().unwrap();
        world.give(Input::Media(MediaFact::SourceLocked { leg, source }));
    }
    let refusal = Phone::new("b").invite(&mut world, "", OFFER);
    assert!(refusal.starts_with("SIP/2.0 503 "), "{refusal}");
    busy(&mut world, 0.1);
    Phone::call(&mut world, "c", "");
    assert!(phone.got(&world, "BYE").is_empty());
}
