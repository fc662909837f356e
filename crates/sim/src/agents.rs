//! Agents' workers that take every job and run none: what dispatching costs, over the real wire.

use crate::participant::Error;
use futures_util::{SinkExt, StreamExt};
use livekit_protocol::{
    AvailabilityResponse, RegisterWorkerRequest, ServerMessage, UpdateWorkerStatus, WorkerMessage, WorkerStatus,
    server_message, worker_message::Message as Said,
};
use prost::Message as _;
use std::time::{Duration, Instant};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// How often a worker says how it is, as `livekit-agents` does.
const STATUS: Duration = Duration::from_millis(2_500);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a worker was told about a room, and when.
#[derive(Clone, Debug)]
pub struct Told {
    /// The room's name.
    pub room: String,
    /// Asked whether it takes the job, or given it.
    pub assigned: bool,
    /// When.
    pub at: Instant,
}

/// A worker that is registered.
pub struct Worker {
    socket: Socket,
}

impl Worker {
    /// Opens `/agent` and registers without a name. `url` begins with `ws`.
    ///
    /// # Errors
    /// The server cannot be reached or does not register it.
    pub async fn register(url: &str, token: &str) -> Result<Self, Error> {
        let url = format!("{}/agent", url.trim_end_matches('/'));
        let mut request = url.into_client_request().map_err(|why| Error::Unreachable(why.to_string()))?;
        let bearer = format!("Bearer {token}").parse().map_err(|_| Error::Refused("the token is not text".into()))?;
        request.headers_mut().insert("Authorization", bearer);
        let (socket, _) = connect_async(request).await.map_err(|why| Error::Refused(why.to_string()))?;
        let mut worker = Self { socket };
        worker.say(Said::Register(RegisterWorkerRequest { version: "sim".into(), ..Default::default() })).await?;
        match worker.next().await? {
            server_message::Message::Register(_) => Ok(worker),
            other => Err(Error::Refused(format!("the first message is {other:?}"))),
        }
    }

    async fn say(&mut self, message: Said) -> Result<(), Error> {
        let bytes = WorkerMessage { message: Some(message) }.encode_to_vec();
        self.socket.send(Message::binary(bytes)).await.map_err(|_| Error::Ended)
    }

    async fn next(&mut self) -> Result<server_message::Message, Error> {
        loop {
            let frame = self.socket.next().await.ok_or(Error::Ended)?.map_err(|_| Error::Ended)?;
            if let Message::Binary(bytes) = frame
                && let Some(message) = ServerMessage::decode(bytes).map_err(|_| Error::Ended)?.message
            {
                return Ok(message);
            }
        }
    }

    /// Takes every job until the server ends the connection or nobody listens to `told` any more.
    ///
    /// # Errors
    /// The connection ended.
    #[expect(clippy::disallowed_methods, reason = "it measures the real clock")]
    pub async fn work(mut self, told: mpsc::Sender<Told>) -> Result<(), Error> {
        let mut status = interval(STATUS);
        status.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                message = self.next() => message?,
                _ = status.tick() => {
                    let status = Some(WorkerStatus::WsAvailable.into());
                    self.say(Said::UpdateWorker(UpdateWorkerStatus { status, ..Default::default() })).await?;
                    continue;
                }
            };
            let (job, assigned) = match message {
                server_message::Message::Availability(asked) => (asked.job, false),
                server_message::Message::Assignment(given) => (given.job, true),
                _ => continue,
            };
            let job = job.unwrap_or_default();
            let told_now = Told { room: job.room.unwrap_or_default().name, assigned, at: Instant::now() };
            if told.send(told_now).await.is_err() {
                return Ok(());
            }
            if !assigned {
                let yes = AvailabilityResponse { job_id: job.id, available: true, ..Default::default() };
                self.say(Said::Availability(yes)).await?;
            }
        }
    }
}
