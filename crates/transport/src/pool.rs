//! The stream connections: by number, by peer, and how many each source has.

use crate::{
    Peer,
    counts::count,
    inward::Inward,
    peer::Peers,
    stream::{Line, Outgoing},
    why,
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{
    Notify,
    mpsc::{self, error::TrySendError},
};
use trunkline_sip::flow::{Flow, Protocol};
use trunkline_types::limits;

/// Messages that may wait for one peer to read.
pub(crate) const QUEUE: usize = 256;
/// Connections in all.
const CONNECTIONS: usize = 16_384;
/// Flows that one connection answers for besides its own.
const ALIASES: usize = 64;

/// What became of a message.
pub(crate) enum Sent {
    /// It is queued, or its connection is about to be reported as closed.
    Queued,
    /// It is queued on a connection that must be opened: this line has to be run.
    Opening(Line, Registered, Option<Arc<Peer>>),
    /// It cannot be sent.
    Failed,
}

struct Entry {
    flow: Flow,
    /// Flows whose messages were sent here because their own connection was gone.
    aliases: Vec<Flow>,
    outgoing: mpsc::Sender<Outgoing>,
    kill: Arc<Notify>,
    /// Established at some time: its own flow is known outside.
    established: bool,
    /// Of a connection of ours, whom it was opened to.
    peer: Option<Arc<Peer>>,
}

impl Entry {
    /// Whether `flow` is told when this connection ends.
    fn answers_for(&mut self, flow: Flow) -> bool {
        if (self.established && self.flow.connection == flow.connection) || self.aliases.contains(&flow) {
            return true;
        }
        let room = self.aliases.len() < ALIASES;
        if room {
            self.aliases.push(flow);
        }
        room
    }
}

#[derive(Default)]
struct Inner {
    entries: HashMap<u64, Entry>,
    /// The newest connection to each peer.
    by_remote: HashMap<(Protocol, SocketAddr), u64>,
    /// Whom TLS connections must lead to.
    peers: Peers,
    /// Accepted connections, from the accept to the end.
    per_source: HashMap<IpAddr, usize>,
    slots: usize,
    last: u64,
}

/// All connections. The lock is never held while anything is awaited or reported.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Inner>);

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more connection from `source`; `None` if it has its share.
    pub(crate) fn admit(self: &Arc<Self>, source: IpAddr) -> Option<Slot> {
        let mut inner = self.lock();
        if inner.slots >= CONNECTIONS {
            return None;
        }
        let held = inner.per_source.entry(source).or_default();
        if *held >= limits::CONNECTIONS_PER_SOURCE {
            return None;
        }
        *held += 1;
        inner.slots += 1;
        Some(Slot { pool: self.clone(), source })
    }

    /// Enters an accepted connection.
    pub(crate) fn accepted(self: &Arc<Self>, flow: Flow, inward: &Arc<Inward>) -> (Line, Registered) {
        let mut inner = self.lock();
        let line = inner.enter(flow, true, None);
        drop(inner);
        let registered = self.registered(&line, inward);
        (line, registered)
    }

    fn registered(self: &Arc<Self>, line: &Line, inward: &Arc<Inward>) -> Registered {
        let (pool, inward) = (self.clone(), inward.clone());
        Registered { pool, inward, connection: line.flow.connection, why: why::GONE }
    }

    /// A connection of ours stands, from `local`.
    pub(crate) fn established(&self, line: &mut Line, local: SocketAddr) {
        line.flow.local = local;
        if let Some(entry) = self.lock().entries.get_mut(&line.flow.connection) {
            entry.flow = line.flow;
            entry.established = true;
        }
    }

    /// Queues a message: on the flow's own connection, on another one to the same peer, or on one
    /// that must be opened.
    pub(crate) fn send(self: &Arc<Self>, flow: Flow, bytes: Bytes, inward: &Arc<Inward>) -> Sent {
        let mut inner = self.lock();
        let known = match inner.entries.contains_key(&flow.connection) {
            true => Some(flow.connection),
            false => inner.by_remote.get(&(flow.protocol, flow.remote)).copied(),
        };
        let peer = (flow.protocol == Protocol::Tls).then(|| inner.peers.at(flow.remote)).flatten();
        // A connection to somebody else at the same address, or one whose other end was never asked
        // for its name, does not carry what is for this one.
        let known = known.filter(|connection| {
            *connection == flow.connection || inner.entries.get(connection).is_some_and(|entry| entry.peer == peer)
        });
        if let Some(entry) = known.and_then(|connection| inner.entries.get_mut(&connection)) {
            let queued = entry.outgoing.try_send(Outgoing::Message(bytes.clone()));
            if !matches!(queued, Err(TrySendError::Closed(_))) && !entry.answers_for(flow) {
                return Sent::Failed;
            }
            match queued {
                Ok(()) => return Sent::Queued,
                Err(TrySendError::Full(_)) => {
                    count(&inward.counters.stuck);
                    count(&inward.counters.send_failed);
                    // Its end is reported for this flow, too.
                    entry.kill.notify_one();
                    return Sent::Queued;
                }
                // It is ending this very moment: as good as gone.
                Err(TrySendError::Closed(_)) => {}
            }
        }
        if inner.entries.len() >= CONNECTIONS {
            return Sent::Failed;
        }
        let line = inner.enter(flow, false, peer.clone());
        if let Some(entry) = inner.entries.get_mut(&line.flow.connection) {
            entry.aliases.push(flow);
            // The queue is empty.
            let _ = entry.outgoing.try_send(Outgoing::Message(bytes));
        }
        drop(inner);
        let registered = self.registered(&line, inward);
        Sent::Opening(line, registered, peer)
    }

    /// Says who is expected at an address from now on.
    pub(crate) fn expect(&self, remote: SocketAddr, peer: Peer) {
        self.lock().peers.expect(remote, peer);
    }

    /// Queues a keep-alive on the flow's connection, or on another one to the same peer.
    pub(crate) fn ping(&self, flow: Flow) {
        let inner = self.lock();
        let other = || inner.by_remote.get(&(flow.protocol, flow.remote)).and_then(|c| inner.entries.get(c));
        if let Some(entry) = inner.entries.get(&flow.connection).or_else(other) {
            // A full queue is traffic enough.
            let _ = entry.outgoing.try_send(Outgoing::Ping);
        }
    }

    /// Ends every connection without another word.
    pub(crate) fn kill_all(&self) {
        for entry in self.lock().entries.values() {
            entry.kill.notify_one();
        }
    }

    fn leave(&self, connection: u64) -> Vec<Flow> {
        let mut inner = self.lock();
        let Some(entry) = inner.entries.remove(&connection) else { return Vec::new() };
        let remote = (entry.flow.protocol, entry.flow.remote);
        if inner.by_remote.get(&remote) == Some(&connection) {
            inner.by_remote.remove(&remote);
        }
        let mut flows = entry.aliases;
        if entry.established {
            flows.push(entry.flow);
        }
        flows
    }
}

impl Inner {
    /// Numbers the connection and enters it.
    fn enter(&mut self, flow: Flow, established: bool, peer: Option<Arc<Peer>>) -> Line {
        self.last = self.last.saturating_add(1);
        let flow = Flow { connection: self.last, ..flow };
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let kill = Arc::new(Notify::new());
        self.by_remote.insert((flow.protocol, flow.remote), flow.connection);
        let aliases = Vec::new();
        let entry = Entry { flow, aliases, outgoing: outgoing.clone(), kill: kill.clone(), established, peer };
        self.entries.insert(flow.connection, entry);
        Line { flow, accepted: established, outgoing, queue, kill }
    }
}

/// A source's place; dropping it gives it back.
pub(crate) struct Slot {
    pool: Arc<Pool>,
    source: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut inner = self.pool.lock();
        inner.slots = inner.slots.saturating_sub(1);
        if let Some(held) = inner.per_source.get_mut(&self.source) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                inner.per_source.remove(&self.source);
            }
        }
    }
}

/// A connection's entry; dropping it, however that comes about, takes it out and reports it closed.
pub(crate) struct Registered {
    pool: Arc<Pool>,
    inward: Arc<Inward>,
    connection: u64,
    /// Why it ended, once that is known.
    pub(crate) why: &'static str,
}

impl Drop for Registered {
    fn drop(&mut self) {
        for flow in self.pool.leave(self.connection) {
            self.inward.closed(flow, self.why);
        }
    }
}
