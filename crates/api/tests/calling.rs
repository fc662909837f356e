//! Calling out, transfers, moves and hold, from outside.

mod fake;

use axum::http::StatusCode;
use base64::{Engine, engine::general_purpose::STANDARD};
use fake::{Fake, post, post_json, sip_admin, token};
use livekit_protocol as proto;
use prost::Message;
use serde_json::{Value, json};
use std::time::Duration;
use trunkline_api::{
    Claims,
    token::{SipGrant, VideoGrant},
};
use trunkline_exchange::command::{
    ApiError, Code, Command, DialRequest, Reply, SipParticipant, SipStatus, TransferOutcome, TransferReply,
};
use trunkline_routing::dial::{Target, TargetParts};

const CREATE: &str = "/twirp/livekit.SIP/CreateSIPParticipant";
const TRANSFER: &str = "/twirp/livekit.SIP/TransferSIPParticipant";

fn caller() -> String {
    let video = VideoGrant { room_admin: true, room: "lobby".into(), destination_room: "bar".into(), ..<_>::default() };
    token(&Claims { video, sip: SipGrant { call: true, admin: false }, ..Claims::default() })
}

fn calling() -> Fake {
    Fake::new(|command| {
        Ok(match command {
            Command::CreateSipParticipant(dial) => Reply::SipParticipant(Box::new(SipParticipant {
                participant: "PA_x".into(),
                identity: format!("sip_{}", dial.dial.call_to),
                room_name: dial.room_name.clone(),
                call: "SCL_x".into(),
            })),
            Command::TransferSipParticipant(_) => transferred(TransferOutcome::Completed, Some((200, "OK"))),
            Command::MoveParticipant { .. } | Command::Hold { .. } => Reply::Done,
            other => panic!("not expected: {other:?}"),
        })
    })
}

fn transferred(outcome: TransferOutcome, status: Option<(u16, &str)>) -> Reply {
    let sip_status = status.map(|(code, text)| SipStatus { code, text: text.into() });
    Reply::Transfer(Box::new(TransferReply { transfer: "STR_x".into(), outcome, sip_status }))
}

fn dialled(fake: &Fake) -> DialRequest {
    let asked = fake.asked.lock().unwrap();
    let [Command::CreateSipParticipant(dial)] = asked.as_slice() else { panic!("{asked:?}") };
    (**dial).clone()
}

#[tokio::test]
async fn every_field_of_a_call_arrives() {
    let (router, fake) = calling().serve();
    let body = json!({
        "sip_trunk_id": "ST_a", "sip_call_to": "+1", "sip_number": "+2", "room_name": "lobby",
        "to_user_override": "desk", "participant_identity": "i", "participant_name": "n", "participant_metadata": "m",
        "participant_attributes": {"a": "b"}, "dtmf": "1w2#", "play_ringtone": true, "hide_phone_number": true,
        "headers": {"X-A": "1", "Route": "<sip:p;lr>"}, "include_headers": "SIP_ALL_HEADERS", "ringing_timeout": "7s",
        "max_call_duration": "0s", "krisp_enabled": true, "media_encryption": "SIP_MEDIA_ENCRYPT_REQUIRE",
        "wait_until_answered": true, "display_name": "", "destination": {"country": "US", "city": "X"},
        "trunk": {"hostname": "h", "transport": "SIP_TRANSPORT_TLS", "auth_username": "u", "auth_password": "p",
                  "headers_to_attributes": {"X-B": "b"}, "attributes_to_headers": {"c": "X-C"}, "from_host": "f"},
        "sip_request_uri": {"raw": "<sip:1@h>"},
        "sip_from_header": {"display_name": "D", "values": {"user": "u", "host": "h", "port": 5070, "transport": 2}},
    });
    let answer = post_json(&router, CREATE, &caller(), body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(
        answer.json(),
        json!({"participant_id": "PA_x", "participant_identity": "sip_+1", "room_name": "lobby",
            "sip_call_id": "SCL_x"})
    );
    let got = dialled(&fake);
    let dial = &got.dial;
    assert_eq!((dial.trunk_id.as_str(), dial.call_to.as_str(), dial.number.as_str()), ("ST_a", "+1", "+2"));
    assert_eq!((dial.to_user_override.as_str(), dial.display_name.as_deref()), ("desk", Some("")));
    assert_eq!((dial.headers.len(), dial.destination_country.as_str()), (2, "US"));
    assert_eq!(dial.request_uri, Some(Target::Raw("<sip:1@h>".into())));
    let parts = TargetParts { user: "u".into(), host: "h".into(), port: 5070, transport: 2, ..Default::default() };
    assert_eq!(dial.from_header.as_ref().unwrap().uri, Target::Values(parts));
    let trunk = dial.trunk.as_ref().unwrap();
    assert_eq!((trunk.address.as_str(), trunk.transport, trunk.from_host.as_str()), ("h", 3, "f"));
    assert_eq!((trunk.auth_username.as_str(), trunk.auth_password.as_str()), ("u", "p"));
    assert_eq!((trunk.headers_to_attributes["X-B"].as_str(), trunk.attributes_to_headers["c"].as_str()), ("b", "X-C"));
    assert_eq!((got.identity.as_str(), got.name.as_str(), got.metadata.as_str()), ("i", "n", "m"));
    assert_eq!((got.dtmf.as_str(), got.attributes["a"].as_str()), ("1w2#", "b"));
    assert!(got.play_dialtone && got.hide_phone_number && got.wait_until_answered);
    assert_eq!(got.ringing_timeout, Some(Duration::from_secs(7)));
    assert_eq!(got.max_call_duration, None, "zero is the default");
    assert!(got.media.unwrap().encryption.is_some());
}

#[tokio::test]
async fn what_cannot_be_dialled_is_refused_by_name_before_anything_happens() {
    let (router, fake) = calling().serve();
    let base = json!({"sip_trunk_id": "ST_a", "sip_call_to": "+1", "room_name": "lobby"});
    for (change, field) in [
        (json!({"sip_trunk_id": ""}), "sip_trunk_id"),
        (json!({"sip_call_to": ""}), "sip_call_to"),
        (json!({"sip_call_to": "sip:a@b"}), "sip_call_to"),
        (json!({"sip_call_to": "+1\r\nX-Evil: 1"}), "sip_call_to"),
        (json!({"sip_number": "+1\n"}), "sip_number"),
        (json!({"room_name": ""}), "room_name"),
        (json!({"to_user_override": "a b"}), "to_user_override"),
        (json!({"display_name": "x".repeat(129)}), "display_name"),
        (json!({"display_name": "a\"b"}), "display_name"),
        (json!({"destination": {"city": "Berlin"}}), "destination.city"),
        (json!({"destination": {"country": "usa"}}), "destination.country"),
        (json!({"headers": {"X-A": "a\r\nb"}}), "headers"),
        (json!({"headers": {"X-A": "a\u{0}b"}}), "headers"),
        (json!({"headers": {"Contact": "<sip:a>"}}), "headers"),
        (json!({"headers": {"Route": "no uri"}}), "headers"),
        (json!({"dtmf": "12x"}), "dtmf"),
        (json!({"ringing_timeout": "-1s"}), "ringing_timeout"),
        (json!({"include_headers": 9}), "include_headers"),
        (json!({"media": {"codecs": [{"name": "a/b"}]}}), "media.codecs"),
        (json!({"sip_request_uri": {"raw": "http://x"}}), "sip_request_uri"),
        (json!({"sip_request_uri": {}}), "sip_request_uri"),
        (json!({"sip_to_header": {"raw": "sip:a@b"}}), "sip_to_header"),
        (json!({"trunk": {"hostname": ""}}), "trunk.hostname"),
        (json!({"trunk": {"hostname": "sip:h"}}), "trunk.hostname"),
        (json!({"trunk": {"hostname": "h", "auth_username": "u"}}), "auth_password"),
        (json!({"trunk": {"hostname": "h", "attributes_to_headers": {"a": "Via"}}}), "attributes_to_headers"),
    ] {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = post_json(&router, CREATE, &caller(), body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{change} {}", answer.text());
        let error = answer.json();
        assert_eq!(
            (error["code"].as_str(), error["meta"]["argument"].as_str()),
            (Some("invalid_argument"), Some(field))
        );
        assert!(error["msg"].as_str().unwrap().contains(field), "{error}");
    }
    assert!(fake.asked.lock().unwrap().is_empty());
}

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<pbjson_types::Any>,
}

fn details(meta: &Value) -> (i32, proto::SipStatus) {
    let bytes = STANDARD.decode(meta["error_details"].as_str().unwrap()).unwrap();
    let status = RpcStatus::decode(bytes.as_slice()).unwrap();
    let [any] = status.details.as_slice() else { panic!("{status:?}") };
    assert_eq!(any.type_url, "type.googleapis.com/livekit.SIPStatus");
    (status.code, proto::SipStatus::decode(any.value.as_ref()).unwrap())
}

#[tokio::test]
async fn what_the_far_end_said_is_where_the_sdks_look_for_it() {
    for (code, text, wanted, http, grpc) in [
        (486, "Busy Here", "resource_exhausted", 429, 8),
        (603, "Decline", "permission_denied", 403, 7),
        (408, "Request Timeout", "deadline_exceeded", 408, 4),
        (480, "", "resource_exhausted", 429, 8),
        (503, "Service Unavailable", "failed_precondition", 412, 9),
        (404, "Not Found", "not_found", 404, 5),
    ] {
        let fake = Fake::new(move |_| Err(ApiError::from(SipStatus { code, text: text.into() })));
        let (router, _) = fake.serve();
        let body = json!({"sip_trunk_id": "ST_a", "sip_call_to": "+1", "room_name": "lobby"});
        let answer = post_json(&router, CREATE, &caller(), body).await;
        let error = answer.json();
        assert_eq!((answer.status.as_u16(), error["code"].as_str()), (http, Some(wanted)), "{error}");
        assert_eq!(error["meta"]["sip_status_code"], code.to_string());
        let shown = if text.is_empty() { "SIP_STATUS_TEMPORARILY_UNAVAILABLE" } else { text };
        assert_eq!(error["meta"]["sip_status"], shown);
        assert!(error["msg"].as_str().unwrap().starts_with(&format!("sip status {code}")), "{error}");
        let (number, status) = details(&error["meta"]);
        assert_eq!((number, status.code, status.status.as_str()), (grpc, i32::from(code), text));
    }
}

#[tokio::test]
async fn a_target_stays_what_it_is_however_it_is_written() {
    let uri = "tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support";
    for written in [uri.to_owned(), format!("<{uri}>")] {
        let (router, fake) = calling().serve();
        let request = proto::TransferSipParticipantRequest {
            room_name: "lobby".into(),
            participant_identity: "i".into(),
            transfer_to: written,
            play_dialtone: true,
            headers: [("X-A".into(), "1".into())].into(),
            ringing_timeout: Some(pbjson_types::Duration { seconds: 0, nanos: 0 }),
        };
        let answer = post(&router, TRANSFER, &caller(), "application/protobuf", request.encode_to_vec()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let reply = proto::TransferSipParticipantResponse::decode(answer.body.as_slice()).unwrap();
        assert_eq!((reply.transfer_id.as_str(), reply.status, reply.reason), ("STR_x", 2, 1));
        assert_eq!(reply.sip_status.unwrap().code, 200);
        let asked = fake.asked.lock().unwrap();
        let [Command::TransferSipParticipant(transfer)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!((transfer.target.as_str(), transfer.timeout, transfer.play_dialtone), (uri, None, true));
        assert_eq!((transfer.room.as_str(), transfer.identity.as_str(), transfer.headers.len()), ("lobby", "i", 1));
    }
}

#[tokio::test]
async fn bad_transfers_are_refused_by_name() {
    let (router, fake) = calling().serve();
    let base = json!({"room_name": "lobby", "participant_identity": "i", "transfer_to": "tel:+1"});
    for (change, field) in [
        (json!({"participant_identity": ""}), "participant_identity"),
        (json!({"transfer_to": ""}), "transfer_to"),
        (json!({"transfer_to": "+15550100"}), "transfer_to"),
        (json!({"transfer_to": "tel:+1\r\nX-Evil: 1"}), "transfer_to"),
        (json!({"transfer_to": "<tel:+1\u{0}>"}), "transfer_to"),
        (json!({"transfer_to": "<tel:+1>;a=b"}), "transfer_to"),
        (json!({"headers": {"X-A": "a\nb"}}), "headers"),
        (json!({"headers": {"Refer-To": "tel:+1"}}), "headers"),
        (json!({"ringing_timeout": "-1s"}), "ringing_timeout"),
    ] {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = post_json(&router, TRANSFER, &caller(), body).await;
        assert_eq!((answer.status, &answer.json()["meta"]["argument"]), (StatusCode::BAD_REQUEST, &json!(field)));
    }
    assert!(fake.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_transfer_that_fails_says_how_it_went() {
    let body = json!({"room_name": "lobby", "participant_identity": "i", "transfer_to": "<SIP:a@b>"});
    for (outcome, status, code, reason) in [
        (TransferOutcome::Rejected, Some(603), "permission_denied", "STR_REJECTED"),
        (TransferOutcome::RingingTimeout, None, "canceled", "STR_RINGING_TIMEOUT"),
        (TransferOutcome::SubscriptionTerminated, None, "canceled", "STR_SUBSCRIPTION_TERMINATED"),
        (TransferOutcome::Canceled, None, "canceled", "STR_CANCELED"),
    ] {
        let fake = Fake::new(move |_| {
            let error = match status {
                Some(code) => ApiError::from(SipStatus { code, text: "Decline".into() }),
                None => ApiError::new(Code::Canceled, "not in time"),
            };
            Err(ApiError { transfer: Some(Box::new(("STR_x".into(), outcome))), ..error })
        });
        let (router, _) = fake.serve();
        let error = post_json(&router, TRANSFER, &caller(), body.clone()).await.json();
        assert_eq!(error["code"], code);
        let meta = &error["meta"];
        assert_eq!((&meta["sip_transfer_reason"], &meta["sip_transfer_id"]), (&json!(reason), &json!("STR_x")));
        assert_eq!(meta.get("sip_status_code"), status.map(|code| json!(code.to_string())).as_ref());
    }
    let (router, _) = Fake::new(|_| Ok(transferred(TransferOutcome::CallEnded, None))).serve();
    let ended = post_json(&router, TRANSFER, &caller(), body).await;
    assert_eq!(ended.status, StatusCode::OK);
    let wanted = json!({"transfer_id": "STR_x", "status": "STS_TRANSFER_FAILED", "reason": "STR_CALL_ENDED"});
    assert_eq!(ended.json(), wanted);
}

#[tokio::test]
async fn participants_are_moved_and_held() {
    let (router, fake) = calling().serve();
    let body = json!({"room": "lobby", "identity": "i", "destination_room": "bar"});
    let answer = post_json(&router, "/twirp/livekit.RoomService/MoveParticipant", &caller(), body).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "{}"));
    for (method, given) in [("Hold", caller()), ("Resume", sip_admin())] {
        let body = json!({"room": "lobby", "identity": "i"});
        let answer = post_json(&router, &format!("/twirp/trunkline.Calls/{method}"), &given, body).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "{}"));
    }
    let answer = post_json(&router, "/twirp/trunkline.Calls/Hold", &caller(), json!({"room": "lobby"})).await;
    assert_eq!(answer.json()["meta"]["argument"], "identity");
    let asked = fake.asked.lock().unwrap();
    let [Command::MoveParticipant { room, identity, destination }, holds @ ..] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!((room.as_str(), identity.as_str(), destination.as_str()), ("lobby", "i", "bar"));
    let holds: Vec<bool> =
        holds.iter().filter_map(|c| if let Command::Hold { hold, .. } = c { Some(*hold) } else { None }).collect();
    assert_eq!(holds, [true, false]);
}

#[tokio::test]
async fn a_failure_without_a_far_end_has_no_status() {
    let (router, _) =
        Fake::new(|_| Err(ApiError::new(Code::DeadlineExceeded, "nobody answered within ringing_timeout"))).serve();
    let body = json!({"sip_trunk_id": "ST_a", "sip_call_to": "+1", "room_name": "lobby", "wait_until_answered": true});
    let answer = post_json(&router, CREATE, &caller(), body).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(answer.json()["meta"], json!({}), "no far end, no status");
}
