//! One worker's socket while it is open.

use super::token;
use crate::{
    convert,
    framing::{self, Framing},
    outboxes::Outbox,
    router::App,
};
use axum::{
    Error,
    extract::ws::{CloseFrame, Message, WebSocket, close_code},
};
use livekit_protocol::{self as proto, server_message, worker_message};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use trunkline_exchange::port::ConnectionId;
use trunkline_room::worker::Response;
use trunkline_types::limits::STREAM_WRITE;

/// The largest frame and the largest message a worker may send, in bytes.
pub(super) const MAX_FRAME: usize = 1024 * 1024;
/// How long a worker may take to register.
const REGISTER: Duration = Duration::from_secs(10);
/// How often the WebSocket is pinged.
const PING: Duration = Duration::from_secs(10);
/// How long a worker may be silent.
const SILENCE: Duration = Duration::from_secs(35);
/// How long a worker may take to close its side.
const GOODBYE: Duration = Duration::from_secs(2);
/// Messages a worker may send within [`COUNTED_OVER`].
const MESSAGES: u32 = 10_000;
const COUNTED_OVER: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Connection {
    app: Arc<App>,
    lease: Option<Lease>,
    outbox: Outbox<Response>,
    api_key: String,
    framing: Framing,
    registered: bool,
    /// Messages since the count began anew.
    heard: u32,
}

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The exchange said so.
    HungUp,
    /// The worker closed it, or it broke.
    Gone,
    /// Nothing was heard for so long.
    Silent,
    /// It did not register in time.
    Stranger,
    /// The worker does not read.
    Stuck,
    /// A frame that breaks the WebSocket protocol or its limits.
    Broken(String),
    /// A frame that holds no message, or one that may not come now.
    Malformed(String),
    /// The worker sends too much, or the exchange takes no more.
    Overloaded,
}

/// Whichever way the connection goes, the exchange learns that it is gone.
struct Lease(Arc<App>, ConnectionId);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.workers.hang_up(self.1);
        self.0.control.worker_closed(self.1);
    }
}

impl Connection {
    /// Of a worker that has shown its token.
    pub(super) fn new(app: Arc<App>, api_key: String) -> Self {
        let outbox = app.workers.register();
        let lease = Some(Lease(app.clone(), outbox.id));
        Self { app, lease, outbox, api_key, framing: Framing::default(), registered: false, heard: 0 }
    }

    /// Carries messages until one side is done.
    pub(super) async fn run(mut self, mut socket: WebSocket) {
        let overflow = self.outbox.overflow.clone();
        let end = tokio::select! {
            end = self.converse(&mut socket) => end,
            () = overflow.notified() => End::Stuck,
        };
        // The exchange shall not wait for the goodbye.
        drop(self.lease.take());
        let connection = self.outbox.id;
        let code = match &end {
            End::HungUp => Some(close_code::NORMAL),
            End::Gone => None,
            End::Silent | End::Stuck | End::Stranger => {
                tracing::info!(connection, ?end, "worker's socket dropped");
                return;
            }
            End::Broken(error) => {
                tracing::warn!(connection, error, "worker's socket closed: a broken frame");
                Some(close_code::PROTOCOL)
            }
            End::Malformed(error) => {
                tracing::warn!(connection, error, "worker's socket closed: not what a worker says");
                Some(close_code::UNSUPPORTED)
            }
            End::Overloaded => {
                tracing::warn!(connection, "worker's socket closed: it says too much");
                Some(close_code::AGAIN)
            }
        };
        // Who stays too long is cut off.
        let _ = timeout(GOODBYE, close(socket, code)).await;
    }

    async fn converse(&mut self, socket: &mut WebSocket) -> End {
        let [mut ping, mut count] = [interval(PING), interval(COUNTED_OVER)];
        for timer in [&mut ping, &mut count] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            timer.reset();
        }
        let mut silence = pin!(sleep(SILENCE));
        let mut stranger = pin!(sleep(REGISTER));
        loop {
            let registered = self.registered;
            let done = tokio::select! {
                message = self.outbox.messages.recv() => match message {
                    Some(message) => self.tell(socket, *message).await,
                    None => Err(End::HungUp),
                },
                frame = socket.recv() => {
                    silence.set(sleep(SILENCE));
                    self.hear(socket, frame).await
                }
                _ = ping.tick() => write(socket, Message::Ping(Default::default())).await,
                _ = count.tick() => {
                    self.heard = 0;
                    Ok(())
                }
                () = silence.as_mut() => Err(End::Silent),
                () = stranger.as_mut(), if !registered => Err(End::Stranger),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// What the exchange says.
    async fn tell(&self, socket: &mut WebSocket, response: Response) -> Result<(), End> {
        let message = match response {
            Response::Assignment { job, pass } => {
                match token::sign(pass, &self.api_key, &self.app.config.keys, (self.app.now)()) {
                    Ok(token) => server_message::Message::Assignment(proto::JobAssignment {
                        job: Some(convert::job(&job)),
                        url: None,
                        token,
                    }),
                    Err(error) => {
                        tracing::warn!(connection = self.outbox.id, %error, "no token for an agent");
                        return Ok(());
                    }
                }
            }
            other => match convert::worker_response(other, &self.app.config.node_id) {
                Some(message) => message,
                None => return Ok(()),
            },
        };
        self.put(socket, message).await
    }

    /// What the worker says.
    async fn hear(&mut self, socket: &mut WebSocket, frame: Option<Result<Message, Error>>) -> Result<(), End> {
        let frame = match frame {
            None | Some(Ok(Message::Close(_))) => return Err(End::Gone),
            Some(Err(error)) => return Err(End::Broken(error.to_string())),
            Some(Ok(frame)) => frame,
        };
        self.heard = self.heard.saturating_add(1);
        if self.heard > MESSAGES {
            return Err(End::Overloaded);
        }
        let read = framing::read::<proto::WorkerMessage>(&frame).map_err(End::Malformed)?;
        let Some((framing, message)) = read else { return Ok(()) };
        self.framing = framing;
        let Some(message) = message.message else { return Ok(()) };
        let registers = matches!(message, worker_message::Message::Register(_));
        if registers == self.registered {
            let text = if registers { "a second registration" } else { "a message before the registration" };
            return Err(End::Malformed(text.into()));
        }
        if let worker_message::Message::Ping(ping) = message {
            let timestamp = (self.app.now)().unix_millis();
            let pong = proto::WorkerPong { last_timestamp: ping.timestamp, timestamp };
            return self.put(socket, server_message::Message::Pong(pong)).await;
        }
        self.registered = true;
        let request = convert::worker_request(message).map_err(End::Malformed)?;
        let Some(request) = request else { return Ok(()) };
        if self.app.control.worker(self.outbox.id, request) { Ok(()) } else { Err(End::Overloaded) }
    }

    async fn put(&self, socket: &mut WebSocket, message: server_message::Message) -> Result<(), End> {
        match self.framing.write(&proto::ServerMessage { message: Some(message) }) {
            Some(frame) => write(socket, frame).await,
            None => Ok(()),
        }
    }
}

async fn write(socket: &mut WebSocket, frame: Message) -> Result<(), End> {
    match timeout(STREAM_WRITE, socket.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Stuck),
    }
}

/// Says goodbye and reads on until the worker has closed too.
async fn close(mut socket: WebSocket, code: Option<u16>) {
    if let Some(code) = code {
        // The worker may have gone without waiting for it.
        let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await;
    }
    while let Some(Ok(_)) = socket.recv().await {}
}
