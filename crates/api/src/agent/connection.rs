//! One worker's socket while it is open.

use super::token;
use crate::{
    convert,
    framing::{self, Framing},
    outboxes::Outbox,
    router::App,
    websocket::{End, PING, finish, received, write},
};
use axum::{
    Error,
    extract::ws::{Message, WebSocket},
};
use livekit_protocol::{self as proto, server_message, worker_message};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, sleep};
use trunkline_exchange::port::ConnectionId;
use trunkline_room::worker::Response;

/// The largest frame and the largest message a worker may send, in bytes.
pub(super) const MAX_FRAME: usize = 1024 * 1024;
/// How long a worker may take to register.
const REGISTER: Duration = Duration::from_secs(10);
/// How long a worker may be silent.
const SILENCE: Duration = Duration::from_secs(35);
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
        finish(socket, end, "worker", connection).await;
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
        let frame = received(frame)?;
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
