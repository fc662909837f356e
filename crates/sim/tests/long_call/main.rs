//! One and the same call over fifteen minutes of virtual time, with the real media threads: held by either
//! side, resumed, given other codecs, refreshed by UPDATE and by re-INVITE from both sides; after each step
//! both ways are listened to.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[allow(dead_code, reason = "the telephone of media's own tests, a part of which is used here")]
#[path = "../../../media/tests/phone/mod.rs"]
mod phone;
mod telephone;
mod world;

use phone::{assert_continuous, talk, talk_until};
use std::time::Duration;
use telephone::{Telephone, live};
use trunkline_call::media::Codec;
use trunkline_exchange::command::Command;
use trunkline_types::EndReason;
use world::{ROOM, World};

/// Half of what is said is heard, or a quarter at most, as in media's own tests.
const HEARD: f64 = 4_000.0;
const UNHEARD: f64 = 2_000.0;
const ANNA: f64 = 600.0;
const BOB: f64 = 1_000.0;

/// Both are heard by the other.
fn both_hear(what: &str, anna: &mut Telephone, bob: &mut Telephone) {
    talk_until(what, &mut [&mut anna.sound, &mut bob.sound], |phones| {
        phones[0].strength(BOB) > HEARD && phones[1].strength(ANNA) > HEARD
    });
}

/// Neither is heard by the other once what was under way has been heard; what bob heard last is kept.
fn neither_hears(anna: &mut Telephone, bob: &mut Telephone) {
    talk_until("silence", &mut [&mut anna.sound, &mut bob.sound], |phones| {
        phones[0].strength(BOB) < UNHEARD && phones[1].strength(ANNA) < UNHEARD
    });
}

fn hold(world: &mut World, anna: &mut Telephone, bob: &mut Telephone, hold: bool) {
    // The identity of bob: he called last.
    let identity = world.participants().pop().unwrap().0;
    let asked = world.begin(Command::Hold { room: ROOM.into(), identity, hold });
    live(world, &mut [anna, bob], 1);
    assert_eq!(world.is_done(asked), Some(true), "hold {hold}");
}

/// Three minutes of refreshing: we refresh bob by UPDATE; anna refreshes herself, one way and the other.
fn refreshed_by_both(world: &mut World, anna: &mut Telephone, bob: &mut Telephone) {
    for round in 0..4 {
        live(world, &mut [anna, bob], 45);
        let refreshed = if round % 2 == 0 { anna.request(world, "UPDATE", "") } else { anna.invite(world) };
        assert!(refreshed.starts_with("SIP/2.0 200 ") && refreshed.contains("Session-Expires: 90;"), "{refreshed}");
        both_hear("after a refresh", anna, bob);
    }
    assert!(bob.times("UPDATE") >= 3 && bob.times("INVITE") == 0, "{:?}", bob.asked);
    anna.refresher = "uas";
    assert!(anna.invite(world).starts_with("SIP/2.0 200 "));
}

/// For longer than a session lasts without a refresh.
fn held_by_the_far_end(world: &mut World, anna: &mut Telephone, bob: &mut Telephone, direction: &'static str) {
    bob.direction = direction;
    assert!(bob.invite(world).starts_with("SIP/2.0 200 "), "{direction}");
    bob.sound.speaks = false;
    live(world, &mut [anna, bob], 100);
    assert!(world.participants().pop().unwrap().1, "{direction}");
    neither_hears(anna, bob);
    talk(&mut [&mut anna.sound, &mut bob.sound], 10);
    assert!(bob.sound.strength(ANNA) < UNHEARD, "{direction}");
    bob.direction = "sendrecv";
    assert!(bob.invite(world).starts_with("SIP/2.0 200 "));
    bob.sound.speaks = true;
    both_hear("after it held", anna, bob);
}

/// With music, and refreshed meanwhile.
fn held_by_us(world: &mut World, anna: &mut Telephone, bob: &mut Telephone) {
    hold(world, anna, bob, true);
    neither_hears(anna, bob);
    assert!(bob.sound.heard.iter().any(|sample| *sample > 1_500), "music");
    live(world, &mut [anna, bob], 100);
    neither_hears(anna, bob);
    hold(world, anna, bob, false);
    both_hear("after we held", anna, bob);
}

fn with_other_codecs(world: &mut World, anna: &mut Telephone, bob: &mut Telephone) {
    for codec in [Codec::Pcma, Codec::G722, Codec::Pcmu] {
        bob.codec = codec;
        assert!(bob.invite(world).starts_with("SIP/2.0 200 "), "{codec:?}");
        bob.sound.speak_with(codec, BOB);
        both_hear("with another codec", anna, bob);
        live(world, &mut [anna, bob], 60);
        both_hear("refreshed with another codec", anna, bob);
    }
}

#[test]
fn a_call_keeps_its_audio_over_fifteen_minutes() {
    let mut world = World::new();
    let began = world.now;
    let mut anna = Telephone::call(&mut world, "anna", 5071, ANNA, "uac");
    let mut bob = Telephone::call(&mut world, "bob", 5072, BOB, "uas");
    both_hear("the beginning", &mut anna, &mut bob);
    refreshed_by_both(&mut world, &mut anna, &mut bob);
    held_by_the_far_end(&mut world, &mut anna, &mut bob, "sendonly");
    held_by_the_far_end(&mut world, &mut anna, &mut bob, "inactive");
    held_by_us(&mut world, &mut anna, &mut bob);
    with_other_codecs(&mut world, &mut anna, &mut bob);

    // It forgets UPDATE: we go on by re-INVITE.
    bob.updates = false;
    let (updates, invites) = (bob.times("UPDATE"), bob.times("INVITE"));
    while world.now.since(began) < Duration::from_secs(900) {
        live(&mut world, &mut [&mut anna, &mut bob], 45);
        both_hear("refreshed by re-INVITE", &mut anna, &mut bob);
    }
    assert!(bob.times("INVITE") >= invites + 2 && bob.times("UPDATE") <= updates + 1, "{:?}", bob.asked);
    assert!(!bob.asked.iter().chain(&anna.asked).any(|method| method == "BYE"));

    // All that was sent came in one stream without a gap.
    assert_continuous(&bob.sound.got);
    assert_continuous(&anna.sound.got);
    for telephone in [&mut bob, &mut anna] {
        assert!(telephone.request(&mut world, "BYE", "").starts_with("SIP/2.0 200 "));
    }
    world.until("both records", |world| {
        (world.records.iter().filter(|record| record.ending.is_some()).count() == 2).then_some(())
    });
    for record in world.records.iter().filter(|record| record.ending.is_some()) {
        assert_eq!(record.ending.as_ref().unwrap().reason, EndReason::RemoteBye);
        assert!(record.ended_at_ms.unwrap() - record.created_at_ms >= 890_000, "one call all the time");
    }
}
