//! The connections of one kind that are open, and how the exchange's messages reach them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::{Notify, mpsc, watch};
use trunkline_exchange::port::ConnectionId;
use trunkline_room::{signal, worker};

/// Messages that may wait for a client. One that reads more slowly than this is disconnected.
const QUEUE: usize = 512;

/// Every open signalling connection.
pub type Signals = Outboxes<signal::Response>;

/// Every open socket of an agents' worker.
pub type Workers = Outboxes<worker::Response>;

/// Open connections that are told messages of type `M`. Clones share them.
#[derive(Debug)]
pub struct Outboxes<M>(Arc<Shared<M>>);

impl<M> Clone for Outboxes<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M> Default for Outboxes<M> {
    fn default() -> Self {
        let (last, running, open) = Default::default();
        Self(Arc::new(Shared { last, running, open }))
    }
}

#[derive(Debug)]
struct Shared<M> {
    last: AtomicU64,
    /// How many connections' tasks run.
    running: watch::Sender<usize>,
    open: Mutex<HashMap<ConnectionId, Entry<M>>>,
}

#[derive(Debug)]
struct Entry<M> {
    queue: mpsc::Sender<Box<M>>,
    overflow: Arc<Notify>,
}

/// The end that a connection's task reads.
#[derive(Debug)]
pub(crate) struct Outbox<M> {
    /// The connection's number, never used twice.
    pub(crate) id: ConnectionId,
    /// What to send. Ends after [`Outboxes::hang_up`].
    pub(crate) messages: mpsc::Receiver<Box<M>>,
    /// Told once if the queue was full: the connection is to be dropped as it is.
    pub(crate) overflow: Arc<Notify>,
    /// To be kept until the socket is closed.
    pub(crate) presence: Presence<M>,
}

/// Counts as a running connection while it lives.
#[derive(Debug)]
pub(crate) struct Presence<M>(Arc<Shared<M>>);

impl<M> Drop for Presence<M> {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running = running.saturating_sub(1));
    }
}

impl<M> Outboxes<M> {
    /// Queues a message for a client. Never blocks: if the client has not read the last 512, its
    /// connection is dropped and reports itself closed. Unknown connections are ignored, for they
    /// may just have gone.
    pub fn send(&self, connection: ConnectionId, response: Box<M>) {
        let mut open = self.open();
        let Some(entry) = open.get(&connection) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = entry.queue.try_send(response) {
            entry.overflow.notify_one();
            open.remove(&connection);
            drop(open);
            tracing::warn!(connection, "connection dropped: its client does not read");
        }
    }

    /// Closes a connection once everything that was queued before is written.
    pub fn hang_up(&self, connection: ConnectionId) {
        self.open().remove(&connection);
    }

    /// Waits until every client has its last message and its socket is closed.
    pub async fn closed(&self) {
        // Fails if nobody can count any more, and then nothing runs.
        let _ = self.0.running.subscribe().wait_for(|running| *running == 0).await;
    }

    /// How many connections are open, those included that are about to be.
    pub fn len(&self) -> usize {
        self.open().len()
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.open().is_empty()
    }

    /// A new connection.
    pub(crate) fn register(&self) -> Outbox<M> {
        let id = self.0.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let (queue, messages) = mpsc::channel(QUEUE);
        let overflow = Arc::new(Notify::new());
        self.open().insert(id, Entry { queue, overflow: overflow.clone() });
        self.0.running.send_modify(|running| *running = running.saturating_add(1));
        Outbox { id, messages, overflow, presence: Presence(self.0.clone()) }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<ConnectionId, Entry<M>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_room::signal::Response;
    use trunkline_types::TrackSid;

    fn message(number: usize) -> Box<Response> {
        Box::new(Response::TrackSubscribed(TrackSid::from(number.to_string())))
    }

    #[test]
    fn a_hang_up_leaves_what_was_queued() {
        let signals = Signals::default();
        let mut outbox = signals.register();
        signals.send(outbox.id, message(1));
        signals.hang_up(outbox.id);
        signals.send(outbox.id, message(2));
        assert_eq!(outbox.messages.blocking_recv(), Some(message(1)));
        assert_eq!(outbox.messages.blocking_recv(), None);
        assert!(signals.is_empty());
    }

    #[tokio::test]
    async fn a_full_queue_drops_its_connection_alone() {
        let signals = Signals::default();
        let (slow, other) = (signals.register(), signals.register());
        assert_ne!(slow.id, other.id);
        for number in 0..QUEUE {
            signals.send(slow.id, message(number));
        }
        assert_eq!(signals.len(), 2);
        signals.send(slow.id, message(QUEUE));
        slow.overflow.notified().await;
        assert_eq!(signals.len(), 1);
        drop((slow, other));
        signals.closed().await;
    }
}
