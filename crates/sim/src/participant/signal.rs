//! The signalling connection of a headless participant: protobuf over a WebSocket.

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::{
    AddTrackRequest, ClientInfo, ConnectionSettings, JoinRequest, Ping, SessionDescription, SignalRequest,
    SignalResponse, TrackSource, TrackType, WrappedJoinRequest, client_info::Sdk, signal_request, signal_response,
};
use prost::Message as _;
use std::time::Duration;
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle, time};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// Why a headless participant could not join or go on.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Error {
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    #[error("the server refuses: {0}")]
    Refused(String),
    #[error("no socket: {0}")]
    Socket(#[from] std::io::Error),
    #[error("WebRTC: {0}")]
    WebRtc(String),
    #[error("the server told it to leave: {reason}, {action}")]
    ToldToLeave { reason: &'static str, action: &'static str },
    #[error("ICE: the server no longer answers")]
    Silence,
    #[error("the connection to the server has ended")]
    Ended,
    #[error("not connected within {0:?}")]
    Late(Duration),
    #[error("{0}")]
    Failed(String),
}

/// Messages under way to and from the connection.
const QUEUE: usize = 64;
/// Between two pings.
const PING: Duration = Duration::from_secs(5);

/// See the module. The connection lives in a task of its own: its far end looks at the audio 50
/// times a second and at this only when there is something.
pub(crate) struct Signal {
    inbound: mpsc::Receiver<signal_response::Message>,
    outbound: mpsc::Sender<signal_request::Message>,
    task: JoinHandle<()>,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The id under which our track is announced and offered.
pub(crate) const CID: &str = "headless";

impl Signal {
    /// Opens the connection with the first offer inside.
    pub(crate) async fn open(url: &str, token: &str, offer: String, publishes: bool) -> Result<Self, Error> {
        let track = AddTrackRequest {
            cid: CID.into(),
            name: "speech".into(),
            r#type: TrackType::Audio.into(),
            source: TrackSource::Microphone.into(),
            disable_red: true,
            ..Default::default()
        };
        let request = JoinRequest {
            client_info: Some(ClientInfo { sdk: Sdk::Rust.into(), protocol: 17, ..Default::default() }),
            connection_settings: Some(ConnectionSettings { auto_subscribe: true, ..Default::default() }),
            add_track_requests: if publishes { vec![track] } else { Vec::new() },
            publisher_offer: Some(description("offer", offer)),
            ..Default::default()
        };
        let wrapped = WrappedJoinRequest { join_request: request.encode_to_vec(), ..Default::default() };
        let encoded = URL_SAFE.encode(wrapped.encode_to_vec()).replace('=', "%3D");
        let url = format!("{}/rtc/v1?join_request={encoded}", url.trim_end_matches('/'));
        let mut request = url.into_client_request().map_err(|why| Error::Unreachable(why.to_string()))?;
        let bearer = format!("Bearer {token}").parse().map_err(|_| Error::Refused("the token is not text".into()))?;
        request.headers_mut().insert("Authorization", bearer);
        let (socket, _) = connect_async(request).await.map_err(|why| Error::Refused(why.to_string()))?;
        let (told, inbound) = mpsc::channel(QUEUE);
        let (outbound, wanted) = mpsc::channel(QUEUE);
        let task = tokio::spawn(live(socket, told, wanted));
        Ok(Self { inbound, outbound, task })
    }

    /// The server's next message.
    pub(crate) async fn next(&mut self) -> Result<signal_response::Message, Error> {
        self.inbound.recv().await.ok_or(Error::Ended)
    }

    pub(crate) async fn offer(&mut self, sdp: String) -> Result<(), Error> {
        self.send(signal_request::Message::Offer(description("offer", sdp))).await
    }

    pub(crate) async fn leave(&mut self) -> Result<(), Error> {
        let leave = livekit_protocol::LeaveRequest { reason: 1, ..Default::default() };
        self.send(signal_request::Message::Leave(leave)).await
    }

    /// Closes the connection in the orderly way.
    pub(crate) async fn close(self) {
        drop((self.outbound, self.inbound));
        // A task that panicked has closed it too.
        let _ = self.task.await;
    }

    async fn send(&mut self, message: signal_request::Message) -> Result<(), Error> {
        self.outbound.send(message).await.map_err(|_| Error::Ended)
    }
}

/// Carries messages until either side has enough.
async fn live(
    mut socket: Socket,
    told: mpsc::Sender<signal_response::Message>,
    mut wanted: mpsc::Receiver<signal_request::Message>,
) {
    let mut ping = time::interval(PING);
    loop {
        let out = tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    if let Ok(SignalResponse { message: Some(message) }) = SignalResponse::decode(bytes) {
                        // Who has left does not listen any more.
                        let _ = told.send(message).await;
                    }
                    continue;
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
            out = wanted.recv() => match out {
                Some(out) => out,
                None => break,
            },
            _ = ping.tick() => signal_request::Message::PingReq(Ping::default()),
        };
        let bytes = SignalRequest { message: Some(out) }.encode_to_vec();
        if socket.send(Message::Binary(bytes.into())).await.is_err() {
            return;
        }
    }
    // Who does not answer has gone already.
    let _ = time::timeout(Duration::from_secs(1), socket.close(None)).await;
}

fn description(kind: &str, sdp: String) -> SessionDescription {
    SessionDescription { r#type: kind.into(), sdp, ..Default::default() }
}
