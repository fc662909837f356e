//! One client's signalling connection while it is open.

use super::ticket::Ticket;
use crate::{
    convert::{self, Terms},
    framing::{self, Framing},
    outboxes::Outbox,
    router::App,
    websocket::{End, PING, finish, received, write},
};
use axum::{
    Error,
    extract::ws::{Message, WebSocket},
};
use livekit_protocol::{self as proto, signal_request, signal_response};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, sleep};
use trunkline_exchange::port::ConnectionId;
use trunkline_room::{
    Join, ParticipantInfo,
    signal::{Joined, Response},
};

/// The largest frame and the largest message a client may send, in bytes.
pub(super) const MAX_FRAME: usize = 2 * 1024 * 1024;
/// How often a client gets a new token without need.
const REFRESH: Duration = Duration::from_secs(300);

/// Holds the connection's number. Whichever way it goes, the exchange learns that it is gone.
pub(super) struct Lease {
    app: Arc<App>,
    id: ConnectionId,
    announced: bool,
}

impl Lease {
    /// For a connection that is about to be announced.
    pub(super) const fn new(app: Arc<App>, id: ConnectionId) -> Self {
        Self { app, id, announced: true }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.app.signals.hang_up(self.id);
        if self.announced {
            self.app.control.signal_closed(self.id);
        }
    }
}

/// See the module.
pub(super) struct Connection {
    app: Arc<App>,
    lease: Lease,
    outbox: Outbox<Response>,
    framing: Framing,
    terms: Terms,
    ticket: Ticket,
    identity: String,
    /// The participant as it was last heard of; new tokens say this.
    current: Option<ParticipantInfo>,
    /// Whether the message that has to be the first is sent.
    opened: bool,
}

impl Connection {
    /// Of a client that is about to be announced to the exchange.
    pub(super) fn new(app: Arc<App>, lease: Lease, outbox: Outbox<Response>, join: &Join, ticket: Ticket) -> Self {
        let terms =
            Terms { node_id: app.config.node_id.clone(), protocol: join.protocol, sif_trailer: app.sif_trailer };
        Self {
            app,
            lease,
            outbox,
            framing: Framing::default(),
            terms,
            ticket,
            identity: join.identity.clone(),
            current: None,
            opened: false,
        }
    }

    /// Its number.
    pub(super) const fn id(&self) -> ConnectionId {
        self.outbox.id
    }

    /// The exchange does not want it.
    pub(super) fn refused(mut self) {
        self.lease.announced = false;
    }

    /// Carries messages until one side is done.
    pub(super) async fn run(mut self, mut socket: WebSocket) {
        let overflow = self.outbox.overflow.clone();
        let end = tokio::select! {
            end = self.converse(&mut socket) => end,
            () = overflow.notified() => End::Stuck,
        };
        let connection = self.id();
        // The exchange shall not wait for the goodbye; who stops the server shall.
        let Self { lease, outbox: Outbox { presence: _presence, .. }, .. } = self;
        drop(lease);
        finish(socket, end, "client", connection).await;
    }

    async fn converse(&mut self, socket: &mut WebSocket) -> End {
        let [mut ping, mut refresh] = [interval(PING), interval(REFRESH)];
        for timer in [&mut ping, &mut refresh] {
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            timer.reset();
        }
        let mut silence = pin!(sleep(convert::PING_TIMEOUT));
        loop {
            let done = tokio::select! {
                message = self.outbox.messages.recv() => match message {
                    Some(message) => {
                        if matches!(*message, Response::RefreshToken(_)) {
                            refresh.reset();
                        }
                        self.tell(socket, *message).await
                    }
                    None => Err(End::HungUp),
                },
                frame = socket.recv() => {
                    silence.set(sleep(convert::PING_TIMEOUT));
                    self.hear(socket, frame).await
                }
                _ = ping.tick() => write(socket, Message::Ping(Default::default())).await,
                _ = refresh.tick() => self.refresh(socket).await,
                () = silence.as_mut() => Err(End::Silent),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// What the exchange says.
    async fn tell(&mut self, socket: &mut WebSocket, response: Response) -> Result<(), End> {
        let first = matches!(response, Response::Join(_) | Response::Reconnect { .. } | Response::Leave { .. });
        match &response {
            Response::Join(joined) => self.current = Some(joined.participant.clone()),
            Response::Update(all) => {
                let own = all.iter().find(|info| info.identity == self.identity && info.disconnect_reason.is_none());
                if let Some(own) = own {
                    self.current = Some(own.clone());
                }
            }
            Response::Moved(moved) => return self.moved(socket, moved).await,
            Response::RefreshToken(info) => {
                self.current = Some((**info).clone());
                return self.refresh(socket).await;
            }
            _ => {}
        }
        if !self.opened && !first {
            // Clients give up if anything comes before it.
            tracing::error!(connection = self.id(), "a message before the first one is withheld");
            return Ok(());
        }
        self.opened = true;
        match convert::response(response, &self.terms) {
            Some(message) => self.put(socket, message).await,
            None => Ok(()),
        }
    }

    /// What the client says.
    async fn hear(&mut self, socket: &mut WebSocket, frame: Option<Result<Message, Error>>) -> Result<(), End> {
        let frame = received(frame)?;
        let read = framing::read::<proto::SignalRequest>(&frame).map_err(End::Malformed)?;
        let Some((framing, message)) = read else { return Ok(()) };
        self.framing = framing;
        let now = (self.app.now)().unix_nanos().div_euclid(1_000_000);
        let reply = match message.message {
            None => return Ok(()),
            Some(signal_request::Message::Ping(_)) => signal_response::Message::Pong(now),
            Some(signal_request::Message::PingReq(ping)) => {
                signal_response::Message::PongResp(proto::Pong { last_ping_timestamp: ping.timestamp, timestamp: now })
            }
            Some(message) => match convert::refused_request(&message) {
                Some(refusal) => signal_response::Message::RequestResponse(refusal),
                None => {
                    let Some(request) = convert::request(message) else { return Ok(()) };
                    let taken = self.app.control.signal(self.id(), request);
                    return if taken { Ok(()) } else { Err(End::Overloaded) };
                }
            },
        };
        if self.opened { self.put(socket, reply).await } else { Ok(()) }
    }

    /// Sends a new token, unless the participant is not known yet.
    async fn refresh(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        let Some(info) = self.current.as_ref().filter(|_| self.opened) else { return Ok(()) };
        match self.ticket.renewed(info, &self.app.config.keys, (self.app.now)()) {
            Ok(token) => self.put(socket, signal_response::Message::RefreshToken(token)).await,
            Err(error) => {
                tracing::warn!(connection = self.id(), %error, "no new token for a client");
                Ok(())
            }
        }
    }

    /// Sends the client to another room. Some clients take the token from the first message, some
    /// from the second one.
    async fn moved(&mut self, socket: &mut WebSocket, moved: &Joined) -> Result<(), End> {
        if !self.opened {
            return Ok(());
        }
        match self.ticket.moved(&moved.room.name, &moved.participant, &self.app.config.keys, (self.app.now)()) {
            Ok(token) => {
                self.put(socket, convert::room_moved(moved, token.clone())).await?;
                self.put(socket, signal_response::Message::RefreshToken(token)).await
            }
            Err(error) => {
                tracing::warn!(connection = self.id(), %error, "no token for another room");
                Ok(())
            }
        }
    }

    async fn put(&self, socket: &mut WebSocket, message: signal_response::Message) -> Result<(), End> {
        match self.framing.write(&proto::SignalResponse { message: Some(message) }) {
            Some(frame) => write(socket, frame).await,
            None => Ok(()),
        }
    }
}
