//! The HTTP server from outside: routes, tokens, limits, errors, CORS.

mod fake;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use fake::{BODY_LIMIT, Fake, get, post, post_json, room_admin, rooms, send, sip_admin, token};
use serde_json::json;
use trunkline_api::{Claims, token::VideoGrant};
use trunkline_exchange::command::{ApiError, Code, Gauges, Reply};

const LIST_ROOMS: &str = "/twirp/livekit.RoomService/ListRooms";

#[tokio::test]
async fn health_needs_no_token() {
    let (router, _) = Fake::silent().serve();
    assert_eq!(get(&router, "/").await.text(), "OK");
    let head = send(&router, Request::head("/").body(Body::empty()).unwrap()).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(get(&router, "/healthz").await.text(), "OK");

    let (router, _) = Fake { ready: false, ..Fake::silent() }.serve();
    assert_eq!(get(&router, "/healthz").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn who_has_no_room_for_another_call_is_well_but_not_ready() {
    let gauges = |media_full| Ok(Reply::Gauges(Box::new(Gauges { media_full, ..Gauges::default() })));
    let (router, _) = Fake::new(move |_| gauges(false)).serve();
    assert_eq!(get(&router, "/readyz").await.text(), "OK");

    let (full, _) = Fake::new(move |_| gauges(true)).serve();
    let (draining, _) = Fake { ready: false, ..Fake::new(move |_| gauges(false)) }.serve();
    let (mute, _) = Fake::new(|_| Err(ApiError::new(Code::Unavailable, "it is stopping"))).serve();
    for (router, why) in [(&full, "FULL"), (&draining, "DRAINING"), (&mute, "NO ANSWER")] {
        let page = get(router, "/readyz").await;
        assert_eq!((page.status, page.text()), (StatusCode::SERVICE_UNAVAILABLE, why));
        assert_eq!(page.headers[header::RETRY_AFTER], "10");
    }
    assert_eq!(get(&full, "/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_plain_text() {
    let (router, _) =
        Fake::new(|_| Ok(Reply::Gauges(Box::new(Gauges { calls_active: 2, ..Gauges::default() })))).serve();
    let page = get(&router, "/metrics").await;
    assert_eq!(page.headers[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    assert!(page.text().contains("livekit_sip_calls_active{node_id=\"NE_test\",dir=\"in\"} 2\n"));
    assert!(page.text().contains("# TYPE trunkline_sip_received_total counter\n"));
    assert!(page.text().contains("trunkline_sip_received_total{node_id=\"NE_test\"} 7\n"));
}

#[tokio::test]
async fn without_the_right_grant_it_is_401() {
    let (router, _) = Fake::silent().serve();
    let nothing = token(&Claims::default());
    for (path, given, missing) in [
        (LIST_ROOMS, "", "no token"),
        (LIST_ROOMS, nothing.as_str(), "video.roomList"),
        ("/twirp/livekit.RoomService/CreateRoom", &nothing, "video.roomCreate"),
        ("/twirp/livekit.RoomService/DeleteRoom", &nothing, "video.roomCreate"),
        ("/twirp/livekit.RoomService/GetParticipant", &nothing, "video.roomAdmin"),
        ("/twirp/livekit.RoomService/UpdateParticipant", &room_admin("other"), "video.room"),
        ("/twirp/livekit.SIP/ListSIPTrunk", &rooms(), "sip.admin"),
        ("/twirp/livekit.SIP/CreateSIPParticipant", &nothing, "sip.call"),
        ("/twirp/livekit.SIP/TransferSIPParticipant", &sip_admin(), "video.roomAdmin"),
        ("/twirp/livekit.RoomService/MoveParticipant", &room_admin("lobby"), "video.destinationRoom"),
        ("/twirp/livekit.RoomService/MoveParticipant", &room_admin("other"), "video.room"),
        ("/twirp/trunkline.Calls/Hold", &nothing, "sip.call"),
        ("/twirp/livekit.Egress/ListEgress", &nothing, "video.roomRecord"),
        ("/twirp/livekit.Ingress/CreateIngress", &nothing, "video.ingressAdmin"),
        ("/twirp/trunkline.Options/GetOptions", &nothing, "sip.admin"),
        ("/twirp/trunkline.Calls/ListCalls", &nothing, "sip.admin"),
    ] {
        let answer =
            post_json(&router, path, given, json!({"room": "lobby", "room_name": "lobby", "destination_room": "bar"}))
                .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        let error = answer.json();
        assert_eq!(error["code"], "unauthenticated");
        let text = error["msg"].as_str().unwrap();
        assert!(text.starts_with("permissions denied") && text.contains(missing), "{path}: {text}");
    }
}

#[tokio::test]
async fn bad_tokens_are_401_and_say_why() {
    let (router, _) = Fake::silent().serve();
    let stranger =
        trunkline_api::mint("other", "secret", &Claims::default(), std::time::Duration::from_secs(9), fake::NOW)
            .unwrap();
    for (header, text) in [
        (format!("Bearer {stranger}"), "API key"),
        ("Bearer nonsense".to_owned(), "invalid token"),
        (format!("Basic {}", rooms()), "Authorization"),
    ] {
        let request = Request::post(LIST_ROOMS)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, header)
            .body(Body::empty())
            .unwrap();
        let answer = send(&router, request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.json()["msg"].as_str().unwrap().contains(text), "{}", answer.text());
    }
}

#[tokio::test]
async fn the_token_may_stand_in_the_query() {
    let (router, _) = Fake::new(|_| Ok(Reply::Rooms(Vec::new()))).serve();
    let path = format!("{LIST_ROOMS}?x=1&access_token={}", rooms());
    assert_eq!(post_json(&router, &path, "", json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn unknown_methods_are_bad_route() {
    let (router, _) = Fake::silent().serve();
    for path in [
        "/twirp/livekit.SIP/CreateSIPTrunk",
        "/twirp/livekit.RoomService/Nope",
        "/twirp/livekit.Nope/ListRooms",
        "/twirp/trunkline.Calls/Nope",
        "/twirp/livekit.Egress/Nope",
        "/twirp/one",
        "/twirp/a/b/c",
    ] {
        let answer = post_json(&router, path, &sip_admin(), json!({})).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str().unwrap()),
            (StatusCode::NOT_FOUND, "bad_route"),
            "{path}"
        );
    }
    let answer = post(&router, LIST_ROOMS, &rooms(), "text/plain", "{}").await;
    assert_eq!(answer.json()["code"], "bad_route");
    assert_eq!(get(&router, LIST_ROOMS).await.json()["code"], "bad_route");
    assert_eq!(get(&router, "/nowhere").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn methods_of_later_releases_are_unimplemented() {
    let (router, _) = Fake::silent().serve();
    let video =
        VideoGrant { room_admin: true, room: "lobby".into(), destination_room: "bar".into(), ..VideoGrant::default() };
    let mover = token(&Claims { video, ..Claims::default() });
    let body = json!({"room": "lobby", "destination_room": "bar"});
    let answer = post_json(&router, "/twirp/livekit.RoomService/ForwardParticipant", &mover, body).await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str().unwrap()),
        (StatusCode::NOT_IMPLEMENTED, "unimplemented")
    );
    let video = VideoGrant { room_record: true, ingress_admin: true, ..VideoGrant::default() };
    let recorder = token(&Claims { video, ..Claims::default() });
    for path in ["/twirp/livekit.Egress/ListEgress", "/twirp/livekit.Ingress/ListIngress"] {
        let answer = post_json(&router, path, &recorder, json!({})).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "{}"));
    }
}

#[tokio::test]
async fn a_body_at_the_limit_passes_and_one_beyond_is_413() {
    let (router, _) = Fake::new(|_| Ok(Reply::Rooms(Vec::new()))).serve();
    let padded = |size: usize| format!("{{}}{}", " ".repeat(size - 2));
    let at = post(&router, LIST_ROOMS, &rooms(), "application/json", padded(BODY_LIMIT)).await;
    assert_eq!(at.status, StatusCode::OK);
    let beyond = post(&router, LIST_ROOMS, &rooms(), "application/json", padded(BODY_LIMIT + 1)).await;
    assert_eq!(beyond.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(beyond.json()["msg"].as_str().unwrap().contains("4096"));
    assert_eq!(beyond.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
}

#[tokio::test]
async fn bodies_that_are_not_the_message_are_refused() {
    let (router, _) = Fake::silent().serve();
    for (kind, body, code) in [
        ("application/json", "{", "malformed"),
        ("application/json", "{} {}", "malformed"),
        ("application/json", "[]", "invalid_argument"),
        ("application/json", r#"{"names": ["a", 5]}"#, "invalid_argument"),
        ("application/protobuf", "\u{7f}\u{7f}", "malformed"),
    ] {
        let answer = post(&router, LIST_ROOMS, &rooms(), kind, body).await;
        assert_eq!((answer.status, answer.json()["code"].as_str().unwrap()), (StatusCode::BAD_REQUEST, code), "{body}");
    }
    let answer = post_json(&router, LIST_ROOMS, &rooms(), json!({"names": ["a", 5]})).await;
    assert_eq!(answer.json()["meta"]["argument"], "names[1]");
}

#[tokio::test]
async fn errors_of_the_exchange_keep_their_code_and_text() {
    for (code, name, status) in [
        (Code::InvalidArgument, "invalid_argument", 400),
        (Code::NotFound, "not_found", 404),
        (Code::AlreadyExists, "already_exists", 409),
        (Code::FailedPrecondition, "failed_precondition", 412),
        (Code::ResourceExhausted, "resource_exhausted", 429),
        (Code::Unimplemented, "unimplemented", 501),
        (Code::Unavailable, "unavailable", 503),
        (Code::Internal, "internal", 500),
    ] {
        let (router, _) = Fake::new(move |_| Err(ApiError::new(code, "because"))).serve();
        let answer = post_json(&router, LIST_ROOMS, &rooms(), json!({})).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.json(), json!({"code": name, "msg": "because", "meta": {}}));
        assert_eq!(answer.headers[header::ACCESS_CONTROL_EXPOSE_HEADERS], "*");
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    }
}

#[tokio::test]
async fn leading_slashes_are_one() {
    let (router, _) = Fake::new(|_| Ok(Reply::Rooms(Vec::new()))).serve();
    for path in ["//twirp/livekit.RoomService/ListRooms", "///twirp/livekit.RoomService/ListRooms"] {
        assert_eq!(post_json(&router, path, &rooms(), json!({})).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn preflights_allow_what_is_asked() {
    let (router, _) = Fake::silent().serve();
    let request = Request::options(LIST_ROOMS)
        .header(header::ORIGIN, "https://example.com")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type")
        .body(Body::empty())
        .unwrap();
    let answer = send(&router, request).await;
    assert!(answer.status.is_success());
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization,content-type");
    assert_eq!(answer.headers[header::ACCESS_CONTROL_MAX_AGE], "86400");
    assert!(answer.headers[header::ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().contains("POST"));
}

#[tokio::test]
async fn every_answer_has_cors_headers() {
    let (router, _) = Fake::silent().serve();
    for path in ["/", "/nowhere", "/twirp/a/b", LIST_ROOMS] {
        let answer = get(&router, path).await;
        assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*", "{path}");
    }
}
