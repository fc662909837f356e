//! What the exchange wants done, handed to the shell that does it.

use crate::names::Names;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::oneshot;
use trunkline_api::{Signals, Webhooks, Workers};
use trunkline_exchange::{
    Output,
    command::{ApiError, OptionsKey, Reply, RequestId},
    port::{Level, Record},
};
use trunkline_media::Media;
use trunkline_store::{OptionsOwner, Store, Write};
use trunkline_transport::{Peer, Transport};

/// The API requests that wait for their reply. The map is touched once when a request comes and
/// once when it is answered, never on a packet's path.
pub(crate) type Waiting = Arc<Mutex<HashMap<RequestId, oneshot::Sender<Result<Reply, ApiError>>>>>;

/// Every shell the exchange speaks to.
pub(crate) struct Outputs {
    pub(crate) transport: Transport,
    pub(crate) names: Names,
    pub(crate) media: Arc<Media>,
    pub(crate) store: Arc<Store>,
    pub(crate) webhooks: Webhooks,
    pub(crate) signals: Signals,
    pub(crate) workers: Workers,
    pub(crate) waiting: Waiting,
    /// Set when the drain is done.
    pub(crate) drained: Arc<tokio::sync::Notify>,
    /// Set from outside: the thread shall end.
    pub(crate) stop: Arc<AtomicBool>,
}

impl Outputs {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send(transmit) => self.transport.send(transmit),
            Output::Resolve(id, query) => self.names.ask(id, query),
            Output::Expect { remote, host, certificate } => {
                let peer = Peer { name: host, identity: certificate };
                self.transport.expect(remote, peer);
            }
            Output::Media(plan) => self.media.submit(plan),
            Output::Reply(request, reply) => {
                let waiter = self.waiting.lock().ok().and_then(|mut waiting| waiting.remove(&request));
                if let Some(waiter) = waiter {
                    // Whoever asked may have gone away.
                    let _ = waiter.send(reply);
                }
            }
            Output::Signal(connection, response) => self.signals.send(connection, response),
            Output::HangUp(connection) => self.signals.hang_up(connection),
            Output::Worker(connection, response) => self.workers.send(connection, response),
            Output::WorkerHangUp(connection) => self.workers.hang_up(connection),
            Output::Persist(id, record) => self.store.write(id, write(*record)),
            Output::Notify(webhook) => self.webhooks.notify(*webhook),
            Output::Trace(call, entry) => self.store.ladder(call, *entry),
            Output::Log(line) => {
                let call = line.call.as_ref().map(tracing::field::display);
                match line.level {
                    Level::Info => tracing::info!(call, "{}", line.text),
                    Level::Warn => tracing::warn!(call, "{}", line.text),
                    Level::Error => tracing::error!(call, "{}", line.text),
                }
            }
            Output::Drained => self.drained.notify_one(),
        }
    }
}

fn write(record: Record) -> Write {
    match record {
        Record::PutInboundTrunk(trunk) => Write::PutInboundTrunk(trunk),
        Record::PutOutboundTrunk(trunk) => Write::PutOutboundTrunk(trunk),
        Record::DeleteTrunk(id) => Write::DeleteTrunk(id),
        Record::PutRule(rule) => Write::PutRule(rule),
        Record::DeleteRule(id) => Write::DeleteRule(id),
        Record::PutOptions(OptionsKey::Trunk(id), options) => Write::PutOptions(OptionsOwner::Trunk(id), options),
        Record::PutOptions(OptionsKey::Rule(id), options) => Write::PutOptions(OptionsOwner::Rule(id), options),
        Record::PutCall(record) => Write::PutCall(record),
    }
}
