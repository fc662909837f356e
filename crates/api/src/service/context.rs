//! One Twirp request on its way through a service.

use super::{agents, calls, dispatch as agent_dispatch, options, room, sip, stub};
use crate::{
    control::Control,
    grant::Grant,
    token::Claims,
    twirp::{self, ErrorCode, Format, TwirpError},
};
use axum::response::Response;
use bytes::Bytes;
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use trunkline_exchange::command::{Command, Reply};

/// A request whose token has been checked.
pub(crate) struct Context<'a> {
    /// The exchange and the store.
    pub(crate) control: &'a dyn Control,
    /// The token's claims, if there was one.
    pub(crate) claims: Option<Claims>,
    /// How the body is written.
    pub(crate) format: Format,
    /// The body.
    pub(crate) body: Bytes,
}

impl Context<'_> {
    /// Demands a grant. Authorisation always precedes validation.
    pub(crate) fn need(&self, grant: Grant<'_>) -> Result<(), TwirpError> {
        grant.check(self.claims.as_ref())
    }

    /// The request as a protobuf message.
    pub(crate) fn message<M: Message + Default + DeserializeOwned>(&self) -> Result<M, TwirpError> {
        self.format.read(&self.body)
    }

    /// Answers with a protobuf message.
    pub(crate) fn answer<M: Message + Serialize>(&self, message: &M) -> Result<Response, TwirpError> {
        self.format.write(message)
    }

    /// The request of one of our own services, which speak JSON alone.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, TwirpError> {
        match self.format {
            Format::Json => twirp::read_json(&self.body),
            Format::Protobuf => Err(TwirpError::new(ErrorCode::BadRoute, "this service speaks application/json only")),
        }
    }

    /// Puts a request to the exchange.
    pub(crate) async fn ask(&self, command: Command) -> Result<Reply, TwirpError> {
        self.control.ask(command).await.map_err(TwirpError::from)
    }
}

/// Hands a request to its service; `None` if there is no such method.
pub(crate) async fn dispatch(
    context: &Context<'_>,
    service: &str,
    method: &str,
) -> Option<Result<Response, TwirpError>> {
    match service {
        "livekit.SIP" => sip::call(context, method).await,
        "livekit.RoomService" => room::call(context, method).await,
        "livekit.AgentDispatchService" => agent_dispatch::call(context, method).await,
        "trunkline.Agents" => agents::call(context, method).await,
        "trunkline.Options" => options::call(context, method).await,
        "trunkline.Calls" => calls::call(context, method).await,
        _ => stub::call(context, service, method),
    }
}
