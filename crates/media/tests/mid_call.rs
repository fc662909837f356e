//! What happens to a call's audio between its beginning and its end: sounds in place of the room,
//! a ringing tone, early media, new codecs and addresses, hold, and another room.

mod phone;

use phone::{BOTH, Phone, Stage, assert_continuous, leg, talk, talk_until};
use std::time::Duration;
use trunkline_call::media::{Codec, Flowing, MediaFact, MediaPlan, Sound};

const ROOM: &str = "RM_one";
/// Half of what is said is heard, or a quarter at most: speech has something of every tone.
const HEARD: f64 = 4_000.0;
const UNHEARD: f64 = 2_000.0;

fn hears(phone: &Phone, frequency: f64) -> bool {
    phone.strength(frequency) > HEARD
}

#[test]
fn a_prompt_takes_the_place_of_the_room_and_tells_when_it_is_over() {
    let mut stage = Stage::new(2);
    let (mut anna, mut bob) =
        (stage.call("anna", ROOM, Codec::Pcmu, 600.0), stage.call("bob", ROOM, Codec::G722, 1_000.0));
    talk_until("bob hears anna", &mut [&mut anna, &mut bob], |phones| hears(phones[1], 600.0));
    stage.media.submit(MediaPlan::Play { leg: leg("bob"), sound: Some(Sound::EnterPin) });
    talk(&mut [&mut anna, &mut bob], 5);
    talk(&mut [&mut anna, &mut bob], 40);
    assert!(bob.strength(600.0) < UNHEARD, "{}", bob.strength(600.0));
    assert!(bob.heard.iter().any(|s| *s > 3_000), "the prompt is heard");
    assert!(hears(&anna, 1_000.0), "anna hears bob meanwhile");
    assert!(!stage.has_told(|fact| matches!(fact, MediaFact::Played { .. })));
    talk_until("bob hears anna again", &mut [&mut anna, &mut bob], |phones| hears(phones[1], 600.0));
    stage.wait("Played", |fact| match fact {
        MediaFact::Played { leg: played, sound: Sound::EnterPin } => (*played == leg("bob")).then_some(()),
        _ => None,
    });
    assert_continuous(&bob.got);
}

#[test]
fn a_prompt_is_heard_before_the_call_is_answered() {
    let mut stage = Stage::new(1);
    let mut bob = stage.open("bob", ROOM, Codec::Pcma, 1_000.0);
    stage.negotiate(&bob, BOTH);
    talk(&mut [&mut bob], 10);
    assert!(bob.got.is_empty(), "nothing else is");
    stage.media.submit(MediaPlan::Play { leg: leg("bob"), sound: Some(Sound::Ringing) });
    talk_until("the tone", &mut [&mut bob], |phones| phones[0].strength(425.0) > 1_500.0);
    stage.media.submit(MediaPlan::Play { leg: leg("bob"), sound: None });
}

#[test]
fn hold_has_music_pauses_the_timeout_and_ends() {
    let mut stage = Stage::new(1);
    let (mut anna, mut bob) =
        (stage.call("anna", ROOM, Codec::Pcmu, 600.0), stage.open("bob", ROOM, Codec::Pcmu, 1_000.0));
    stage.negotiate(&bob, BOTH);
    stage.start("bob", Duration::from_millis(700));
    talk_until("anna hears bob", &mut [&mut anna, &mut bob], |phones| hears(phones[0], 1_000.0));
    stage.negotiate(&bob, Flowing { send: true, receive: false });
    stage.media.submit(MediaPlan::Play { leg: leg("bob"), sound: Some(Sound::HoldMusic) });
    talk(&mut [&mut anna, &mut bob], 5);
    talk(&mut [&mut anna, &mut bob], 25);
    assert!(anna.strength(1_000.0) < UNHEARD, "who is on hold is not heard");
    assert!(bob.strength(600.0) < UNHEARD);
    assert!(bob.heard.iter().any(|s| *s > 1_500), "music");
    // Longer than the timeout, and silent.
    bob.speaks = false;
    talk(&mut [&mut anna, &mut bob], 75);
    assert!(!stage.has_told(|fact| matches!(fact, MediaFact::Silent { .. })));
    stage.negotiate(&bob, BOTH);
    stage.media.submit(MediaPlan::Play { leg: leg("bob"), sound: None });
    bob.speaks = true;
    talk_until("both hear each other", &mut [&mut anna, &mut bob], |phones| {
        hears(phones[0], 1_000.0) && hears(phones[1], 600.0)
    });
    assert_continuous(&bob.got);
    stage.wait_for_silence("bob");
}

impl Stage {
    fn wait_for_silence(&mut self, name: &str) {
        self.wait("Silent", |fact| match fact {
            MediaFact::Silent { leg: silent } => (*silent == leg(name)).then_some(()),
            _ => None,
        });
    }
}

#[test]
fn it_rings_in_the_room_until_the_far_end_is_heard() {
    let mut stage = Stage::new(1);
    let mut anna = stage.call("anna", ROOM, Codec::Pcmu, 600.0);
    let mut bob = stage.open("bob", ROOM, Codec::Pcmu, 1_000.0);
    stage.media.submit(MediaPlan::RingToRoom { leg: leg("bob"), on: true });
    bob.speaks = false;
    talk_until("it rings", &mut [&mut anna, &mut bob], |phones| phones[0].strength(425.0) > 1_500.0);
    stage.negotiate(&bob, BOTH);
    bob.speaks = true;
    talk_until("bob is heard", &mut [&mut anna, &mut bob], |phones| hears(phones[0], 1_000.0));
    // A whole period of it would have a tone.
    talk(&mut [&mut anna, &mut bob], 260);
    assert!(hears(&anna, 1_000.0) && anna.strength(425.0) < 100.0, "{}", anna.strength(425.0));
    // It is told again although the far end is heard.
    stage.media.submit(MediaPlan::RingToRoom { leg: leg("bob"), on: true });
    talk(&mut [&mut anna, &mut bob], 40);
    assert!(anna.strength(425.0) < 100.0);
}

#[test]
fn a_ringing_tone_is_taken_back() {
    let mut stage = Stage::new(1);
    let mut anna = stage.call("anna", ROOM, Codec::Opus, 600.0);
    let _bob = stage.open("bob", ROOM, Codec::Pcmu, 1_000.0);
    stage.media.submit(MediaPlan::RingToRoom { leg: leg("bob"), on: true });
    talk_until("it rings", &mut [&mut anna], |phones| phones[0].strength(425.0) > 1_500.0);
    stage.media.submit(MediaPlan::RingToRoom { leg: leg("bob"), on: false });
    talk(&mut [&mut anna], 5);
    talk(&mut [&mut anna], 260);
    assert!(anna.strength(425.0) < 100.0, "{}", anna.strength(425.0));
}

#[test]
fn early_media_is_heard_and_another_answers_with_another_codec() {
    let mut stage = Stage::new(1);
    let mut anna = stage.call("anna", ROOM, Codec::Pcmu, 600.0);
    let mut early = stage.open("bob", ROOM, Codec::Pcmu, 1_000.0);
    stage.negotiate(&early, BOTH);
    talk_until("early media", &mut [&mut anna, &mut early], |phones| hears(phones[0], 1_000.0));
    assert!(early.got.is_empty(), "nothing goes out before the answer");
    let mut answering = early.elsewhere(Codec::Pcma, 1_400.0);
    stage.negotiate(&answering, BOTH);
    // Until the new end is heard, the old one with its old codec's number is not mistaken for it.
    stage.start("bob", Duration::ZERO);
    talk_until("both", &mut [&mut anna, &mut answering], |phones| hears(phones[0], 1_400.0) && hears(phones[1], 600.0));
    early.listen();
    assert!(early.got.is_empty(), "all goes to the one that answered");
    assert_continuous(&answering.got);
}

#[test]
fn an_answer_from_another_address_loses_no_early_media() {
    let mut stage = Stage::new(1);
    let mut anna = stage.call("anna", ROOM, Codec::Pcmu, 600.0);
    let mut early = stage.open("bob", ROOM, Codec::Pcmu, 1_000.0);
    stage.negotiate(&early, BOTH);
    talk_until("early media", &mut [&mut anna, &mut early], |phones| hears(phones[0], 1_000.0));
    let mut answering = early.elsewhere(Codec::Pcmu, 1_400.0);
    stage.negotiate(&answering, BOTH);
    stage.start("bob", Duration::ZERO);
    talk(&mut [&mut anna, &mut early], 30);
    assert!(hears(&anna, 1_000.0), "what is still early is still heard");
    talk_until("the answer", &mut [&mut anna, &mut early, &mut answering], |phones| {
        hears(phones[0], 1_400.0) && phones[0].strength(1_000.0) < UNHEARD
    });
}

#[test]
fn the_codec_changes_both_ways_and_back_under_one_ssrc() {
    let mut stage = Stage::new(1);
    let (mut anna, mut bob) =
        (stage.call("anna", ROOM, Codec::Pcmu, 600.0), stage.call("bob", ROOM, Codec::Pcmu, 1_000.0));
    let codecs = [Codec::Pcmu, Codec::G722, Codec::Opus, Codec::Pcma, Codec::Opus, Codec::G722, Codec::Pcmu];
    for (n, codec) in codecs.into_iter().enumerate() {
        bob.listen();
        bob.speak_with(codec, 1_000.0);
        bob.ptime = Duration::from_millis(if n % 2 == 0 { 20 } else { 40 });
        stage.negotiate(&bob, BOTH);
        talk_until("both hear each other", &mut [&mut anna, &mut bob], |phones| {
            hears(phones[0], 1_000.0) && hears(phones[1], 600.0)
        });
        assert_eq!(bob.got.last().map(|got| got.payload_type), Some(bob.payload_type()));
    }
    assert_continuous(&bob.got);
    assert_continuous(&anna.got);
}

#[test]
fn what_is_still_said_in_the_codec_before_is_heard() {
    let mut stage = Stage::new(1);
    let (mut anna, mut bob) =
        (stage.call("anna", ROOM, Codec::Pcmu, 600.0), stage.call("bob", ROOM, Codec::Pcmu, 1_000.0));
    for (before, after) in [(Codec::Pcmu, Codec::G722), (Codec::G722, Codec::Pcma), (Codec::Pcma, Codec::Opus)] {
        talk_until("bob is heard", &mut [&mut anna, &mut bob], |phones| hears(phones[0], 1_000.0));
        stage.negotiate_codec(&bob, after);
        talk(&mut [&mut anna, &mut bob], 5);
        talk(&mut [&mut anna, &mut bob], 25);
        assert!(hears(&anna, 1_000.0), "{before:?} while it is {after:?}: {}", anna.strength(1_000.0));
        bob.listen();
        bob.speak_with(after, 1_000.0);
    }
    talk_until("both", &mut [&mut anna, &mut bob], |phones| hears(phones[0], 1_000.0) && hears(phones[1], 600.0));
    assert_continuous(&bob.got);
}

#[test]
fn keys_come_into_a_call_and_go() {
    let mut stage = Stage::new(1);
    let (mut anna, mut bob) =
        (stage.call("anna", ROOM, Codec::Pcmu, 600.0), stage.call("bob", ROOM, Codec::Pcmu, 1_000.0));
    talk_until("bob hears anna", &mut [&mut anna, &mut bob], |phones| hears(phones[1], 600.0));
    bob.crypto = Some(trunkline_sdp::Crypto {
        tag: 1,
        suite: "AES_CM_128_HMAC_SHA1_80",
        local: vec![1; 30],
        remote: vec![2; 30],
        remote_mki: Vec::new(),
    });
    stage.negotiate(&bob, BOTH);
    talk(&mut [&mut anna, &mut bob], 5);
    talk(&mut [&mut anna, &mut bob], 25);
    assert!(anna.strength(1_000.0) < UNHEARD, "what is not encrypted is not heard");
    bob.crypto = None;
    stage.negotiate(&bob, BOTH);
    talk_until("both hear each other", &mut [&mut anna, &mut bob], |phones| {
        hears(phones[0], 1_000.0) && hears(phones[1], 600.0)
    });
    assert_continuous(&bob.got);
}

#[test]
fn digits_are_told_to_be_sent_when_they_are() {
    let mut stage = Stage::new(1);
    let mut bob = stage.call("bob", ROOM, Codec::Pcmu, 1_000.0);
    stage.media.submit(MediaPlan::SendDtmf { leg: leg("bob"), digits: "1w#".into() });
    talk_until("the last digit", &mut [&mut bob], |phones| phones[0].got.iter().any(|got| got.event == Some(11)));
    stage.wait("DtmfSent", |fact| match fact {
        MediaFact::DtmfSent { leg: sent } => (*sent == leg("bob")).then_some(()),
        _ => None,
    });
    assert!(bob.got.iter().any(|got| got.event == Some(1)));
    assert_continuous(&bob.got);
}

/// Through twelve rooms, in each of which somebody says another tone.
fn wander(threads: usize) {
    let mut stage = Stage::new(threads);
    let names: Vec<_> =
        (0..12).map(|n| (format!("host{n}"), format!("RM_{n}"), 500.0 + 150.0 * f64::from(n))).collect();
    let mut hosts: Vec<Phone> =
        names.iter().map(|(host, room, tone)| stage.call(host, room, Codec::Pcmu, *tone)).collect();
    let mut guest = stage.call("guest", "RM_0", Codec::Opus, 2_700.0);
    for n in 0..12_usize {
        let (_, room, tone) = &names[n];
        if n > 0 {
            stage.move_to("guest", &names[n - 1].1, room);
            // What is asked for at once meets it in its new place.
            stage.media.submit(MediaPlan::SendDtmf { leg: leg("guest"), digits: "5".into() });
        }
        let (before, here) = hosts.split_at_mut(n);
        let mut phones = vec![&mut guest, &mut here[0]];
        phones.extend(before.last_mut());
        talk_until("guest and host hear each other", &mut phones, |phones| {
            let is_left = phones.get(2).is_none_or(|before| before.strength(2_700.0) < UNHEARD);
            hears(phones[0], *tone) && hears(phones[1], 2_700.0) && is_left
        });
        if n > 0 {
            stage.wait("DtmfSent", |fact| matches!(fact, MediaFact::DtmfSent { .. }).then_some(()));
        }
    }
    assert_continuous(&guest.got);
    stage.move_to("guest", "RM_11", "RM_3");
    stage.media.submit(MediaPlan::Close { leg: leg("guest") });
    let stats = stage.wait("Closed", |fact| match fact {
        MediaFact::Closed { leg: closed, stats } => (*closed == leg("guest")).then(|| stats.clone()),
        _ => None,
    });
    guest.listen();
    assert_eq!(stats.packets_out, guest.got.len() as u64, "the counters came with it");
    assert!(stats.packets_in > 100);
}

#[test]
fn a_leg_moves_from_room_to_room_on_one_thread() {
    wander(1);
}

#[test]
fn a_leg_moves_from_room_to_room_on_many_threads() {
    wander(4);
}

#[test]
fn a_move_of_nobody_and_a_move_that_crosses_another_hold_nothing_up() {
    let mut stage = Stage::new(4);
    let names: Vec<_> = (0..8).map(|n| (format!("leg{n}"), format!("RM_{n}"))).collect();
    let _phones: Vec<Phone> = names.iter().map(|(name, room)| stage.call(name, room, Codec::Pcmu, 600.0)).collect();
    for round in 0..50 {
        stage.move_to("nobody", "RM_0", "RM_5");
        for (n, (name, _)) in names.iter().enumerate() {
            stage.move_to(name, &names[(n + round) % 8].1, &names[(n + round + 1) % 8].1);
        }
    }
    for (name, _) in &names {
        stage.media.submit(MediaPlan::Close { leg: leg(name) });
        stage.wait("Closed", |fact| match fact {
            MediaFact::Closed { leg: closed, .. } => (*closed == leg(name)).then_some(()),
            _ => None,
        });
    }
}
