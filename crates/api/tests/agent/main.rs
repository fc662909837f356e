//! Workers at `/agent`, and dispatches by Twirp, before an exchange that is none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something unexpected is"
)]

#[path = "../fake/mod.rs"]
mod fake;

use axum::http::StatusCode;
use fake::{Fake, NOW, Signalled, keys, post_json, room_admin, sip_admin, token};
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::{self as proto, server_message, worker_message};
use prost::Message as _;
use serde_json::json;
use std::sync::Arc;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::header},
};
use trunkline_api::{Claims, token::VideoGrant, token::verify};
use trunkline_exchange::command::{ApiError, Code, Command, Reply};
use trunkline_room::worker::{AgentRequest, DispatchInfo, Job, Pass, Request, Response, WorkerInfo};

struct Server {
    address: String,
    fake: Arc<Fake>,
    heard: mpsc::UnboundedReceiver<Signalled>,
}

struct Worker(WebSocketStream<MaybeTlsStream<TcpStream>>);

fn agents() -> Claims {
    Claims { video: VideoGrant { agent: true, ..VideoGrant::default() }, ..Claims::default() }
}

impl Server {
    async fn start() -> Self {
        let fake = Fake::silent();
        let heard = fake.heard.lock().unwrap().take().unwrap();
        let (router, fake) = fake.serve();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { address, fake, heard }
    }

    async fn open(&self, claims: Option<&Claims>) -> Result<Worker, (StatusCode, String)> {
        let mut request = format!("ws://{}/agent?worker_token=x", self.address).into_client_request().unwrap();
        if let Some(claims) = claims {
            let bearer = format!("Bearer {}", token(claims));
            request.headers_mut().insert(header::AUTHORIZATION, bearer.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Worker(socket)),
            Err(Error::Http(answer)) => {
                let text = answer.body().clone().map(|b| String::from_utf8(b).unwrap()).unwrap_or_default();
                Err((answer.status(), text))
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// A worker that is registered, and its connection's number.
    async fn registered(&mut self) -> (u64, Worker) {
        let mut worker = self.open(Some(&agents())).await.unwrap();
        worker.say(register()).await;
        let Some(Signalled::WorkerSaid(connection, request)) = self.heard.recv().await else { panic!("nothing") };
        assert!(matches!(*request, Request::Register(_)));
        self.tell(connection, Response::Registered("AW_a".into()));
        let server_message::Message::Register(answer) = worker.next().await else { panic!("not registered") };
        assert_eq!((answer.worker_id.as_str(), answer.server_info.unwrap().agent_protocol), ("AW_a", 1));
        (connection, worker)
    }

    fn tell(&self, connection: u64, response: Response) {
        self.fake.workers.send(connection, Box::new(response));
    }
}

fn register() -> worker_message::Message {
    let allowed_permissions = proto::ParticipantPermission { can_publish: true, ..Default::default() };
    worker_message::Message::Register(proto::RegisterWorkerRequest {
        agent_name: "receptionist".into(),
        allowed_permissions: Some(allowed_permissions),
        ..Default::default()
    })
}

impl Worker {
    async fn say(&mut self, message: worker_message::Message) {
        let bytes = proto::WorkerMessage { message: Some(message) }.encode_to_vec();
        self.0.send(Message::binary(bytes)).await.unwrap();
    }

    async fn next(&mut self) -> server_message::Message {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Binary(bytes) => return proto::ServerMessage::decode(bytes).unwrap().message.unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code with which the server closes.
    async fn closed(mut self) -> u16 {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_worker_is_told_what_the_exchange_says_and_its_agents_get_tokens_of_its_key() {
    let mut server = Server::start().await;
    let (connection, mut worker) = server.registered().await;
    let job = Job { id: "AJ_a".into(), metadata: "m".into(), ..Job::default() };
    server.tell(connection, Response::Availability { job: Box::new(job.clone()), resuming: true });
    let server_message::Message::Availability(asked) = worker.next().await else { panic!("no offer") };
    assert!(asked.resuming && asked.job.unwrap().metadata == "m");
    worker
        .say(worker_message::Message::Availability(proto::AvailabilityResponse {
            job_id: "AJ_a".into(),
            available: true,
            ..Default::default()
        }))
        .await;
    let Some(Signalled::WorkerSaid(_, answer)) = server.heard.recv().await else { panic!("nothing") };
    assert!(matches!(*answer, Request::Availability(answer) if answer.available && answer.job.as_str() == "AJ_a"));
    let pass = Pass { room: "lobby".into(), identity: "agent-AJ_a".into(), ..Pass::default() };
    server.tell(connection, Response::Assignment { job: Box::new(job), pass });
    let server_message::Message::Assignment(assigned) = worker.next().await else { panic!("no assignment") };
    let claims = verify(&assigned.token, &keys(), NOW).unwrap();
    assert_eq!((claims.identity.as_str(), claims.video.room.as_str()), ("agent-AJ_a", "lobby"));
    worker.say(worker_message::Message::Ping(proto::WorkerPing { timestamp: 7 })).await;
    let server_message::Message::Pong(pong) = worker.next().await else { panic!("no pong") };
    assert_eq!(pong.last_timestamp, 7);
    server.tell(connection, Response::Termination("AJ_a".into()));
    assert!(matches!(worker.next().await, server_message::Message::Termination(t) if t.job_id == "AJ_a"));
    server.fake.workers.hang_up(connection);
    assert_eq!(worker.closed().await, 1_000);
    assert_eq!(server.heard.recv().await, Some(Signalled::WorkerClosed(connection)));
}

#[tokio::test]
async fn who_may_not_register_is_told_the_grant() {
    let server = Server::start().await;
    let none = server.open(None).await.err().unwrap();
    assert_eq!(none, (StatusCode::UNAUTHORIZED, "permissions denied: the request has no token".into()));
    let joiner = Claims { video: VideoGrant { room_join: true, ..VideoGrant::default() }, ..Claims::default() };
    let (status, text) = server.open(Some(&joiner)).await.err().unwrap();
    assert!(status == StatusCode::UNAUTHORIZED && text.contains("video.agent"), "{text}");
}

#[tokio::test]
async fn garbage_a_second_registration_and_a_message_before_it_cost_the_socket() {
    let mut server = Server::start().await;
    let (connection, mut worker) = server.registered().await;
    worker.say(register()).await;
    assert_eq!(worker.closed().await, 1_003);
    assert_eq!(server.heard.recv().await, Some(Signalled::WorkerClosed(connection)));

    let mut early = server.open(Some(&agents())).await.unwrap();
    early.say(worker_message::Message::UpdateWorker(proto::UpdateWorkerStatus::default())).await;
    assert_eq!(early.closed().await, 1_003);
    let mut garbled = server.open(Some(&agents())).await.unwrap();
    garbled.0.send(Message::binary(vec![0xff; 20])).await.unwrap();
    assert_eq!(garbled.closed().await, 1_003);
    let (other, _worker) = loop {
        match server.heard.try_recv() {
            Ok(Signalled::WorkerClosed(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(_) => break server.registered_after_closings().await,
        }
    };
    assert_ne!(other, connection);
}

impl Server {
    /// Like [`Self::registered`], when closings of others may still come in.
    async fn registered_after_closings(&mut self) -> (u64, Worker) {
        let mut worker = self.open(Some(&agents())).await.unwrap();
        worker.say(register()).await;
        loop {
            match self.heard.recv().await {
                Some(Signalled::WorkerClosed(_)) => {}
                Some(Signalled::WorkerSaid(connection, _)) => return (connection, worker),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn dispatches_are_created_listed_and_deleted() {
    let info = || DispatchInfo {
        id: "AD_a".into(),
        room: "lobby".into(),
        agent: AgentRequest::named("receptionist", "m"),
        jobs: vec![Job { id: "AJ_a".into(), ..Job::default() }],
        waiting: "no worker".into(),
        ..DispatchInfo::default()
    };
    let (router, fake) = Fake::new(move |command| match command {
        Command::CreateDispatch { .. } => Ok(Reply::Dispatch(Box::new(info()))),
        Command::DeleteDispatch { .. } => Err(ApiError::new(Code::NotFound, "dispatch \"AD_b\" does not exist")),
        Command::ListDispatches { .. } => Ok(Reply::Dispatches(vec![info()])),
        Command::ListWorkers => Ok(Reply::Workers(vec![WorkerInfo { agent_name: "a".into(), ..Default::default() }])),
        other => panic!("not expected: {other:?}"),
    })
    .serve();
    let path = |method: &str| format!("/twirp/livekit.AgentDispatchService/{method}");
    let body = json!({"room": "lobby", "agent_name": "receptionist", "metadata": "m", "attributes": {"a": "b"}});
    let made = post_json(&router, &path("CreateDispatch"), &room_admin("lobby"), body).await;
    assert_eq!((&made.json()["id"], &made.json()["agent_name"]), (&json!("AD_a"), &json!("receptionist")));
    {
        let asked = fake.asked.lock().unwrap();
        let [Command::CreateDispatch { room, agent }] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!((room.as_str(), agent.metadata.as_str(), agent.attributes["a"].as_str()), ("lobby", "m", "b"));
    }
    let body = json!({"room": "lobby", "dispatch_id": "AD_b"});
    let gone = post_json(&router, &path("DeleteDispatch"), &room_admin("lobby"), body).await;
    assert_eq!((gone.status, &gone.json()["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    let listed = post_json(&router, &path("ListDispatch"), &room_admin("lobby"), json!({"room": "lobby"})).await;
    assert_eq!(listed.json()["agent_dispatches"][0]["state"]["jobs"][0]["id"], "AJ_a");
    let other = post_json(&router, &path("ListDispatch"), &room_admin("other"), json!({"room": "lobby"})).await;
    assert_eq!(other.status, StatusCode::UNAUTHORIZED);

    let shown = post_json(&router, "/twirp/trunkline.Agents/ListDispatches", &sip_admin(), json!({})).await.json();
    assert_eq!(shown["dispatches"][0]["waiting"], "no worker");
    assert_eq!(shown["dispatches"][0]["dispatch"]["agent_name"], "receptionist");
    let workers = post_json(&router, "/twirp/trunkline.Agents/ListWorkers", &sip_admin(), json!({})).await.json();
    assert_eq!(workers["workers"][0]["agent_name"], "a");
}
