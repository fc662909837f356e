//! What the HTTP handlers need of the rest of the server.

use std::{pin::Pin, sync::Arc};
use trunkline_exchange::{
    command::{ApiError, CallRecord, Command, LadderEntry, Reply},
    port::ConnectionId,
};
use trunkline_room::{signal, worker};
use trunkline_types::Time;

/// A boxed future that owns what it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where handlers and webhooks get the time from.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// A counter of the shells around the exchange, for `/metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The name of the metric.
    pub name: String,
    /// What it counts.
    pub help: &'static str,
    /// How many there were since the start.
    pub value: u64,
}

/// How handlers reach the exchange and the store; implemented by the server.
pub trait Control: Send + Sync + 'static {
    /// Puts a request to the exchange and waits for its reply.
    fn ask(&self, command: Command) -> BoxFuture<Result<Reply, ApiError>>;
    /// At most `limit` stored calls that began before `before_ms` (Unix milliseconds), newest
    /// first. The error is a text for the caller.
    fn calls(&self, limit: usize, before_ms: Option<i64>) -> BoxFuture<Result<Vec<CallRecord>, String>>;
    /// A stored call, by its `SCL_…` id.
    fn call(&self, id: String) -> BoxFuture<Result<Option<CallRecord>, String>>;
    /// The ladder of a call, oldest first; empty if there is none.
    fn ladder(&self, id: String) -> BoxFuture<Result<Vec<LadderEntry>, String>>;
    /// Hands on what a client says over its signalling connection. Never blocks; `false` if there
    /// is no room for it, and then the connection has to be closed.
    fn signal(&self, connection: ConnectionId, request: signal::Request) -> bool;
    /// A signalling connection is gone. Never blocks and never gets lost.
    fn signal_closed(&self, connection: ConnectionId);
    /// Hands on what an agents' worker says. Never blocks; `false` if there is no room for it, and
    /// then the socket has to be closed.
    fn worker(&self, connection: ConnectionId, request: worker::Request) -> bool;
    /// A worker's socket is gone. Never blocks and never gets lost.
    fn worker_closed(&self, connection: ConnectionId);
    /// What the sockets, the store and the webhooks count.
    fn counts(&self) -> Vec<Count>;
    /// Whether new calls are taken: `/healthz`.
    fn ready(&self) -> bool;
}
