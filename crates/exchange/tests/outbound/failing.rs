//! Calls that are not answered: what the participant, the API, the webhook and the record say.

use crate::world::{SDP, World, request, trunk};
use std::time::Duration;
use trunkline_exchange::command::{Code, DialRequest, Reply};
use trunkline_routing::record::{Options, OutboundTrunk};
use trunkline_types::{DisconnectReason as D, EndReason, EndedBy};

struct Row(&'static str, D, Code, EndReason);

#[test]
fn each_refusal_is_the_same_everywhere() {
    let table = [
        Row("486 Busy Here", D::UserRejected, Code::ResourceExhausted, EndReason::Rejected),
        Row("603 Decline", D::UserRejected, Code::PermissionDenied, EndReason::Rejected),
        Row("600 Busy Everywhere", D::UserRejected, Code::ResourceExhausted, EndReason::Rejected),
        Row("403 Forbidden", D::UserRejected, Code::PermissionDenied, EndReason::Rejected),
        Row("488 Not Acceptable Here", D::UserRejected, Code::InvalidArgument, EndReason::Rejected),
        Row("404 Not Found", D::UserUnavailable, Code::NotFound, EndReason::Unavailable),
        Row("408 Request Timeout", D::UserUnavailable, Code::DeadlineExceeded, EndReason::Unavailable),
        Row("480 Temporarily Unavailable", D::UserUnavailable, Code::ResourceExhausted, EndReason::Unavailable),
        Row("410 Gone", D::UserUnavailable, Code::NotFound, EndReason::Unavailable),
        Row("484 Address Incomplete", D::UserUnavailable, Code::InvalidArgument, EndReason::Unavailable),
        Row("500 Server Internal Error", D::SipTrunkFailure, Code::FailedPrecondition, EndReason::TrunkFailure),
        Row("503 Service Unavailable", D::SipTrunkFailure, Code::FailedPrecondition, EndReason::TrunkFailure),
        Row("504 Server Time-out", D::SipTrunkFailure, Code::DeadlineExceeded, EndReason::TrunkFailure),
        Row("302 Moved Temporarily", D::SipTrunkFailure, Code::NotFound, EndReason::TrunkFailure),
        Row("407 Proxy Authentication Required", D::SipTrunkFailure, Code::FailedPrecondition, EndReason::TrunkFailure),
    ];
    for Row(status, disconnected, code, reason) in table {
        let mut world = World::new();
        let asked = world.dial(request());
        let invite = world.last("INVITE");
        world.answer(&invite, "180 Ringing", "", "");
        world.answer(&invite, status, "", "");
        let error = world.error(asked);
        assert_eq!(
            (error.code, error.message.as_str()),
            (code, format!("sip status {status}").replace(&status[..3], &format!("{}:", &status[..3])).as_str()),
            "{status}"
        );
        let told = error.sip_status.expect("the far end's status");
        assert_eq!(format!("{} {}", told.code, told.text), status);
        let left = world.left();
        assert_eq!(left.disconnect_reason, Some(disconnected), "{status}");
        assert_eq!(left.attributes.get("sip.callStatus").map(String::as_str), Some("hangup"));
        assert_eq!(left.attributes.get("sip.statusCode").map(String::as_str), Some(&status[..3]));
        assert_eq!(left.attributes.get("sip.reason").map(String::as_str), Some(reason.as_str()));
        let by = if reason == EndReason::TrunkFailure { "server" } else { "far_end" };
        assert_eq!(left.attributes.get("sip.hangupBy").map(String::as_str), Some(by));
        world.finish();
        let ending = world.record().ending.unwrap();
        assert_eq!((ending.reason, ending.disconnect_reason), (reason, disconnected));
        assert_eq!(ending.sip_status.map(|s| s.to_string()).as_deref(), Some(&status[..3]));
        assert_eq!(world.record().answered_at_ms, None);
    }
}

#[test]
fn the_cause_of_the_telephone_network_is_kept_as_number_and_text() {
    let long = format!("Reason: Q.850;cause=17;text=\"{}\\r\\n\"\r\n", "x".repeat(300));
    for (headers, wanted) in [
        ("Reason: SIP;cause=486, q.850;cause=17;text=\"user, busy\"\r\n", Some((17, "user, busy".to_owned()))),
        ("Reason: SIP;cause=486\r\nReason: Q.850;cause=21\r\n", Some((21, "Call rejected".to_owned()))),
        ("Reason: Q.850;cause=120\r\n", Some((120, String::new()))),
        (&long, Some((17, "x".repeat(256)))),
        ("Reason: Q.850;cause=999\r\n", None),
        ("Reason: Q.850;text=\"no number\"\r\n", None),
        ("Reason: SIP;cause=486\r\n", None),
        ("", None),
    ] {
        let mut world = World::new();
        world.dial(request());
        world.answer(&world.last("INVITE"), "486 Busy Here", headers, "");
        let left = world.left().attributes;
        let text = left.get("trunkline.q850Text").cloned().unwrap_or_default();
        let told = left.get("trunkline.q850Cause").map(|cause| (cause.clone(), text));
        assert_eq!(told, wanted.clone().map(|(cause, text)| (cause.to_string(), text)), "{headers}");
        world.finish();
        let ending = world.record().ending.unwrap();
        assert_eq!(ending.q850.map(|q850| (q850.cause, q850.text)), wanted, "{headers}");
        assert_eq!(ending.sip_status, Some(486));
    }
    // And when the far end hangs up.
    let mut world = World::new();
    let (_, invite) = world.connect(request());
    world.far_request_with(&invite, "BYE", "Reason: Q.850;cause=16\r\n");
    world.finish();
    let q850 = world.record().ending.unwrap().q850.expect("a cause");
    assert_eq!((q850.cause, q850.text.as_str()), (16, "Normal call clearing"));
    assert_eq!(world.left().attributes["trunkline.q850Cause"], "16");
}

#[test]
fn who_does_not_wait_sees_it_at_the_participant() {
    let mut world = World::new();
    let asked = world.dial(DialRequest { wait_until_answered: false, ..request() });
    let invite = world.last("INVITE");
    world.answer(&invite, "486 Busy Here", "X-Twilio-Error: 32203 blocked\r\n", "");
    assert!(matches!(world.reply(asked), Some(Ok(Reply::SipParticipant(_)))));
    assert_eq!(world.left().disconnect_reason, Some(D::UserRejected));
    world.finish();
    assert_eq!(world.record().ending.unwrap().text, "sip status 486: 32203 blocked");
}

#[test]
fn nobody_says_anything_at_all() {
    let mut world = World::new();
    let asked = world.dial(request());
    world.wait(Duration::from_secs(33));
    assert_eq!(world.all("INVITE").len(), 7, "timer A");
    let error = world.error(asked);
    assert_eq!((error.code, error.sip_status), (Code::Canceled, None));
    assert_eq!(world.left().disconnect_reason, Some(D::SipTrunkFailure));
    world.finish();
}

#[test]
fn nobody_answers_in_time() {
    let mut world = World::new();
    let asked = world.dial(DialRequest { ringing_timeout: Some(Duration::from_secs(20)), ..request() });
    let invite = world.last("INVITE");
    world.answer(&invite, "180 Ringing", "", "");
    world.wait(Duration::from_secs(19));
    assert!(world.reply(asked).is_none());
    world.wait(Duration::from_secs(1));
    assert_eq!(world.error(asked).code, Code::Canceled);
    let cancel = world.last("CANCEL");
    assert_eq!(cancel.header("Reason").as_deref(), Some("SIP;cause=408;text=\"no_answer\""));
    assert_eq!(world.left().disconnect_reason, Some(D::UserUnavailable));
    world.answer(&cancel, "200 OK", "", "");
    world.answer(&invite, "487 Request Terminated", "", "");
    world.finish();
    let ending = world.record().ending.unwrap();
    assert_eq!((ending.reason, ending.by), (EndReason::NoAnswer, EndedBy::Server));
}

#[test]
fn an_answer_without_a_usable_description_is_acknowledged_and_hung_up() {
    for body in ["", "v=0 broken", "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\n"] {
        let mut world = World::new();
        let asked = world.dial(request());
        let invite = world.last("INVITE");
        world.answer(&invite, "200 OK", "", body);
        let order: Vec<_> = world.sent.iter().map(|s| s.method().to_owned()).collect();
        assert_eq!(order, ["INVITE", "ACK", "BYE"]);
        let error = world.error(asked);
        assert_eq!(error.code, Code::FailedPrecondition);
        assert!(error.message.starts_with("the far end's answer cannot be used"), "{}", error.message);
        assert_eq!(world.left().disconnect_reason, Some(D::MediaFailure));
        world.finish();
        assert_eq!(world.record().ending.unwrap().reason, EndReason::NoCommonCodec);
    }
}

#[test]
fn a_trunk_makes_no_more_calls_than_it_may() {
    let options = Options { calls_per_second: Some(1), max_calls: Some(2), ..Options::default() };
    let mut world = World::with(trunk(), options);
    world.dial(request());
    let second = world.dial(request());
    let error = world.error(second);
    assert_eq!((error.code, error.message.as_str()), (Code::ResourceExhausted, "cps limit exceeded"));
    world.wait(Duration::from_secs(1));
    let third = world.dial(request());
    assert!(world.reply(third).is_none());
    world.wait(Duration::from_secs(1));
    let fourth = world.dial(request());
    assert_eq!(world.error(fourth).message, "concurrent call limit exceeded");
    let invite = world.all("INVITE").remove(0);
    world.answer(&invite, "486 Busy Here", "", "");
    world.wait(Duration::from_secs(1));
    let fifth = world.dial(request());
    assert!(world.reply(fifth).is_none(), "a place is free again");
}

#[test]
fn what_cannot_be_asked_for_is_refused_before_anything_happens() {
    let mut world = World::new();
    for (request, code, field) in [
        (DialRequest { dtmf: "1x".into(), ..request() }, Code::InvalidArgument, "dtmf"),
        (DialRequest { room_name: String::new(), ..request() }, Code::InvalidArgument, "room_name"),
    ] {
        let asked = world.dial(request);
        let error = world.error(asked);
        assert_eq!(error.code, code);
        assert!(error.message.contains(field), "{}", error.message);
    }
    let mut unknown = request();
    unknown.dial.trunk_id = "ST_none".into();
    let asked = world.dial(unknown);
    assert_eq!(world.error(asked).code, Code::NotFound);
    assert!(world.sent.is_empty() && world.participant().is_none());
}

#[test]
fn the_password_goes_to_the_trunk_alone() {
    let trunk = OutboundTrunk { auth_username: "user".into(), auth_password: "secret".into(), ..trunk() };
    let mut world = World::with(trunk, Options::default());
    world.dial(request());
    let invite = world.last("INVITE");
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n";
    world.answer(&invite, "401 Unauthorized", challenge, "");
    let second = world.last("INVITE");
    assert!(second.text.contains("Authorization: Digest "), "{}", second.text);
    assert_eq!(second.header("Call-ID"), invite.header("Call-ID"));
    world.answer(&second, "200 OK", "", SDP);
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("active"));
    assert!(!format!("{:?}", world.records).contains("secret"));
}
