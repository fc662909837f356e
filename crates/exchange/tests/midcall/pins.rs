//! Callers enter a pin.

use crate::{
    phone::{OFFER, Phone, direct, header, world_with},
    world::{ROOM, World},
};
use std::time::Duration;
use trunkline_call::media::{MediaPlan, Sound};
use trunkline_routing::record::Options;
use trunkline_types::{DisconnectReason, EndReason};

fn asking(options: Options) -> (World, Phone) {
    let mut other = direct("SDR_2", "other", "99");
    other.attributes.insert("vip".into(), "yes".into());
    let mut wanted = direct("SDR_1", ROOM, "1234");
    wanted.attributes.insert("outcome".into(), "mapped".into());
    let rules = vec![other, wanted, direct("SDR_3", "open", "")];
    let mut world = world_with(options, rules);
    let phone = Phone::call(&mut world, "c", "");
    assert_eq!(world.played(), [Some(Sound::EnterPin)]);
    world.sound_ends(Sound::EnterPin);
    (world, phone)
}

fn ended(world: &World) -> Option<EndReason> {
    world.records.last().and_then(|record| record.ending.clone()).map(|ending| ending.reason)
}

#[test]
fn the_right_pin_opens_its_room() {
    let (mut world, mut phone) = asking(Options::default());
    assert!(world.participants().is_empty() && world.webhooks.iter().all(|(event, _)| event.starts_with("sip_call")));
    let answer = world.sent.iter().find(|text| text.starts_with("SIP/2.0 200")).unwrap();
    assert_eq!(header(answer, "X-Trunk").as_deref(), Some("ours"), "the trunk's headers are on the 200");
    world.press("1234#");
    assert_eq!(world.played().last(), Some(&Some(Sound::RoomJoin)));
    world.sound_ends(Sound::RoomJoin);
    let caller = world.caller();
    assert_eq!(caller.attributes["sip.ruleID"], "SDR_1");
    assert_eq!(caller.attributes["sip.callStatus"], "active");
    assert_eq!(caller.tracks.len(), 1);
    assert!(!caller.attributes.contains_key("vip"));
    let moved = |plan: &MediaPlan| matches!(plan, MediaPlan::Move { .. });
    assert_eq!(world.media.iter().filter(|plan| moved(plan)).count(), 1);
    assert_eq!(world.played().last(), Some(&None));
    // From here on it is a call like any other, with its mapped headers.
    phone.invite(&mut world, "", OFFER);
    world.ask(trunkline_exchange::command::Command::DeleteRoom(ROOM.into())).unwrap().unwrap();
    assert_eq!(header(&phone.last(&world, "BYE"), "X-Outcome").as_deref(), Some("mapped"));
    phone.ok(&mut world, "BYE");
    let record = world.record();
    assert_eq!((record.room_name.as_str(), record.rule_id.as_str()), (ROOM, "SDR_1"));
    assert!(!serde_json::to_string(&record).unwrap().contains("1234#"));
    assert!(world.lines.iter().all(|line| !line.contains("1234")), "{:?}", world.lines);
    world.assert_over();
}

#[test]
fn wrong_pins_are_counted_and_end_the_call() {
    let (mut world, phone) = asking(Options { pin_tries: Some(2), ..Options::default() });
    world.press("1#");
    assert_eq!(world.played().last(), Some(&Some(Sound::WrongPin)));
    assert!(phone.got(&world, "BYE").is_empty());
    world.sound_ends(Sound::WrongPin);
    world.press("12345678901234567#");
    assert!(phone.got(&world, "BYE").is_empty(), "the caller hears why");
    world.sound_ends(Sound::WrongPin);
    let bye = phone.last(&world, "BYE");
    assert!(header(&bye, "Reason").unwrap().contains("wrong_pin"));
    phone.ok(&mut world, "BYE");
    assert_eq!(ended(&world), Some(EndReason::WrongPin));
    assert_eq!(world.record().ending.unwrap().disconnect_reason, DisconnectReason::ClientInitiated);
    world.assert_over();
    assert!(world.webhooks.iter().all(|(event, _)| !event.contains("participant") && !event.contains("room")));
}

#[test]
fn a_second_try_may_be_right() {
    let (mut world, _phone) = asking(Options::default());
    world.press("1#");
    world.press("1234#");
    world.sound_ends(Sound::RoomJoin);
    assert_eq!(world.caller().attributes["sip.ruleID"], "SDR_1");
}

#[test]
fn who_says_nothing_is_asked_again_and_then_let_go() {
    let (mut world, phone) = asking(Options { pin_timeout_ms: Some(5_000), ..Options::default() });
    world.press("12");
    for _ in 0..3 {
        world.wait(Duration::from_millis(5_100));
        assert_eq!(world.played().last(), Some(&Some(Sound::WrongPin)));
        world.sound_ends(Sound::WrongPin);
    }
    phone.ok(&mut world, "BYE");
    assert_eq!(ended(&world), Some(EndReason::WrongPin));
    assert_eq!(world.played().iter().filter(|sound| **sound == Some(Sound::WrongPin)).count(), 3);
}

#[test]
fn hash_alone_is_for_rules_without_a_pin() {
    let (mut world, _phone) = asking(Options::default());
    world.press("#");
    world.sound_ends(Sound::RoomJoin);
    assert!(world.participants().is_empty());
    assert!(world.webhooks.iter().any(|(event, who)| *event == "participant_joined" && who == "sip_+17770"));
}

#[test]
fn keys_by_info_work_and_are_in_no_ladder() {
    let (mut world, mut phone) = asking(Options::default());
    for key in ["1", "2", "3", "4", "#"] {
        let body = format!("Signal={key}\r\nDuration=160\r\n");
        let answer = phone.request(&mut world, "INFO", "", Some(("application/dtmf-relay", &body)));
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }
    world.sound_ends(Sound::RoomJoin);
    assert_eq!(world.caller().attributes["sip.ruleID"], "SDR_1");
    let infos: Vec<_> = world.ladder.iter().filter(|text| text.starts_with("INFO")).collect();
    assert_eq!(infos.len(), 5);
    assert!(infos.iter().all(|text| !text.contains("Signal=")), "{infos:?}");
}

#[test]
fn who_hangs_up_while_he_is_asked_leaves_nothing() {
    let (mut world, mut phone) = asking(Options::default());
    world.press("12");
    assert!(phone.request(&mut world, "BYE", "", None).starts_with("SIP/2.0 200"));
    assert_eq!(ended(&world), Some(EndReason::RemoteBye));
    world.assert_over();
}
