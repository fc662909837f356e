//! Webhooks against a receiver on a real socket.

mod fake;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use fake::{NOW, call_record, keys};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, sync::mpsc};
use trunkline_api::{WebhookConfig, WebhookError, Webhooks, token};
use trunkline_exchange::port::Webhook;
use trunkline_room::{Kind, ParticipantInfo, RoomInfo, TrackInfo, worker::Job};

type Seen = (HeaderMap, Bytes);

struct Receiver {
    url: String,
    seen: mpsc::Receiver<Seen>,
}

impl Receiver {
    /// A receiver that answers the given statuses, then 200.
    async fn start(statuses: &[u16]) -> Self {
        let (tell, seen) = mpsc::channel(64);
        let statuses = Arc::new(Mutex::new(statuses.iter().copied().collect::<VecDeque<_>>()));
        let app = Router::new().route("/hook", post(hook)).with_state((tell, statuses));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { url, seen }
    }
}

type Receiving = (mpsc::Sender<Seen>, Arc<Mutex<VecDeque<u16>>>);

async fn hook(State((tell, statuses)): State<Receiving>, headers: HeaderMap, body: Bytes) -> StatusCode {
    tell.send((headers, body)).await.unwrap();
    StatusCode::from_u16(statuses.lock().unwrap().pop_front().unwrap_or(200)).unwrap()
}

fn webhooks(urls: Vec<String>) -> Webhooks {
    let config = WebhookConfig { api_key: "devkey".into(), urls };
    Webhooks::start(config, &keys(), Arc::new(|| NOW)).unwrap()
}

fn event(event: &'static str, room: &str, number: i64) -> Webhook {
    Webhook {
        event,
        at: NOW,
        room: Some(RoomInfo { name: room.into(), creation_time_ms: number, ..RoomInfo::default() }),
        participant: None,
        track: None,
        call: None,
        job: None,
    }
}

#[tokio::test]
async fn an_agents_job_is_told_as_livekit_tells_it() {
    let mut receiver = Receiver::start(&[]).await;
    let webhooks = webhooks(vec![receiver.url.clone()]);
    let job = Job { id: "AJ_a".into(), agent_name: "receptionist".into(), ..Job::default() };
    webhooks.notify(Webhook { job: Some(Box::new(job)), ..event("agent_job_started", "lobby", 1) });
    let (_, body) = receiver.seen.recv().await.unwrap();
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&event["event"], &event["room"]["name"]), (&json!("agent_job_started"), &json!("lobby")));
    assert_eq!((&event["job"]["id"], &event["job"]["agentName"]), (&json!("AJ_a"), &json!("receptionist")));
    webhooks.close(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_webhook_is_signed_over_its_body() {
    let mut receiver = Receiver::start(&[]).await;
    let webhooks = webhooks(vec![receiver.url.clone()]);
    webhooks.notify(Webhook {
        participant: Some(ParticipantInfo {
            identity: "sip_+1".into(),
            kind: Kind::Sip,
            attributes: [("sip.callID".to_owned(), "SCL_a".to_owned())].into(),
            ..ParticipantInfo::default()
        }),
        call: Some(call_record("SCL_a", 5, true)),
        ..event("sip_call_ended", "lobby", 1_500)
    });
    let (headers, body) = receiver.seen.recv().await.unwrap();
    assert_eq!(headers[header::CONTENT_TYPE], "application/webhook+json");
    let token = headers[header::AUTHORIZATION].to_str().unwrap();
    let claims = token::verify(token, &keys(), NOW).unwrap();
    assert_eq!(claims.sha256, STANDARD.encode(Sha256::digest(&body)));

    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(event["event"], "sip_call_ended");
    assert!(event["id"].as_str().unwrap().starts_with("EV_"));
    assert_eq!(event["createdAt"], "1700000000");
    assert_eq!(event["room"]["creationTimeMs"], "1500");
    assert_eq!(event["participant"]["attributes"]["sip.callID"], "SCL_a");
    assert_eq!(event["participant"]["kind"], "SIP");
    assert_eq!(event["call"]["call_id"], "SCL_a");
    webhooks.close(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_tracks_event_names_room_and_participant() {
    let mut receiver = Receiver::start(&[]).await;
    let webhooks = webhooks(vec![receiver.url.clone()]);
    let participant = ParticipantInfo {
        sid: "PA_a".into(),
        identity: "alice".into(),
        name: "Alice".into(),
        ..ParticipantInfo::default()
    };
    webhooks.notify(Webhook {
        participant: Some(participant),
        track: Some(TrackInfo { sid: "TR_AMa".into(), mime_type: "audio/opus".into(), ..TrackInfo::default() }),
        ..event("track_published", "lobby", 1_500)
    });
    let (_, body) = receiver.seen.recv().await.unwrap();
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(event["participant"], serde_json::json!({"sid": "PA_a", "identity": "alice"}));
    assert_eq!(event["room"], serde_json::json!({"name": "lobby"}));
    assert_eq!((&event["track"]["sid"], &event["track"]["mimeType"]), (&"TR_AMa".into(), &"audio/opus".into()));
    webhooks.close(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_rooms_events_stay_in_order_through_retries() {
    let mut receiver = Receiver::start(&[503, 500]).await;
    let webhooks = webhooks(vec![receiver.url.clone()]);
    for number in 0..20 {
        webhooks.notify(event("participant_joined", "lobby", number));
    }
    let mut seen = Vec::new();
    while seen.len() < 22 {
        let (_, body) = receiver.seen.recv().await.unwrap();
        let event: Value = serde_json::from_slice(&body).unwrap();
        let number: i64 = event["room"]["creationTimeMs"].as_str().unwrap_or("0").parse().unwrap();
        seen.push((event["id"].as_str().unwrap().to_owned(), number));
    }
    let numbers: Vec<i64> = seen.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [0, 0].into_iter().chain(0..20).collect::<Vec<_>>());
    assert!(seen[0].0 == seen[1].0 && seen[1].0 == seen[2].0 && seen[2].0 != seen[3].0);
    webhooks.close(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn every_url_gets_every_event_and_a_refusal_is_final() {
    let mut refusing = Receiver::start(&[400]).await;
    let mut taking = Receiver::start(&[]).await;
    let webhooks = webhooks(vec![refusing.url.clone(), taking.url.clone()]);
    webhooks.notify(event("room_started", "a", 1));
    webhooks.notify(event("room_finished", "a", 2));
    for receiver in [&mut refusing, &mut taking] {
        for wanted in ["room_started", "room_finished"] {
            let (_, body) = receiver.seen.recv().await.unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["event"], wanted);
        }
    }
    webhooks.close(Duration::from_secs(60)).await;
    assert!(refusing.seen.is_empty() && taking.seen.is_empty());
}

#[tokio::test]
async fn a_full_lane_drops_and_counts() {
    // Nobody reads from this listener, and on this single-threaded runtime no lane runs before an await.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let webhooks = webhooks(vec![format!("http://{}/", listener.local_addr().unwrap())]);
    for number in 0..513 {
        webhooks.notify(event("room_started", "a", number));
    }
    assert_eq!(webhooks.counts().dropped, 1);
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_at_the_start() {
    let start = |api_key: &str, url: &str| {
        let config = WebhookConfig { api_key: api_key.into(), urls: vec![url.into()] };
        Webhooks::start(config, &keys(), Arc::new(|| NOW)).err()
    };
    assert_eq!(start("other", "http://localhost/"), Some(WebhookError::UnknownKey("other".into())));
    for url in ["localhost", "ftp://localhost/", ""] {
        assert_eq!(start("devkey", url), Some(WebhookError::Url(url.into())));
    }
}
