//! An open connection: frames, pings, tokens and how it ends.

use crate::{
    client::{Client, Server, alice, join_response, welcoming},
    fake::{NOW, Signalled, keys},
};
use livekit_protocol::{self as proto, request_response, signal_request, signal_response};
use tokio_tungstenite::tungstenite::Message;
use trunkline_api::token::verify;
use trunkline_room::{
    ParticipantInfo, ParticipantPatch, Permission, RoomInfo,
    signal::{LeaveAction, Request, Response},
};
use trunkline_types::DisconnectReason;

const NOW_MS: i64 = 1_700_000_000_000;

#[tokio::test]
async fn pings_are_answered_without_the_exchange() {
    let mut server = Server::start(welcoming()).await;
    let (_, mut client) = server.joined().await;
    client.send(signal_request::Message::Ping(5)).await;
    assert_eq!(client.next().await, signal_response::Message::Pong(NOW_MS));
    client.send(signal_request::Message::PingReq(proto::Ping { timestamp: 77, rtt: 1 })).await;
    let wanted = proto::Pong { last_ping_timestamp: 77, timestamp: NOW_MS };
    assert_eq!(client.next().await, signal_response::Message::PongResp(wanted));
    assert!(server.heard.try_recv().is_err());
}

#[tokio::test]
async fn what_a_client_says_reaches_the_exchange_in_order() {
    let mut server = Server::start(welcoming()).await;
    let (connection, mut client) = server.joined().await;
    let update = proto::UpdateParticipantMetadata { request_id: 9, name: "Al".into(), ..Default::default() };
    client.send(signal_request::Message::Trickle(Default::default())).await;
    client.send(signal_request::Message::UpdateMetadata(update)).await;
    // A field number that nobody has given a meaning yet.
    client.raw(Message::binary(vec![0xc2, 0x3e, 0x00])).await;
    client.send(signal_request::Message::Leave(Default::default())).await;
    let patch = ParticipantPatch { name: "Al".into(), ..ParticipantPatch::default() };
    for wanted in [Request::UpdateMetadata { request_id: 9, patch }, Request::Leave(DisconnectReason::ClientInitiated)]
    {
        assert_eq!(server.heard.recv().await, Some(Signalled::Said(connection, Box::new(wanted))));
    }
}

#[tokio::test]
async fn data_tracks_are_refused_with_their_request() {
    let server = Server::start(welcoming()).await;
    let (_, mut client) = server.joined().await;
    let request = proto::PublishDataTrackRequest { pub_handle: 3, ..Default::default() };
    client.send(signal_request::Message::PublishDataTrackRequest(request.clone())).await;
    let signal_response::Message::RequestResponse(answer) = client.next().await else { panic!() };
    assert_eq!(answer.reason(), request_response::Reason::NotAllowed);
    assert_eq!(answer.request, Some(request_response::Request::PublishDataTrack(request)));
}

#[tokio::test]
async fn who_speaks_json_is_answered_in_json() {
    let mut server = Server::start(welcoming()).await;
    let (connection, mut client) = server.joined().await;
    client.raw(Message::text(r#"{"pingReq": {"timestamp": "7"}}"#)).await;
    let Message::Text(text) = client.frame().await else { panic!() };
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["pongResp"]["lastPingTimestamp"], "7");

    client.raw(Message::text(r#"{"mute": {"sid": "TR_a", "muted": true}, "newer": 1}"#)).await;
    let wanted = Request::Mute { track: "TR_a".into(), muted: true };
    assert_eq!(server.heard.recv().await, Some(Signalled::Said(connection, Box::new(wanted))));
    server.say(connection, Response::TrackSubscribed("TR_a".into()));
    let Message::Text(text) = client.frame().await else { panic!() };
    assert_eq!(text.as_str(), r#"{"trackSubscribed":{"trackSid":"TR_a"}}"#);

    client.send(signal_request::Message::Ping(1)).await;
    assert_eq!(client.next().await, signal_response::Message::Pong(NOW_MS));
}

#[tokio::test]
async fn nothing_goes_before_the_first_message() {
    let server = Server::start(welcoming()).await;
    let mut client = Client::open(&server, "/rtc", &alice()).await.unwrap();
    let (connection, _) = server.last_connect();
    client.send(signal_request::Message::Ping(1)).await;
    server.say(connection, Response::RoomUpdate(RoomInfo::default()));
    server.say(connection, Response::RefreshToken(Box::default()));
    server.say(connection, join_response());
    assert!(matches!(client.next().await, signal_response::Message::Join(_)));
}

#[tokio::test]
async fn a_hang_up_comes_after_what_was_said() {
    let mut server = Server::start(welcoming()).await;
    let (connection, mut client) = server.joined().await;
    for number in 0..100 {
        server.say(connection, Response::MediaSections { audios: number, videos: 0 });
    }
    let reason = DisconnectReason::RoomDeleted;
    server.say(connection, Response::Leave { reason, action: LeaveAction::Disconnect });
    server.fake.signals.hang_up(connection);
    for number in 0..100 {
        let wanted = proto::MediaSectionsRequirement { num_audios: number, num_videos: 0 };
        assert_eq!(client.next().await, signal_response::Message::MediaSectionsRequirement(wanted));
    }
    let signal_response::Message::Leave(leave) = client.next().await else { panic!() };
    assert_eq!(leave.reason(), proto::DisconnectReason::RoomDeleted);
    assert_eq!(client.close_code().await, 1000);
    assert_eq!(server.heard.recv().await, Some(Signalled::Closed(connection)));
    drop(client);
    server.fake.signals.closed().await;
}

#[tokio::test]
async fn a_frame_without_a_message_ends_the_session() {
    let mut server = Server::start(welcoming()).await;
    for bad in [
        Message::binary(vec![0xff, 0xff]),
        Message::binary(vec![0x0a, 0x7f, 0x00]),
        Message::text("{"),
        Message::text("[]"),
        Message::text(r#"{"mute": 7}"#),
        Message::text("[".repeat(100_000)),
    ] {
        let (connection, mut client) = server.joined().await;
        client.raw(bad).await;
        assert_eq!(client.close_code().await, 1003);
        assert_eq!(server.heard.recv().await, Some(Signalled::Closed(connection)));
    }
}

#[tokio::test]
async fn frames_are_bounded() {
    const LIMIT: usize = 2 * 1024 * 1024;
    let mut server = Server::start(welcoming()).await;
    let (connection, mut client) = server.joined().await;
    // A field of unknown meaning that fills the frame to the last byte.
    let mut frame = vec![0xc2, 0x3e, 0xfb, 0xff, 0x7f];
    frame.resize(LIMIT, 0);
    client.raw(Message::binary(frame.clone())).await;
    client.send(signal_request::Message::Ping(1)).await;
    assert_eq!(client.next().await, signal_response::Message::Pong(NOW_MS));
    frame.push(0);
    client.raw(Message::binary(frame)).await;
    assert_eq!(server.heard.recv().await, Some(Signalled::Closed(connection)));
}

#[tokio::test]
async fn a_new_token_says_what_the_participant_has_become() {
    let server = Server::start(welcoming()).await;
    let (connection, mut client) = server.joined().await;
    let info = ParticipantInfo {
        identity: "alice".into(),
        name: "Alice".into(),
        attributes: [("a".to_owned(), "b".to_owned())].into(),
        permission: Permission { can_publish: false, ..Permission::default() },
        ..ParticipantInfo::default()
    };
    server.say(connection, Response::RefreshToken(Box::new(info)));
    let signal_response::Message::RefreshToken(token) = client.next().await else { panic!() };
    let claims = verify(&token, &keys(), NOW).unwrap();
    assert_eq!((claims.identity.as_str(), claims.name.as_str()), ("alice", "Alice"));
    assert_eq!((claims.attributes["a"].as_str(), claims.video.can_publish), ("b", Some(false)));
    assert!(claims.video.room_join && claims.video.room == "lobby");
    // And with it the client comes back.
    assert!(Client::open(&server, "/rtc", &token).await.is_ok());
}

#[tokio::test]
async fn who_does_not_read_is_dropped() {
    let mut server = Server::start(welcoming()).await;
    let (connection, _client) = server.joined().await;
    let metadata = "m".repeat(100_000);
    while !server.fake.signals.is_empty() {
        server.say(connection, Response::RoomUpdate(RoomInfo { metadata: metadata.clone(), ..RoomInfo::default() }));
        tokio::task::yield_now().await;
    }
    assert_eq!(server.heard.recv().await, Some(Signalled::Closed(connection)));
    server.fake.signals.closed().await;
}

#[tokio::test]
async fn silence_ends_a_session() {
    let mut server = Server::start(welcoming()).await;
    let (connection, _client) = server.joined().await;
    // From here on time passes as soon as there is nothing to do.
    tokio::time::pause();
    assert_eq!(server.heard.recv().await, Some(Signalled::Closed(connection)));
}

#[tokio::test]
async fn the_server_pings() {
    let server = Server::start(welcoming()).await;
    let (_, mut client) = server.joined().await;
    tokio::time::pause();
    assert!(matches!(client.any_frame().await, Message::Ping(_)));
}

#[tokio::test]
async fn when_the_exchange_takes_no_more_the_client_shall_try_again() {
    let mut fake = welcoming();
    fake.takes_signals = false;
    let mut server = Server::start(fake).await;
    let (connection, mut client) = server.joined().await;
    client.send(signal_request::Message::Leave(Default::default())).await;
    assert_eq!(client.close_code().await, 1013);
    assert_eq!(server.heard.recv().await, Some(Signalled::Closed(connection)));
}
