//! Calls that are answered.

use crate::world::{ROOM, SDP, World, request, trunk};
use std::{collections::BTreeMap, time::Duration};
use trunkline_call::{media::MediaPlan, record::CallStatus};
use trunkline_exchange::command::{Command, DialRequest, Reply};
use trunkline_room::{Kind, ParticipantPatch};
use trunkline_routing::record::{DtmfMethod, Options, OutboundTrunk};
use trunkline_types::{DisconnectReason, EndReason};

#[test]
fn the_participant_is_there_before_anybody_answers() {
    let mut world = World::new();
    let asked = world.dial(DialRequest { wait_until_answered: false, ..request() });
    let Some(Ok(Reply::SipParticipant(created))) = world.reply(asked) else { panic!("an answer at once") };
    let participant = world.participant().expect("it has joined");
    assert_eq!((participant.kind, participant.tracks.len()), (Kind::Sip, 1));
    assert_eq!((created.identity.as_str(), created.room_name.as_str()), ("sip_+15559876543", ROOM));
    assert_eq!(created.participant, participant.sid);
    for (name, value) in [
        ("sip.callStatus", "dialing"),
        ("sip.ruleID", ""),
        ("sip.trunkID", "ST_out"),
        ("sip.phoneNumber", "+15559876543"),
        ("sip.hostname", "192.0.2.10"),
        ("sip.trunkPhoneNumber", "+15550001111"),
        ("sip.callID", created.call.as_str()),
    ] {
        assert_eq!(participant.attributes.get(name).map(String::as_str), Some(value), "{name}");
    }
    let invite = world.last("INVITE");
    assert!(invite.text.starts_with("INVITE sip:+15559876543@192.0.2.10 SIP/2.0\r\n"), "{}", invite.text);
    assert!(invite.text.contains("m=audio 12000 RTP/AVP"), "{}", invite.text);
    assert!(!invite.text.contains("{host}"), "{}", invite.text);
    world.answer(&invite, "180 Ringing", "X-Twilio-CallSid: CA1\r\n", "");
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("ringing"));
    assert_eq!(world.attribute("sip.twilio.callSid").as_deref(), Some("CA1"));
    assert_eq!(world.attribute("sip.callTag").as_deref(), Some("far"));
    assert!(world.heard_at().is_empty(), "nobody hears the room before the answer");
    world.answer(&invite, "200 OK", "", SDP);
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("active"));
    assert_eq!(world.attribute("sip.ruleID").as_deref(), Some(""));
    assert!(world.attribute("sip.callIDFull").is_some());
    assert_eq!(world.all("ACK").len(), 1);
    assert!(matches!(world.heard_at()[..], [MediaPlan::Negotiated { .. }, MediaPlan::Start { .. }]));
    assert_eq!(world.records.last().map(|r| r.status), Some(CallStatus::Active), "the answered call is written");
}

#[test]
fn who_waits_is_told_when_the_digits_are_out() {
    let mut world = World::new();
    world.sends_digits = false;
    let (asked, _) = world.connect(DialRequest { dtmf: "w12#".into(), ..request() });
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("automation"));
    assert!(world.reply(asked).is_none());
    let Some(MediaPlan::SendDtmf { leg, digits }) = world.media.last().cloned() else { panic!("digits") };
    assert_eq!(digits, "w12#");
    world.give(trunkline_exchange::Input::Media(trunkline_call::media::MediaFact::DtmfSent { leg }));
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("active"));
    assert!(matches!(world.reply(asked), Some(Ok(Reply::SipParticipant(_)))));
}

#[test]
fn digits_go_by_info_if_the_trunk_wants_it() {
    let mut world = World::with(trunk(), Options { dtmf: Some(DtmfMethod::Info), ..Options::default() });
    let (asked, _) = world.connect(DialRequest { dtmf: "1#".into(), ..request() });
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("automation"));
    for _ in 0..8 {
        world.wait(Duration::from_millis(100));
        let info = world.last("INFO");
        world.answer(&info, "200 OK", "", "");
    }
    let infos = world.all("INFO");
    assert_eq!(infos.len(), 2);
    assert!(infos[0].text.contains("Content-Type: application/dtmf-relay") && infos[0].text.contains("Signal=1\r\n"));
    assert!(infos[1].text.contains("Signal=#\r\n"));
    assert!(matches!(world.reply(asked), Some(Ok(_))));
}

#[test]
fn early_media_is_heard_and_gives_way_to_the_answer() {
    let mut world = World::new();
    world.dial(DialRequest { play_dialtone: true, ..request() });
    assert!(matches!(world.media.last(), Some(MediaPlan::RingToRoom { on: true, .. })));
    let invite = world.last("INVITE");
    world.answer(&invite, "183 Session Progress", "", SDP);
    assert!(matches!(world.heard_at()[..], [MediaPlan::Negotiated { .. }]), "heard, but not spoken to");
    world.answer(&invite, "183 Session Progress", "", SDP);
    world.answer(&invite, "200 OK", "", &SDP.replace("40000", "40002"));
    let ports: Vec<_> = world
        .media
        .iter()
        .filter_map(|p| match p {
            MediaPlan::Negotiated { media, .. } => media.remote.map(|r| r.port()),
            _ => None,
        })
        .collect();
    assert_eq!(ports.last(), Some(&40_002));
    assert!(matches!(world.heard_at().last(), Some(MediaPlan::Start { .. })));
    assert!(world.media.iter().any(|p| matches!(p, MediaPlan::RingToRoom { on: false, .. })));
}

#[test]
fn an_update_before_the_answer_is_answered() {
    let mut world = World::new();
    world.dial(request());
    let invite = world.last("INVITE");
    world.answer(&invite, "180 Ringing", "", "");
    for (number, offer, status) in [(8, SDP, "491"), (9, "", "200")] {
        world.far_offer(&invite, "UPDATE", number, offer);
        assert!(world.sent.last().unwrap().text.starts_with(&format!("SIP/2.0 {status} ")), "{status}");
    }
    world.answer(&invite, "200 OK", "", SDP);
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("active"));
}

#[test]
fn an_answer_that_repeats_the_early_one_unlocks_nothing() {
    let mut world = World::new();
    world.dial(request());
    let invite = world.last("INVITE");
    world.answer(&invite, "183 Session Progress", "", SDP);
    world.answer(&invite, "200 OK", "", SDP);
    assert!(matches!(world.heard_at()[..], [MediaPlan::Negotiated { .. }, MediaPlan::Start { .. }]));
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("active"));
}

#[test]
fn headers_of_the_answer_become_attributes_and_attributes_headers_of_the_bye() {
    let trunk = OutboundTrunk {
        headers: BTreeMap::from([("X-Tenant".into(), "7".into())]),
        headers_to_attributes: BTreeMap::from([("X-Case".into(), "case".into()), ("X-Id".into(), "sip.callID".into())]),
        attributes_to_headers: BTreeMap::from([("outcome".into(), "X-Outcome".into())]),
        ..trunk()
    };
    let mut world = World::with(trunk, Options::default());
    world.dial(DialRequest { attributes: BTreeMap::from([("outcome".into(), "open".into())]), ..request() });
    let invite = world.last("INVITE");
    assert_eq!(invite.header("X-Tenant").as_deref(), Some("7"));
    world.answer(&invite, "200 OK", "X-Case: 42\r\nX-Id: stolen\r\n", SDP);
    let participant = world.participant().unwrap();
    assert_eq!(participant.attributes.get("case").map(String::as_str), Some("42"));
    assert!(participant.attributes["sip.callID"].starts_with("SCL_"));
    let identity = participant.identity;
    let patch = ParticipantPatch {
        attributes: BTreeMap::from([("outcome".into(), "sold;x=%20 y".into())]),
        ..ParticipantPatch::default()
    };
    world.ask(Command::UpdateParticipant { room: ROOM.into(), identity, patch });
    world.ask(Command::DeleteRoom(ROOM.into()));
    let bye = world.last("BYE");
    assert_eq!(bye.header("X-Outcome").as_deref(), Some("sold;x=%20 y"));
    world.finish();
    assert_eq!(world.record().ending.unwrap().reason, EndReason::RoomDeleted);
    assert_eq!(world.left().disconnect_reason, Some(DisconnectReason::RoomDeleted));
}

#[test]
fn the_far_end_hangs_up() {
    let mut world = World::new();
    let (_, invite) = world.connect(request());
    world.far_request(&invite, "BYE");
    assert!(world.sent.last().unwrap().text.starts_with("SIP/2.0 200 OK"));
    world.finish();
    assert_eq!(world.left().disconnect_reason, Some(DisconnectReason::ClientInitiated));
    let record = world.record();
    assert_eq!((record.direction.as_str(), record.ending.unwrap().reason), ("outbound", EndReason::RemoteBye));
    assert!(world.exchange.is_quiet());
}

#[test]
fn a_hidden_number_stands_nowhere() {
    let mut world = World::new();
    world.dial(DialRequest { hide_phone_number: true, identity: "lead".into(), ..request() });
    let invite = world.last("INVITE");
    world.answer(&invite, "200 OK", "X-Echo: +15559876543\r\nX-Fine: 1\r\n", SDP);
    let participant = world.participant().unwrap();
    assert!(!format!("{:?}", participant.attributes).contains("5559876543"), "{:?}", participant.attributes);
    world.far_request(&invite, "BYE");
    world.finish();
    let record = world.record();
    let told = format!("{:?}", (&record.from, &record.to, &record.attributes, &record.invite_headers));
    assert!(!told.contains("5559876543") && !told.contains("5550001111"), "{told}");
}

#[test]
fn a_call_may_last_so_long() {
    let mut world = World::new();
    world.connect(DialRequest { max_call_duration: Some(Duration::from_secs(20)), ..request() });
    world.wait(Duration::from_secs(19));
    assert!(world.all("BYE").is_empty());
    world.wait(Duration::from_secs(1));
    assert_eq!(world.all("BYE").len(), 1);
    world.finish();
    assert_eq!(world.record().ending.unwrap().reason, EndReason::MaxDuration);
}
