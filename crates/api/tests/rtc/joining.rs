//! What clients state when they join, and what becomes of it.

use crate::{
    client::{Client, Server, alice, claims, join_response, v1, welcoming, wrapped},
    fake::{self, Signalled},
};
use livekit_protocol as proto;
use prost::Message;
use trunkline_api::Claims;
use trunkline_exchange::command::Code;
use trunkline_room::{
    Kind, Source,
    signal::{Description, Transports},
    worker::AgentRequest,
};

/// A join request as large as Python's: the offer has many lines.
fn join_request() -> proto::JoinRequest {
    let lines = (0..600).map(|number| format!("a=candidate:{number} 1 udp {}\r\n", number * 7_919));
    proto::JoinRequest {
        client_info: Some(proto::ClientInfo {
            protocol: 17,
            client_protocol: 2,
            capabilities: vec![1, 2],
            ..Default::default()
        }),
        connection_settings: Some(proto::ConnectionSettings { auto_subscribe: true, ..Default::default() }),
        add_track_requests: vec![proto::AddTrackRequest { cid: "c".into(), source: 2, ..Default::default() }],
        publisher_offer: Some(proto::SessionDescription {
            r#type: "offer".into(),
            sdp: lines.collect(),
            id: 3,
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn over_v1_compressed_and_plain() {
    let server = Server::start(welcoming()).await;
    let request = join_request();
    let plain = wrapped(0, request.encode_to_vec());
    assert!(plain.len() > 20_000, "a long request line is the point: {}", plain.len());
    for path in [v1(&request), plain] {
        let _client = Client::open(&server, &path, &alice()).await.unwrap();
        let (_, connect) = server.last_connect();
        assert_eq!((connect.room.as_str(), connect.join.identity.as_str()), ("lobby", "alice"));
        assert_eq!((connect.transports, connect.auto_subscribe), (Transports::Single, true));
        let offer = Description { sdp: request.publisher_offer.as_ref().unwrap().sdp.clone(), id: 3 };
        assert_eq!(connect.offer, Some(offer));
        assert_eq!(connect.add_tracks[0].track.source, Source::Microphone);
        assert_eq!((connect.join.protocol, connect.join.client_protocol), (17, 2));
        assert_eq!((connect.join.capabilities, connect.resume), (vec![1, 2], None));
    }
}

#[tokio::test]
async fn over_v0_with_the_token_in_the_query() {
    let server = Server::start(welcoming()).await;
    let path = format!("/rtc?access_token={}&auto_subscribe=0&protocol=9&reconnect=1&sid=PA_a", alice());
    let _client = Client::open(&server, &path, "").await.unwrap();
    let (_, connect) = server.last_connect();
    assert_eq!((connect.transports, connect.auto_subscribe), (Transports::Dual, false));
    assert_eq!((connect.join.protocol, connect.resume), (9, Some("PA_a".into())));
}

#[tokio::test]
async fn a_session_is_resumed_over_v1() {
    let server = Server::start(welcoming()).await;
    let track = Some(proto::TrackInfo { sid: "TR_a".into(), ..Default::default() });
    let request = proto::JoinRequest {
        reconnect: true,
        participant_sid: "PA_a".into(),
        sync_state: Some(proto::SyncState {
            publish_tracks: vec![proto::TrackPublishedResponse { cid: "c".into(), track }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let _client = Client::open(&server, &v1(&request), &alice()).await.unwrap();
    let (_, connect) = server.last_connect();
    assert_eq!((connect.resume, connect.sync.unwrap().published), (Some("PA_a".into()), vec!["TR_a".into()]));
}

#[tokio::test]
async fn the_token_says_who_joins() {
    let server = Server::start(welcoming()).await;
    let mut given = Claims {
        name: "Alice".into(),
        kind: "agent".into(),
        metadata: "m".into(),
        attributes: [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())].into(),
        room_config: Some(serde_json::json!({
            "emptyTimeout": 7, "departure_timeout": 8, "maxParticipants": 9, "metadata": "room",
            "agents": [{"agentName": "greeter", "metadata": "x"}], "egress": {"somethingNew": true},
        })),
        ..claims()
    };
    given.video.can_update_own_metadata = Some(true);
    given.video.can_publish_sources = vec!["camera".into()];
    given.video.hidden = true;
    // {"b": "3", "a": ""}
    let path = "/rtc?attributes=eyJiIjogIjMiLCAiYSI6ICIifQ";
    let _client = Client::open(&server, path, &fake::token(&given)).await.unwrap();
    let (_, connect) = server.last_connect();
    let join = connect.join;
    assert_eq!((join.name.as_str(), join.kind, join.metadata.as_str()), ("Alice", Kind::Agent, "m"));
    assert_eq!((join.attributes["a"].as_str(), join.attributes["b"].as_str()), ("1", "3"));
    assert_eq!((join.permission.can_publish_sources, join.permission.hidden), (0b10, true));
    let settings = connect.settings;
    assert_eq!((settings.empty_timeout, settings.departure_timeout, settings.max_participants), (7, 8, 9));
    assert_eq!((settings.metadata.as_str(), settings.agents), ("room", vec![AgentRequest::named("greeter", "x")]));
}

#[tokio::test]
async fn a_second_connection_publishes_alone() {
    let server = Server::start(welcoming()).await;
    let _client = Client::open(&server, "/rtc?publish=screen", &alice()).await.unwrap();
    let (_, connect) = server.last_connect();
    assert_eq!((connect.join.identity.as_str(), connect.auto_subscribe), ("alice#screen", false));
    assert!(!connect.join.permission.can_subscribe && connect.join.permission.can_publish);
}

#[tokio::test]
async fn what_the_exchange_says_before_its_reply_is_not_lost() {
    let signals = trunkline_api::Signals::default();
    let mut fake = fake::Fake::new({
        let signals = signals.clone();
        move |command| {
            let trunkline_exchange::command::Command::Connect(connection, _) = command else { panic!() };
            signals.send(*connection, Box::new(join_response()));
            Ok(trunkline_exchange::command::Reply::Done)
        }
    });
    fake.signals = signals;
    let server = Server::start(fake).await;
    let mut client = Client::open(&server, "/rtc", &alice()).await.unwrap();
    assert!(matches!(client.next().await, proto::signal_response::Message::Join(_)));
}

#[tokio::test]
async fn who_is_refused_by_the_exchange_is_forgotten() {
    let mut server = Server::start(crate::client::refusing(Code::Internal, "no")).await;
    assert!(Client::open(&server, "/rtc", &alice()).await.is_err());
    assert!(server.fake.signals.is_empty());
    assert!(server.heard.try_recv().is_err());
}

#[tokio::test]
async fn a_connection_that_goes_is_reported() {
    let mut server = Server::start(welcoming()).await;
    let (connection, mut client) = server.joined().await;
    client.close().await;
    assert_eq!(server.heard.recv().await, Some(Signalled::Closed(connection)));
    let (other, client) = server.joined().await;
    assert_ne!(connection, other);
    drop(client);
    assert_eq!(server.heard.recv().await, Some(Signalled::Closed(other)));
    server.fake.signals.closed().await;
}
