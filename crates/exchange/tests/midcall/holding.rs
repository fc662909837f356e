//! Hold by either side, and offers in the middle of calls.

use crate::{
    phone::{OFFER, Phone, header, world},
    world::{ROOM, World},
};
use std::time::Duration;
use trunkline_call::media::{Codec, LegMedia, MediaPlan, Sound, peer::PeerFact};
use trunkline_exchange::{
    Input,
    command::{Command, Reply},
};
use trunkline_room::ParticipantPatch;
use trunkline_routing::record::{DtmfMethod, Options};
use trunkline_types::EndReason;

fn answer(direction: &str) -> String {
    format!("{OFFER}a={direction}\r\n")
}

fn hold(world: &mut World, hold: bool) -> u64 {
    let identity = world.caller().identity;
    let number = world.next_request();
    world.give(Input::Api(number, Box::new(Command::Hold { room: ROOM.into(), identity, hold })));
    number
}

fn agreed(world: &World) -> LegMedia {
    let media = |plan: &MediaPlan| match plan {
        MediaPlan::Negotiated { media, .. } => Some(media.clone()),
        _ => None,
    };
    world.media.iter().rev().find_map(media).expect("media is agreed on")
}

fn reinvites(phone: &Phone, world: &World) -> Vec<String> {
    phone.got(world, "INVITE")
}

#[test]
fn the_far_end_holds_and_resumes() {
    let mut world = world(Options::default());
    let mut phone = Phone::call(&mut world, "c", "");
    for direction in ["sendonly", "inactive"] {
        assert!(phone.invite(&mut world, "", &answer(direction)).starts_with("SIP/2.0 200"));
        assert_eq!(world.attribute("sip.hold").as_deref(), Some("true"), "{direction}");
        assert!(!agreed(&world).flowing.send);
        assert!(phone.invite(&mut world, "", OFFER).starts_with("SIP/2.0 200"));
        assert_eq!(world.attribute("sip.hold"), None);
    }
}

#[test]
fn we_hold_with_music_and_come_back() {
    let mut world = world(Options::default());
    let phone = Phone::call(&mut world, "c", "");
    let number = hold(&mut world, true);
    let invite = phone.last(&world, "INVITE");
    assert!(invite.contains("a=sendonly\r\n"), "{invite}");
    assert!(!world.replies.contains_key(&number) && world.played().is_empty());
    phone.answer(&mut world, &invite, "200 OK", "", Some(&answer("recvonly")));
    assert_eq!(phone.got(&world, "ACK").len(), 1);
    assert!(matches!(world.replies[&number], Ok(Reply::Done)));
    assert_eq!(world.played(), [Some(Sound::HoldMusic)]);
    assert_eq!(world.attribute("trunkline.hold").as_deref(), Some("true"));
    assert_eq!(world.attribute("sip.hold"), None, "it is not the far end who holds");
    assert!(!agreed(&world).flowing.receive && agreed(&world).flowing.send);
    let number = hold(&mut world, false);
    let invite = phone.last(&world, "INVITE");
    assert!(invite.contains("a=sendrecv\r\n"), "{invite}");
    phone.answer(&mut world, &invite, "200 OK", "", Some(OFFER));
    assert!(matches!(world.replies[&number], Ok(Reply::Done)));
    assert_eq!(world.played().last(), Some(&None));
    assert_eq!(world.attribute("trunkline.hold"), None);
    assert!(agreed(&world).flowing.receive);
}

#[test]
fn an_attribute_holds_as_well_and_without_music_nobody_is_heard() {
    let mut world = world(Options { hold_music: Some(false), ..Options::default() });
    let phone = Phone::call(&mut world, "c", "");
    let identity = world.caller().identity;
    for (value, direction) in [("true", "inactive"), ("", "sendrecv")] {
        let attributes = [("trunkline.hold".to_owned(), value.to_owned())].into();
        let patch = ParticipantPatch { attributes, ..ParticipantPatch::default() };
        let room = ROOM.to_owned();
        world.ask(Command::UpdateParticipant { room, identity: identity.clone(), patch }).unwrap().unwrap();
        let invite = phone.last(&world, "INVITE");
        assert!(invite.contains(&format!("a={direction}\r\n")), "{invite}");
        phone.answer(&mut world, &invite, "200 OK", "", Some(&answer(direction)));
    }
    assert_eq!(reinvites(&phone, &world).len(), 2);
    assert!(world.played().is_empty());
}

#[test]
fn who_refuses_hold_is_not_held() {
    let mut world = world(Options::default());
    let phone = Phone::call(&mut world, "c", "");
    let number = hold(&mut world, true);
    let invite = phone.last(&world, "INVITE");
    phone.answer(&mut world, &invite, "488 Not Acceptable Here", "", None);
    let error = world.replies[&number].clone().unwrap_err();
    assert_eq!(error.sip_status.unwrap().code, 488);
    assert_eq!(world.attribute("trunkline.hold"), None);
    assert!(world.played().is_empty() && phone.got(&world, "BYE").is_empty());
}

#[test]
fn offers_that_meet_are_made_again() {
    let mut world = world(Options::default());
    let mut phone = Phone::call(&mut world, "c", "");
    let number = hold(&mut world, true);
    let ours = phone.last(&world, "INVITE");
    // The far end's own is refused, and it refuses ours.
    let theirs = phone.request(&mut world, "INVITE", "", Some(("application/sdp", OFFER)));
    assert!(theirs.starts_with("SIP/2.0 491"), "{theirs}");
    phone.ack(&mut world, None);
    phone.answer(&mut world, &ours, "491 Request Pending", "", None);
    assert!(!world.replies.contains_key(&number));
    world.wait(Duration::from_secs(5));
    let again = phone.last(&world, "INVITE");
    assert_ne!(header(&again, "CSeq"), header(&ours, "CSeq"));
    phone.answer(&mut world, &again, "200 OK", "", Some(&answer("recvonly")));
    assert!(matches!(world.replies[&number], Ok(Reply::Done)));
    assert_eq!(reinvites(&phone, &world).len(), 2);
}

#[test]
fn an_answer_that_is_none_is_acknowledged_and_ends_the_call() {
    let mut world = world(Options::default());
    let phone = Phone::call(&mut world, "c", "");
    hold(&mut world, true);
    let invite = phone.last(&world, "INVITE");
    phone.answer(&mut world, &invite, "200 OK", "", Some("v=0\r\nnonsense"));
    assert_eq!(phone.got(&world, "ACK").len(), 1);
    phone.ok(&mut world, "BYE");
    assert_eq!(world.record().ending.unwrap().reason, EndReason::NoCommonCodec);
}

#[test]
fn another_codec_by_reinvite_or_update_and_488_keeps_the_session() {
    let mut world = world(Options::default());
    let mut phone = Phone::call(&mut world, "c", "");
    assert_eq!(agreed(&world).codec, Codec::Pcmu);
    let pcma = OFFER.replace("RTP/AVP 0 8", "RTP/AVP 8").replace("40000", "40010");
    assert!(phone.invite(&mut world, "", &pcma).starts_with("SIP/2.0 200"));
    assert_eq!((agreed(&world).codec, agreed(&world).remote.unwrap().port()), (Codec::Pcma, 40_010));
    let answer = phone.request(&mut world, "UPDATE", "", Some(("application/sdp", OFFER)));
    assert!(answer.starts_with("SIP/2.0 200") && answer.contains("m=audio"), "{answer}");
    assert_eq!(agreed(&world).codec, Codec::Pcmu);
    let count = world.media.len();
    let unknown = OFFER.replace("RTP/AVP 0 8", "RTP/AVP 18");
    let refusal = phone.request(&mut world, "INVITE", "", Some(("application/sdp", &unknown)));
    assert!(refusal.starts_with("SIP/2.0 488"), "{refusal}");
    assert!(header(&refusal, "Warning").is_some_and(|w| w.starts_with("305 ") && w.contains("codec")), "{refusal}");
    phone.ack(&mut world, None);
    assert!(phone.request(&mut world, "UPDATE", "", Some(("application/sdp", &unknown))).starts_with("SIP/2.0 488"));
    assert_eq!(world.media.len(), count);
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("active"));
    // Without an offer we make one, and the ACK answers it.
    let answer = phone.request(&mut world, "INVITE", "", None);
    assert!(answer.contains("m=audio"), "{answer}");
    phone.ack(&mut world, Some(&pcma));
    assert_eq!(agreed(&world).codec, Codec::Pcma);
}

#[test]
fn held_by_us_the_far_end_may_refresh_and_stays_held() {
    let mut world = world(Options::default());
    let mut phone = Phone::call(&mut world, "c", "");
    hold(&mut world, true);
    let invite = phone.last(&world, "INVITE");
    phone.answer(&mut world, &invite, "200 OK", "", Some(&answer("recvonly")));
    let refreshed = phone.invite(&mut world, "", OFFER);
    assert!(refreshed.contains("a=sendonly"), "{refreshed}");
    assert_eq!(world.attribute("trunkline.hold").as_deref(), Some("true"));
}

#[test]
fn digits_go_by_info_where_the_trunk_wants_it() {
    let mut world = world(Options { dtmf: Some(DtmfMethod::Info), ..Options::default() });
    let phone = Phone::call(&mut world, "c", "");
    let participant = world.join(1, "agent");
    // DataPacket.sip_dtmf: code 5 and the digits.
    let payload = bytes::Bytes::from_static(b"\x32\x07\x18\x05\x22\x035w#");
    world.tell(PeerFact::Data { participant, reliable: true, payload });
    let signals = |world: &World| phone.got(world, "INFO");
    assert!(signals(&world)[0].ends_with("\r\n\r\nSignal=5\r\nDuration=160\r\n"));
    assert_eq!(signals(&world).len(), 1);
    world.wait(Duration::from_secs(1));
    assert!(signals(&world)[1].contains("Signal=#\r\n"));
    assert!(!world.media.iter().any(|plan| matches!(plan, MediaPlan::SendDtmf { .. })));
    for info in signals(&world) {
        phone.answer(&mut world, &info, "200 OK", "", None);
    }
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("active"));
}
