//! The handle: which thread carries what.

use crate::{ports::Ports, thread};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::RangeInclusive,
    sync::{
        Arc, Mutex,
        mpsc::{SyncSender, sync_channel},
    },
};
use trunkline_call::media::{LegKey, MediaFact, MediaPlan};
use trunkline_types::{RoomSid, Time};

/// The configuration of the media threads.
#[derive(Clone)]
pub struct Config {
    /// How many; at least one is started.
    pub threads: usize,
    /// RTP on even ports, RTCP one above; `0..=0` for any free ones.
    pub ports: RangeInclusive<u16>,
    /// Now.
    pub clock: Arc<dyn Fn() -> Time + Send + Sync>,
}

/// A media thread could not be started.
#[derive(Debug, thiserror::Error)]
#[error("thread {index}: {why}")]
pub struct Error {
    index: usize,
    why: std::io::Error,
}

/// How many plans may wait for a thread.
const PLANS: usize = 16_384;

/// See the module.
pub struct Media {
    threads: Vec<SyncSender<MediaPlan>>,
    /// Where each leg lives; touched once per plan, never per packet.
    legs: Mutex<HashMap<LegKey, usize>>,
}

impl Media {
    /// Starts the threads. Facts go to `sink`.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(config: Config, sink: Arc<dyn Fn(MediaFact) + Send + Sync>) -> Result<Self, Error> {
        let ports = Arc::new(Ports::new(config.ports));
        let mut threads = Vec::new();
        for index in 0..config.threads.max(1) {
            let (sender, plans) = sync_channel(PLANS);
            thread::spawn(index, plans, ports.clone(), config.clock.clone(), sink.clone())
                .map_err(|why| Error { index, why })?;
            threads.push(sender);
        }
        Ok(Self { threads, legs: Mutex::default() })
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    fn thread_of(&self, room: &RoomSid) -> usize {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        usize::try_from(hasher.finish() % self.threads.len() as u64).unwrap_or(0)
    }

    /// Hands a plan to the thread it concerns; plans for one room stay in order.
    pub fn submit(&self, plan: MediaPlan) {
        let Ok(mut legs) = self.legs.lock() else { return };
        let thread = match &plan {
            MediaPlan::Open { leg, room, .. } => {
                let thread = self.thread_of(room);
                legs.insert(leg.clone(), thread);
                thread
            }
            MediaPlan::StartBuiltin { room, .. }
            | MediaPlan::PlayBuiltin { room, .. }
            | MediaPlan::StopBuiltin { room, .. } => self.thread_of(room),
            MediaPlan::Close { leg } => legs.remove(leg).unwrap_or(0),
            MediaPlan::Negotiated { leg, .. }
            | MediaPlan::Start { leg, .. }
            | MediaPlan::Drain { leg, .. }
            | MediaPlan::SendDtmf { leg, .. } => legs.get(leg).copied().unwrap_or(0),
        };
        drop(legs);
        if let Some(sender) = self.threads.get(thread) {
            // A thread that is gone has ended with the process.
            let _ = sender.send(plan);
        }
    }

    /// Ends the threads: they stop when their last sender is gone.
    pub fn shut_down(self) {}
}
