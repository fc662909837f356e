//! How the API's handlers reach the exchange and the store.

use crate::{counts::Counting, inbox::Inbox, outputs::Waiting};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::oneshot;
use trunkline_api::Count;
use trunkline_call::record::{CallRecord, LadderEntry};
use trunkline_exchange::{
    Input,
    command::{ApiError, Code, Command, Reply, RequestId},
    port::ConnectionId,
};
use trunkline_room::{signal, worker};
use trunkline_store::Reader;

/// See the module.
pub(crate) struct Control {
    pub(crate) inbox: Inbox,
    pub(crate) waiting: Waiting,
    pub(crate) next: AtomicU64,
    pub(crate) reader: Arc<Reader>,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) counting: Counting,
}

/// Somebody must not be taken for present because the inbox was full when he left. Never blocks.
fn certainly(inbox: &Inbox, input: Input) {
    if let Some(input) = inbox.try_put(input)
        && let Ok(runtime) = tokio::runtime::Handle::try_current()
    {
        let inbox = inbox.clone();
        runtime.spawn_blocking(move || inbox.put(input));
    }
}

/// The client of a request that may wait for minutes. If it goes away before the reply, its handler
/// is dropped, and this says so.
struct Presence(Option<(Inbox, RequestId)>);

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some((inbox, request)) = self.0.take() {
            certainly(&inbox, Input::Abandoned(request));
        }
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn unavailable(message: &str) -> ApiError {
    ApiError::new(Code::Unavailable, message)
}

impl Control {
    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, trunkline_store::Error> + Send + 'static,
    ) -> Boxed<Result<T, String>> {
        let reader = self.reader.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || query(&reader))
                .await
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())
        })
    }
}

impl trunkline_api::Control for Control {
    fn ask(&self, command: Command) -> Boxed<Result<Reply, ApiError>> {
        let request = self.next.fetch_add(1, Ordering::Relaxed);
        let waits = matches!(&command, Command::CreateSipParticipant(dial) if dial.wait_until_answered);
        let (sender, receiver) = oneshot::channel();
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.insert(request, sender);
        }
        if !self.inbox.offer(Input::Api(request, Box::new(command))) {
            if let Ok(mut waiting) = self.waiting.lock() {
                waiting.remove(&request);
            }
            return Box::pin(async { Err(unavailable("the server is overloaded or stopping; try again")) });
        }
        let mut presence = waits.then(|| Presence(Some((self.inbox.clone(), request))));
        Box::pin(async move {
            let reply = receiver.await.unwrap_or_else(|_| Err(unavailable("the server is stopping")));
            if let Some(presence) = &mut presence {
                presence.0 = None;
            }
            reply
        })
    }

    fn calls(&self, limit: usize, before_ms: Option<i64>) -> Boxed<Result<Vec<CallRecord>, String>> {
        self.read(move |reader| reader.calls(limit, before_ms))
    }

    fn call(&self, id: String) -> Boxed<Result<Option<CallRecord>, String>> {
        self.read(move |reader| reader.call(&id))
    }

    fn ladder(&self, id: String) -> Boxed<Result<Vec<LadderEntry>, String>> {
        self.read(move |reader| reader.ladder(&id))
    }

    fn signal(&self, connection: ConnectionId, request: signal::Request) -> bool {
        self.inbox.offer(Input::Signal(connection, Box::new(request)))
    }

    fn signal_closed(&self, connection: ConnectionId) {
        certainly(&self.inbox, Input::SignalClosed(connection));
    }

    fn worker(&self, connection: ConnectionId, request: worker::Request) -> bool {
        self.inbox.offer(Input::Worker(connection, Box::new(request)))
    }

    fn worker_closed(&self, connection: ConnectionId) {
        certainly(&self.inbox, Input::WorkerClosed(connection));
    }

    fn counts(&self) -> Vec<Count> {
        (self.counting)()
    }

    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}
