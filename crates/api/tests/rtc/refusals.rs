//! Who may not join hears why, and `validate` says the same.

use crate::{
    client::{Client, Server, alice, claims, refusing, v1, welcoming, wrapped},
    fake::{Fake, NOW, get, send, token},
};
use axum::{
    body::Body,
    http::{Request, header},
};
use livekit_protocol as proto;
use std::time::Duration;
use trunkline_api::{Claims, mint, token::VideoGrant};
use trunkline_exchange::command::{Code, Command, Reply};
use trunkline_room::RoomInfo;

/// The status and the text of an attempt, which must be the same for `validate`.
async fn refused(path: &str, token: &str) -> (u16, String) {
    let server = Server::start(Fake::silent()).await;
    let response = Client::open(&server, path, token).await.err().unwrap_or_else(|| panic!("{path} was not refused"));
    assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let status = response.status().as_u16();
    let text = String::from_utf8(response.into_body().unwrap_or_default()).unwrap();

    let (route, query) = path.split_once('?').unwrap_or((path, ""));
    let (router, _) = Fake::silent().serve();
    let mut request = Request::get(format!("{route}/validate?{query}"));
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let validated = send(&router, request.body(Body::empty()).unwrap()).await;
    assert_eq!((validated.status.as_u16(), validated.text()), (status, text.as_str()));
    assert_eq!(validated.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    (status, text)
}

fn video(change: impl FnOnce(&mut VideoGrant)) -> String {
    let mut claims = claims();
    change(&mut claims.video);
    token(&claims)
}

#[tokio::test]
async fn the_table_of_refusals() {
    let long = "x".repeat(257);
    let expired = {
        let early = trunkline_types::Time::new(0, NOW.unix_nanos() - 3_600_000_000_000);
        mint("devkey", "secret", &claims(), Duration::from_secs(60), early).unwrap()
    };
    let join_request = wrapped(0, Vec::new());
    // {"a": "b"}
    let attributes = "/rtc?attributes=eyJhIjogImIifQ";
    let table = [
        ("/rtc", String::new(), 401, "no token"),
        ("/rtc", "rubbish".into(), 401, "not a JSON Web Token"),
        ("/rtc", expired, 401, "expired"),
        ("/rtc", video(|video| video.room_join = false), 401, "video.roomJoin"),
        ("/rtc?access_token=rubbish", String::new(), 401, "not a JSON Web Token"),
        ("/rtc", token(&Claims { identity: String::new(), ..claims() }), 400, "identity cannot be empty"),
        ("/rtc", token(&Claims { identity: long.clone(), ..claims() }), 400, "identity exceeds"),
        ("/rtc", token(&Claims { name: long.clone(), ..claims() }), 400, "participant name exceeds"),
        ("/rtc", video(|video| video.room = String::new()), 400, "no room name"),
        ("/rtc", video(|video| video.room = long.clone()), 400, "room name exceeds"),
        ("/rtc?publish=screen", video(|video| video.can_publish = Some(false)), 401, "video.canPublish"),
        (attributes, alice(), 401, "video.canUpdateOwnMetadata"),
        ("/rtc?attributes=!", alice(), 400, "attributes"),
        ("/rtc", token(&Claims { room_config: Some(serde_json::json!(7)), ..claims() }), 401, "roomConfig"),
        ("/rtc/v1", String::new(), 401, "no token"),
        ("/rtc/v1", alice(), 400, "join_request is required"),
        ("/rtc/v1?join_request=%21", alice(), 400, "join_request is not base64url"),
        (join_request.as_str(), token(&Claims { identity: String::new(), ..claims() }), 400, "identity"),
    ];
    for (path, token, status, text) in table {
        let (got, said) = refused(path, &token).await;
        assert_eq!(got, status, "{path}: {said}");
        assert!(said.contains(text), "{path}: {said:?} does not say {text:?}");
    }
}

#[tokio::test]
async fn what_the_exchange_refuses_has_livekits_status() {
    for (code, status, text) in [
        (Code::NotFound, 404, "requested room does not exist"),
        (Code::PermissionDenied, 401, "because"),
        (Code::InvalidArgument, 400, "because"),
        (Code::ResourceExhausted, 503, "because"),
        (Code::Unavailable, 503, "because"),
        (Code::Internal, 500, "because"),
    ] {
        let server = Server::start(refusing(code, "because")).await;
        let response = Client::open(&server, "/rtc", &alice()).await.err().unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(response.body().as_deref(), Some(text.as_bytes()));
    }
}

#[tokio::test]
async fn without_a_websocket_there_is_nothing() {
    let (router, _) = Fake::silent().serve();
    for path in ["/rtc", "/rtc/v1", "/rtc?access_token=x"] {
        assert_eq!(get(&router, path).await.status.as_u16(), 404);
    }
    let posted = send(&router, Request::post("/rtc").body(Body::empty()).unwrap()).await;
    assert_eq!(posted.status.as_u16(), 404);
}

#[tokio::test]
async fn validate_says_success() {
    let (router, _) = Fake::silent().serve();
    let join_request = v1(&proto::JoinRequest::default()).replace("/rtc/v1", "/rtc/v1/validate");
    for path in [format!("/rtc/validate?access_token={}", alice()), format!("{join_request}&access_token={}", alice())]
    {
        let answer = get(&router, &path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "success"));
    }
}

#[tokio::test]
async fn validate_knows_rooms_where_joins_create_none() {
    let path = format!("/rtc/validate?access_token={}", alice());
    for (rooms, status, text) in
        [(vec![RoomInfo::default()], 200, "success"), (Vec::new(), 404, "requested room does not exist")]
    {
        let mut fake = Fake::new(move |command| {
            assert!(matches!(command, Command::ListRooms(names) if *names == ["lobby"]));
            Ok(Reply::Rooms(rooms.clone()))
        });
        fake.auto_create = false;
        let answer = get(&fake.serve().0, &path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, text));
    }
}

#[tokio::test]
async fn a_double_slash_in_front_is_one() {
    let server = Server::start(welcoming()).await;
    assert!(Client::open(&server, "//rtc?protocol=1", &alice()).await.is_ok());
}
