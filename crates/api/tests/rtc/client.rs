//! The client, and the server it speaks to.

use crate::fake::{Fake, Signalled, token};
use base64::{Engine, engine::general_purpose::URL_SAFE};
use flate2::{Compression, write::GzEncoder};
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::{self as proto, signal_request, signal_response};
use prost::Message as _;
use std::{io::Write, sync::Arc};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{Response, header},
    },
};
use trunkline_api::{Claims, token::VideoGrant};
use trunkline_exchange::command::{ApiError, Code, Command, Reply};
use trunkline_room::{
    ParticipantInfo, RoomInfo,
    signal::{self, Connect, Joined},
};

/// A server whose exchange takes every client and sends a join response.
pub struct Server {
    pub address: String,
    pub fake: Arc<Fake>,
    pub heard: mpsc::UnboundedReceiver<Signalled>,
}

/// An exchange that says `Done` to every client.
pub fn welcoming() -> Fake {
    Fake::new(|command| match command {
        Command::Connect(..) => Ok(Reply::Done),
        other => panic!("not expected: {other:?}"),
    })
}

/// An exchange that refuses every client.
pub fn refusing(code: Code, message: &'static str) -> Fake {
    Fake::new(move |_| Err(ApiError::new(code, message)))
}

impl Server {
    pub async fn start(fake: Fake) -> Self {
        let heard = fake.heard.lock().unwrap().take().unwrap();
        let (router, fake) = fake.serve();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { address, fake, heard }
    }

    /// Tells a connection something.
    pub fn say(&self, connection: u64, response: signal::Response) {
        self.fake.signals.send(connection, Box::new(response));
    }

    /// What the exchange was asked last.
    pub fn last_connect(&self) -> (u64, Connect) {
        match self.fake.asked.lock().unwrap().last() {
            Some(Command::Connect(connection, connect)) => (*connection, (**connect).clone()),
            other => panic!("not expected: {other:?}"),
        }
    }

    /// A client that has joined and got its join response.
    pub async fn joined(&self) -> (u64, Client) {
        let mut client = Client::open(self, "/rtc?protocol=17", &alice()).await.unwrap();
        let (connection, _) = self.last_connect();
        self.say(connection, join_response());
        assert!(matches!(client.next().await, signal_response::Message::Join(_)));
        (connection, client)
    }
}

pub fn join_response() -> signal::Response {
    let participant = ParticipantInfo { sid: "PA_a".into(), identity: "alice".into(), ..ParticipantInfo::default() };
    let room = RoomInfo { sid: "RM_a".into(), name: "lobby".into(), ..RoomInfo::default() };
    signal::Response::Join(Box::new(Joined { room, participant, ..Joined::default() }))
}

/// Claims that may join the lobby.
pub fn claims() -> Claims {
    let video = VideoGrant { room_join: true, room: "lobby".into(), ..VideoGrant::default() };
    Claims { identity: "alice".into(), video, ..Claims::default() }
}

pub fn alice() -> String {
    token(&claims())
}

/// `/rtc/v1` with a join request, compressed.
pub fn v1(request: &proto::JoinRequest) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&request.encode_to_vec()).unwrap();
    wrapped(1, gzip.finish().unwrap())
}

pub fn wrapped(compression: i32, join_request: Vec<u8>) -> String {
    let wrapped = proto::WrappedJoinRequest { compression, join_request }.encode_to_vec();
    format!("/rtc/v1?join_request={}", URL_SAFE.encode(wrapped).replace('=', "%3D"))
}

pub struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    /// Opens a WebSocket; the error is the refusal.
    pub async fn open(server: &Server, path: &str, token: &str) -> Result<Self, Response<Option<Vec<u8>>>> {
        let mut request = format!("ws://{}{path}", server.address).into_client_request().unwrap();
        if !token.is_empty() {
            request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(*response),
            Err(other) => panic!("{other}"),
        }
    }

    pub async fn any_frame(&mut self) -> Message {
        self.0.next().await.unwrap().unwrap()
    }

    /// The next frame that says something.
    pub async fn frame(&mut self) -> Message {
        loop {
            match self.any_frame().await {
                Message::Ping(_) | Message::Pong(_) => {}
                frame => return frame,
            }
        }
    }

    /// The next message; it has to be in a binary frame.
    pub async fn next(&mut self) -> signal_response::Message {
        match self.frame().await {
            Message::Binary(bytes) => proto::SignalResponse::decode(bytes).unwrap().message.unwrap(),
            other => panic!("not expected: {other:?}"),
        }
    }

    /// The code the server closes with.
    pub async fn close_code(&mut self) -> u16 {
        match self.frame().await {
            Message::Close(Some(frame)) => frame.code.into(),
            other => panic!("not expected: {other:?}"),
        }
    }

    pub async fn send(&mut self, message: signal_request::Message) {
        let request = proto::SignalRequest { message: Some(message) };
        self.raw(Message::binary(request.encode_to_vec())).await;
    }

    pub async fn raw(&mut self, frame: Message) {
        self.0.send(frame).await.unwrap();
    }

    pub async fn close(&mut self) {
        self.0.close(None).await.unwrap();
    }
}
