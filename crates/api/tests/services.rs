//! The services from outside, in protobuf and in JSON.

mod fake;

use axum::http::{StatusCode, header};
use fake::{Fake, call_record, post, post_json, room_admin, rooms, sip_admin};
use livekit_protocol as proto;
use prost::Message;
use serde_json::json;
use trunkline_exchange::command::{ApiError, Code, Command, LadderEntry, OptionsKey, Reply};
use trunkline_room::{Kind, ParticipantInfo, RoomInfo, TrackInfo};
use trunkline_routing::{
    patch::Update,
    record::{AnswerPolicy, InboundTrunk, Options, OutboundTrunk, Rule},
};

/// An exchange that stores nothing and gives back what it got.
fn echo() -> Fake {
    Fake::new(|command| {
        Ok(match command.clone() {
            Command::CreateInboundTrunk(trunk) => {
                Reply::InboundTrunk(Box::new(InboundTrunk { id: "ST_new".into(), ..*trunk }))
            }
            Command::UpdateInboundTrunk(id, Update::Replace(trunk)) => {
                Reply::InboundTrunk(Box::new(InboundTrunk { id, ..*trunk }))
            }
            Command::UpdateInboundTrunk(id, Update::Patch(_)) | Command::GetInboundTrunk(id) => {
                Reply::InboundTrunk(Box::new(InboundTrunk { id, ..InboundTrunk::default() }))
            }
            Command::ListInboundTrunks(_) => Reply::InboundTrunks(vec![
                InboundTrunk { id: "ST_b".into(), allowed_numbers: vec!["+2".into()], ..InboundTrunk::default() },
                InboundTrunk::default(),
            ]),
            Command::ListOutboundTrunks(_) => {
                Reply::OutboundTrunks(vec![OutboundTrunk { id: "ST_a".into(), ..OutboundTrunk::default() }])
            }
            Command::DeleteTrunk(id) => Reply::Deleted(id),
            Command::CreateRule(rule) => Reply::Rule(rule),
            Command::CreateRoom(name, _) => {
                Reply::Room(RoomInfo { name, creation_time_ms: 1_999, ..RoomInfo::default() })
            }
            Command::UpdateParticipant { identity, patch, .. } => Reply::Participant(ParticipantInfo {
                identity,
                kind: Kind::Sip,
                attributes: patch.attributes,
                ..ParticipantInfo::default()
            }),
            Command::DeleteRoom(_) | Command::RemoveParticipant { .. } => Reply::Done,
            Command::SetOptions(_, options) => Reply::Options(options),
            Command::GetOptions(_) => Reply::Options(Options::default()),
            Command::LiveCalls => {
                Reply::Calls(vec![call_record("SCL_live", 30, false), call_record("SCL_b", 20, false)])
            }
            Command::Explain(facts) => {
                let message = format!("{} calls {} from {}", facts.from, facts.to, facts.source);
                return Err(ApiError::new(Code::Unavailable, message));
            }
            other => panic!("not expected: {other:?}"),
        })
    })
}

#[tokio::test]
async fn a_trunk_is_created_in_protobuf() {
    let (router, _) = echo().serve();
    let request = proto::CreateSipInboundTrunkRequest {
        trunk: Some(proto::SipInboundTrunkInfo {
            name: "five9".into(),
            numbers: vec!["+15551234".into()],
            attributes_to_headers: [("five9.routeReason".into(), "X-RouteReason".into())].into(),
            ..Default::default()
        }),
    };
    let path = "/twirp/livekit.SIP/CreateSIPInboundTrunk";
    let answer = post(&router, path, &sip_admin(), "application/protobuf", request.encode_to_vec()).await;
    assert_eq!(
        (answer.status, answer.headers[header::CONTENT_TYPE].as_bytes()),
        (StatusCode::OK, &b"application/protobuf"[..])
    );
    let trunk = proto::SipInboundTrunkInfo::decode(answer.body.as_slice()).unwrap();
    assert_eq!(trunk.sip_trunk_id, "ST_new");
    assert_eq!(trunk.attributes_to_headers["five9.routeReason"], "X-RouteReason");
}

#[tokio::test]
async fn json_is_read_in_both_cases_and_written_in_snake_case() {
    let (router, _) = echo().serve();
    let body = json!({"trunk": {"name": "n", "allowedAddresses": ["192.0.2.1"], "auth_username": "u",
        "attributesToHeaders": {"camelCase": "X-A", "five9.routeReason": "X-B"}, "somethingNew": {"a": [1]},
        "ringing_timeout": "30s"}});
    let answer = post_json(&router, "/twirp/livekit.SIP/CreateSIPInboundTrunk", &sip_admin(), body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(
        answer.json(),
        json!({"sip_trunk_id": "ST_new", "name": "n", "allowed_addresses": ["192.0.2.1"], "auth_username": "u",
            "attributes_to_headers": {"camelCase": "X-A", "five9.routeReason": "X-B"}, "ringing_timeout": "30s"})
    );
}

#[tokio::test]
async fn invalid_arguments_name_the_field() {
    let (router, fake) = echo().serve();
    let sip = "/twirp/livekit.SIP";
    for (method, body, field) in [
        ("CreateSIPInboundTrunk", json!({}), "trunk"),
        ("CreateSIPInboundTrunk", json!({"trunk": {"sip_trunk_id": "ST_x"}}), "trunk.sip_trunk_id"),
        ("CreateSIPInboundTrunk", json!({"trunk": {"media_encryption": 7}}), "trunk.media_encryption"),
        ("CreateSIPInboundTrunk", json!({"trunk": {"ringing_timeout": "-5s"}}), "ringing_timeout"),
        ("UpdateSIPInboundTrunk", json!({"replace": {}}), "sip_trunk_id"),
        ("UpdateSIPInboundTrunk", json!({"sip_trunk_id": "ST_a"}), "action"),
        (
            "UpdateSIPInboundTrunk",
            json!({"sip_trunk_id": "ST_a", "replace": {"sip_trunk_id": "ST_b"}}),
            "replace.sip_trunk_id",
        ),
        ("UpdateSIPDispatchRule", json!({"sip_dispatch_rule_id": "SDR_a"}), "action"),
        ("GetSIPOutboundTrunk", json!({}), "sip_trunk_id"),
        ("DeleteSIPTrunk", json!({}), "sip_trunk_id"),
        ("DeleteSIPDispatchRule", json!({}), "sip_dispatch_rule_id"),
    ] {
        let answer = post_json(&router, &format!("{sip}/{method}"), &sip_admin(), body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {field}");
        let error = answer.json();
        assert_eq!(
            (&error["code"], &error["meta"]["argument"]),
            (&json!("invalid_argument"), &json!(field)),
            "{error}"
        );
    }
    assert!(fake.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn updates_replace_or_patch() {
    let (router, fake) = echo().serve();
    let path = "/twirp/livekit.SIP/UpdateSIPInboundTrunk";
    let body = json!({"sip_trunk_id": "ST_a", "update": {"numbers": {"add": ["+1"], "remove": ["+2"]}, "name": ""}});
    assert_eq!(post_json(&router, path, &sip_admin(), body).await.json(), json!({"sip_trunk_id": "ST_a"}));
    let asked = fake.asked.lock().unwrap();
    let [Command::UpdateInboundTrunk(id, Update::Patch(patch))] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(id.as_str(), "ST_a");
    assert_eq!(patch.numbers.as_ref().unwrap().add, ["+1"]);
    assert_eq!((patch.name.as_deref(), patch.metadata.as_deref()), (Some(""), None));
}

#[tokio::test]
async fn lists_pass_their_filters_on_and_keep_their_order() {
    let (router, fake) = echo().serve();
    let path = "/twirp/livekit.SIP/ListSIPInboundTrunk";
    let body = json!({"trunk_ids": ["ST_b", "ST_gone"], "numbers": ["+1"], "page": {"after_id": "ST_0", "limit": 5}});
    let answer = post_json(&router, path, &sip_admin(), body).await;
    assert_eq!(answer.json(), json!({"items": [{"sip_trunk_id": "ST_b", "allowed_numbers": ["+2"]}, {}]}));
    let asked = fake.asked.lock().unwrap();
    let [Command::ListInboundTrunks(filter)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((filter.after_id.as_str(), filter.limit), ("ST_0", 5));
    assert_eq!((&filter.ids[1], &filter.numbers[0]), (&"ST_gone".to_owned(), &"+1".to_owned()));
}

#[tokio::test]
async fn the_deprecated_list_is_the_union_and_delete_answers_the_id() {
    let (router, _) = echo().serve();
    let answer =
        post_json(&router, "/twirp/livekit.SIP/ListSIPTrunk", &sip_admin(), json!({"page": {"limit": 3}})).await;
    assert_eq!(
        answer.json(),
        json!({"items": [
            {"kind": "TRUNK_INBOUND"},
            {"sip_trunk_id": "ST_a", "kind": "TRUNK_OUTBOUND"},
            {"sip_trunk_id": "ST_b", "kind": "TRUNK_INBOUND", "inbound_numbers": ["+2"]},
        ]})
    );
    let answer =
        post_json(&router, "/twirp/livekit.SIP/DeleteSIPTrunk", &sip_admin(), json!({"sipTrunkId": "ST_a"})).await;
    assert_eq!(answer.json(), json!({"sip_trunk_id": "ST_a"}));
}

#[tokio::test]
async fn rules_are_created_in_the_new_style_and_the_old_one() {
    let path = "/twirp/livekit.SIP/CreateSIPDispatchRule";
    let fields = json!({"rule": {"dispatch_rule_individual": {"room_prefix": "call-"}}, "name": "n",
        "trunk_ids": ["ST_a"], "attributes": {"aB": "c"}, "room_config": {"agents": [{"agent_name": "trunkline.greeter"}]}});
    for body in [json!({"dispatch_rule": fields}), fields.clone()] {
        let (router, fake) = echo().serve();
        let answer = post_json(&router, path, &sip_admin(), body).await;
        assert_eq!(answer.json(), fields);
        let asked = fake.asked.lock().unwrap();
        let [Command::CreateRule(rule)] = asked.as_slice() else { panic!("{asked:?}") };
        assert!(matches!(&rule.rule, Some(Rule::Individual { room_prefix, .. }) if room_prefix == "call-"));
        assert_eq!(rule.room_config.as_ref().unwrap().agents[0].agent_name, "trunkline.greeter");
    }
}

#[tokio::test]
async fn rooms_and_participants() {
    let (router, fake) = echo().serve();
    let service = "/twirp/livekit.RoomService";
    let answer = post_json(&router, &format!("{service}/CreateRoom"), &rooms(), json!({"name": "lobby"})).await;
    let codecs = ["video/VP8", "video/H264", "audio/opus"].map(|mime| json!({"mime": mime}));
    assert_eq!(
        answer.json(),
        json!({"name": "lobby", "creation_time": "1", "creation_time_ms": "1999", "enabled_codecs": codecs})
    );

    let request = proto::UpdateParticipantRequest {
        room: "lobby".into(),
        identity: "sip_+1".into(),
        attributes: [("five9.routeReason".into(), "billing".into())].into(),
        ..Default::default()
    };
    let path = format!("{service}/UpdateParticipant");
    let answer = post(&router, &path, &room_admin("lobby"), "application/protobuf", request.encode_to_vec()).await;
    let participant = proto::ParticipantInfo::decode(answer.body.as_slice()).unwrap();
    assert_eq!(participant.kind(), proto::participant_info::Kind::Sip);
    assert_eq!(participant.attributes["five9.routeReason"], "billing");

    let answer = post(&router, &format!("{service}/DeleteRoom"), &rooms(), "application/protobuf", "").await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    let body = json!({"room": "lobby", "identity": "sip_+1"});
    let answer = post_json(&router, &format!("{service}/RemoveParticipant"), &room_admin("lobby"), body).await;
    assert_eq!(answer.text(), "{}");
    let asked = fake.asked.lock().unwrap();
    assert!(
        matches!(&asked[3], Command::RemoveParticipant { room, identity } if room == "lobby" && identity == "sip_+1")
    );
}

#[tokio::test]
async fn options_are_read_and_written_whole() {
    let (router, fake) = echo().serve();
    let path = "/twirp/trunkline.Options/SetOptions";
    let body = json!({"trunk_id": "ST_a", "options": {"answer_policy": "immediate"}});
    let answer = post_json(&router, path, &sip_admin(), body).await.json();
    assert_eq!((&answer["trunk_id"], &answer["options"]["answer_policy"]), (&json!("ST_a"), &json!("immediate")));
    {
        let asked = fake.asked.lock().unwrap();
        let [Command::SetOptions(OptionsKey::Trunk(_), options)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(options.answer_policy, Some(AnswerPolicy::Immediate));
    }
    let unknown = post_json(&router, path, &sip_admin(), json!({"rule_id": "SDR_a", "options": {"drainms": 1}})).await;
    assert_eq!((unknown.status, unknown.text().contains("drain_ms")), (StatusCode::BAD_REQUEST, true));
    let neither = post_json(&router, "/twirp/trunkline.Options/GetOptions", &sip_admin(), json!({})).await;
    assert_eq!(neither.status, StatusCode::BAD_REQUEST);
    let protobuf = post(&router, path, &sip_admin(), "application/protobuf", "").await;
    assert_eq!(protobuf.json()["code"], "bad_route");
}

#[tokio::test]
async fn running_calls_are_merged_with_stored_ones() {
    let mut fake = echo();
    fake.stored = vec![call_record("SCL_b", 20, true), call_record("SCL_a", 10, true)];
    fake.ladder = vec![LadderEntry {
        at_us: 1,
        sent: true,
        transport: "UDP".into(),
        remote: "192.0.2.1:5060".into(),
        start_line: "SIP/2.0 180 Ringing".into(),
        text: String::new(),
    }];
    let (router, _) = fake.serve();
    let calls = async |method: &str, body| {
        post_json(&router, &format!("/twirp/trunkline.Calls/{method}"), &sip_admin(), body).await
    };

    let all = calls("ListCalls", json!({})).await.json();
    let seen: Vec<_> =
        all["calls"].as_array().unwrap().iter().map(|call| (call["call_id"].clone(), call["status"].clone())).collect();
    assert_eq!(
        seen,
        [("SCL_live", "active"), ("SCL_b", "hangup"), ("SCL_a", "hangup")]
            .map(|(id, status)| (json!(id), json!(status)))
    );
    let page = calls("ListCalls", json!({"limit": 1, "before_ms": 30})).await.json();
    assert_eq!(page["calls"][0]["call_id"], "SCL_b");
    assert_eq!(page["calls"].as_array().unwrap().len(), 1);

    let live = calls("GetCall", json!({"call_id": "SCL_live"})).await.json();
    assert_eq!(live["call"]["attributes"]["five9.routeReason"], "billing");
    assert_eq!(calls("GetCall", json!({"call_id": "SCL_b"})).await.json()["call"]["status"], "hangup");
    assert_eq!(calls("GetCall", json!({"call_id": "SCL_none"})).await.json()["code"], "not_found");
    assert_eq!(calls("GetCall", json!({})).await.json()["code"], "invalid_argument");
    let ladder = calls("GetLadder", json!({"call_id": "SCL_b"})).await.json();
    assert_eq!(ladder["entries"][0]["start_line"], "SIP/2.0 180 Ringing");
    let explained = calls("Explain", json!({"from": "+1", "to": "+2", "source": "192.0.2.1"})).await.json();
    assert_eq!(explained["msg"], "+1 calls +2 from 192.0.2.1");
}

#[tokio::test]
async fn tracks_subscriptions_data_and_rpc() {
    let (router, fake) = Fake::new(|command| {
        Ok(match command.clone() {
            Command::MutePublishedTrack { track, muted, .. } => {
                Reply::Track(Box::new(TrackInfo { sid: track, muted, ..TrackInfo::default() }))
            }
            Command::UpdateSubscriptions { .. } | Command::SendData { .. } => Reply::Done,
            Command::PerformRpc { payload, .. } => Reply::Rpc(payload.to_uppercase()),
            other => panic!("not expected: {other:?}"),
        })
    })
    .serve();
    let call = async |method: &str, body| {
        post_json(&router, &format!("/twirp/livekit.RoomService/{method}"), &room_admin("lobby"), body).await.json()
    };

    let body = json!({"room": "lobby", "identity": "alice", "track_sid": "TR_a", "muted": true});
    let track = call("MutePublishedTrack", body).await["track"].clone();
    assert_eq!(
        (&track["sid"], &track["muted"], &track["source"]),
        (&json!("TR_a"), &json!(true), &json!("MICROPHONE"))
    );
    let body = json!({"room": "lobby", "identity": "alice", "track_sids": ["TR_a"], "subscribe": true,
        "participant_tracks": [{"participant_sid": "PA_b", "track_sids": ["TR_b"]}]});
    assert_eq!(call("UpdateSubscriptions", body).await, json!({}));
    let body = json!({"room": "lobby", "data": "aGVsbG8=", "kind": "LOSSY", "topic": "chat", "nonce": "AQ==",
        "destination_identities": ["alice"], "destination_sids": ["PA_b"]});
    assert_eq!(call("SendData", body).await, json!({}));
    let body = json!({"room": "lobby", "destination_identity": "alice", "method": "greet", "payload": "hi",
        "response_timeout_ms": 5});
    assert_eq!(call("PerformRpc", body).await, json!({"payload": "HI"}));
    let refused = call("SendData", json!({"room": "lobby", "kind": 7})).await;
    assert_eq!(refused["code"], "invalid_argument");

    let asked = fake.asked.lock().unwrap();
    let [_, Command::UpdateSubscriptions { tracks, subscribe: true, .. }, Command::SendData { .. }, rpc] =
        asked.as_slice()
    else {
        panic!("{asked:?}")
    };
    assert_eq!(*tracks, ["TR_a".into(), "TR_b".into()]);
    let Command::SendData { reliable, packet, destinations, destination_sids, .. } = &asked[2] else { panic!() };
    assert_eq!((*reliable, destinations.as_slice()), (false, ["alice".to_owned()].as_slice()));
    assert_eq!(*destination_sids, ["PA_b".into()]);
    let packet = proto::DataPacket::decode(packet.clone()).unwrap();
    let Some(proto::data_packet::Value::User(user)) = packet.value else { panic!() };
    assert_eq!((user.payload.as_slice(), user.topic.as_deref(), user.nonce), (&b"hello"[..], Some("chat"), vec![1]));
    assert!(packet.destination_identities.is_empty() && packet.participant_identity.is_empty());
    assert!(matches!(rpc, Command::PerformRpc { identity, method, response_timeout_ms: 5, .. }
        if identity == "alice" && method == "greet"));
}
