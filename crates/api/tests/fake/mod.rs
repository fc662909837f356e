//! A stand-in for the exchange and the store.

#![allow(dead_code, reason = "each test file uses its part")]

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{self, HeaderMap, StatusCode, header},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::mpsc;
use tower::ServiceExt;
use trunkline_api::{
    BoxFuture, Claims, Config, Control, Count, Keys, Signals, Workers, mint, router,
    token::{SipGrant, VideoGrant},
};
use trunkline_exchange::{
    command::{ApiError, CallRecord, Command, LadderEntry, Reply},
    port::ConnectionId,
};
use trunkline_room::{signal::Request, worker};
use trunkline_types::Time;

pub const NOW: Time = Time::new(0, 1_700_000_000_000_000_000);
pub const BODY_LIMIT: usize = 4_096;

type Answer = Box<dyn Fn(&Command) -> Result<Reply, ApiError> + Send + Sync>;

/// What a signalling connection did.
#[derive(Debug, PartialEq)]
pub enum Signalled {
    Said(ConnectionId, Box<Request>),
    Closed(ConnectionId),
    WorkerSaid(ConnectionId, Box<worker::Request>),
    WorkerClosed(ConnectionId),
}

pub struct Fake {
    pub asked: Mutex<Vec<Command>>,
    pub answer: Answer,
    pub stored: Vec<CallRecord>,
    pub ladder: Vec<LadderEntry>,
    pub ready: bool,
    pub auto_create: bool,
    pub signals: Signals,
    pub workers: Workers,
    /// Whether there is room for what clients say.
    pub takes_signals: bool,
    pub signalled: mpsc::UnboundedSender<Signalled>,
    pub heard: Mutex<Option<mpsc::UnboundedReceiver<Signalled>>>,
}

impl Fake {
    pub fn new(answer: impl Fn(&Command) -> Result<Reply, ApiError> + Send + Sync + 'static) -> Self {
        let (signalled, heard) = mpsc::unbounded_channel();
        Self {
            asked: Mutex::default(),
            answer: Box::new(answer),
            stored: Vec::new(),
            ladder: Vec::new(),
            ready: true,
            auto_create: true,
            signals: Signals::default(),
            workers: Workers::default(),
            takes_signals: true,
            signalled,
            heard: Mutex::new(Some(heard)),
        }
    }

    /// One that is never asked anything.
    pub fn silent() -> Self {
        Self::new(|command| panic!("nobody should ask {command:?}"))
    }

    pub fn serve(self) -> (Router, Arc<Self>) {
        let fake = Arc::new(self);
        let config =
            Config { keys: keys(), body_limit: BODY_LIMIT, node_id: "NE_test".into(), auto_create: fake.auto_create };
        (router(config, fake.clone(), fake.signals.clone(), fake.workers.clone(), Arc::new(|| NOW)), fake)
    }
}

impl Control for Fake {
    fn ask(&self, command: Command) -> BoxFuture<Result<Reply, ApiError>> {
        let reply = (self.answer)(&command);
        self.asked.lock().unwrap().push(command);
        Box::pin(async { reply })
    }
    fn calls(&self, limit: usize, before_ms: Option<i64>) -> BoxFuture<Result<Vec<CallRecord>, String>> {
        let calls = self.stored.iter().filter(|call| before_ms.is_none_or(|before| call.created_at_ms < before));
        let calls = calls.take(limit).cloned().collect();
        Box::pin(async { Ok(calls) })
    }
    fn call(&self, id: String) -> BoxFuture<Result<Option<CallRecord>, String>> {
        let call = self.stored.iter().find(|call| call.call_id.as_str() == id).cloned();
        Box::pin(async { Ok(call) })
    }
    fn ladder(&self, _id: String) -> BoxFuture<Result<Vec<LadderEntry>, String>> {
        let ladder = self.ladder.clone();
        Box::pin(async { Ok(ladder) })
    }
    fn signal(&self, connection: ConnectionId, request: Request) -> bool {
        if self.takes_signals {
            self.signalled.send(Signalled::Said(connection, Box::new(request))).unwrap();
        }
        self.takes_signals
    }
    fn signal_closed(&self, connection: ConnectionId) {
        // The test may be over.
        let _ = self.signalled.send(Signalled::Closed(connection));
    }
    fn worker(&self, connection: ConnectionId, request: worker::Request) -> bool {
        if self.takes_signals {
            self.signalled.send(Signalled::WorkerSaid(connection, Box::new(request))).unwrap();
        }
        self.takes_signals
    }
    fn worker_closed(&self, connection: ConnectionId) {
        // The test may be over.
        let _ = self.signalled.send(Signalled::WorkerClosed(connection));
    }
    fn counts(&self) -> Vec<Count> {
        vec![Count { name: "trunkline_sip_received_total".into(), help: "Messages.", value: 7 }]
    }
    fn ready(&self) -> bool {
        self.ready
    }
}

pub fn keys() -> Keys {
    Keys::new(BTreeMap::from([("devkey".to_owned(), "secret".to_owned())]))
}

pub fn token(claims: &Claims) -> String {
    mint("devkey", "secret", claims, Duration::from_secs(60), NOW).unwrap()
}

pub fn sip_admin() -> String {
    token(&Claims { sip: SipGrant { admin: true, call: true }, ..Claims::default() })
}

pub fn room_admin(room: &str) -> String {
    let video = VideoGrant { room_admin: true, room: room.into(), ..VideoGrant::default() };
    token(&Claims { video, ..Claims::default() })
}

pub fn rooms() -> String {
    let video = VideoGrant { room_create: true, room_list: true, ..VideoGrant::default() };
    token(&Claims { video, ..Claims::default() })
}

pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub async fn send(router: &Router, request: http::Request<Body>) -> Answered {
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
    Answered { status, headers, body }
}

pub async fn get(router: &Router, path: &str) -> Answered {
    send(router, http::Request::get(path).body(Body::empty()).unwrap()).await
}

pub async fn post(router: &Router, path: &str, token: &str, kind: &str, body: impl Into<Body>) -> Answered {
    let request = http::Request::post(path).header(header::CONTENT_TYPE, kind);
    let request =
        if token.is_empty() { request } else { request.header(header::AUTHORIZATION, format!("Bearer {token}")) };
    send(router, request.body(body.into()).unwrap()).await
}

pub async fn post_json(router: &Router, path: &str, token: &str, body: Value) -> Answered {
    post(router, path, token, "application/json", body.to_string()).await
}

pub fn call_record(id: &str, created_at_ms: i64, ended: bool) -> CallRecord {
    serde_json::from_value(serde_json::json!({
        "call_id": id, "sip_call_id": "x", "direction": "inbound",
        "status": if ended { "hangup" } else { "active" },
        "trunk_id": "ST_a", "rule_id": "SDR_a", "room_name": "lobby", "room_sid": "RM_a",
        "participant_identity": "sip_+1", "from": "+1", "to": "+2", "source": "UDP 192.0.2.1:5060",
        "created_at_ms": created_at_ms, "ended_at_ms": ended.then_some(created_at_ms + 1),
        "attributes": {"five9.routeReason": "billing"}, "invite_headers": [["X-Call", "1"]],
        "receipts": [], "explanation": null, "media": {},
    }))
    .unwrap()
}
