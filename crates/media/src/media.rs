//! The handle: which thread carries what.

use crate::{
    downlink::Jitter,
    peer::Stack,
    ports::Ports,
    thread::{self, Parts},
    uplink::Quality,
};
use mio::Waker;
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::{
        Arc, Mutex,
        mpsc::{SyncSender, sync_channel},
    },
};
use trunkline_call::media::{
    LegKey, MediaFact, MediaPlan,
    peer::{PeerKey, PeerPlan},
};
use trunkline_types::{ParticipantSid, RoomSid, Time};

/// The configuration of the media threads.
#[derive(Clone)]
pub struct Config {
    /// How many; at least one is started.
    pub threads: usize,
    /// RTP on even ports, RTCP one above; `0..=0` for any free ones.
    pub ports: RangeInclusive<u16>,
    /// Where WebRTC is spoken: one port per thread, this one and those above it; 0 for any free ones.
    pub rtc: SocketAddr,
    /// The addresses that clients are told; empty for those of the socket.
    pub rtc_advertise: Vec<IpAddr>,
    /// How voices are encoded for WebRTC.
    pub quality: Quality,
    /// How long packets from WebRTC wait for late ones on their way to a phone.
    pub jitter: Jitter,
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
    threads: Vec<(SyncSender<MediaPlan>, Waker)>,
    rtc: Vec<SocketAddr>,
    /// Where everything lives; touched once per plan, never per packet.
    places: Mutex<Places>,
}

/// Which thread carries what.
#[derive(Default)]
struct Places {
    legs: HashMap<LegKey, usize>,
    peers: HashMap<ParticipantSid, usize>,
}

impl Media {
    /// Starts the threads. Facts go to `sink`.
    ///
    /// # Errors
    /// The operating system gives no thread or no socket.
    pub fn start(config: Config, sink: Arc<dyn Fn(MediaFact) + Send + Sync>) -> Result<Self, Error> {
        let ports = Arc::new(Ports::new(config.ports));
        let stack = Stack::new();
        let (mut threads, mut rtc) = (Vec::new(), Vec::new());
        for index in 0..config.threads.max(1) {
            let (sender, plans) = sync_channel(PLANS);
            let mut address = config.rtc;
            if address.port() != 0 {
                address.set_port(address.port().saturating_add(u16::try_from(index).unwrap_or(u16::MAX)));
            }
            let parts = Parts {
                index,
                plans,
                ports: ports.clone(),
                rtc: address,
                advertise: config.rtc_advertise.clone(),
                stack: stack.clone(),
                quality: config.quality,
                jitter: config.jitter,
                clock: config.clock.clone(),
                sink: sink.clone(),
            };
            let (waker, bound) = thread::spawn(parts).map_err(|why| Error { index, why })?;
            threads.push((sender, waker));
            rtc.push(bound);
        }
        Ok(Self { threads, rtc, places: Mutex::default() })
    }

    /// Where WebRTC is spoken, one address per thread.
    pub fn rtc(&self) -> &[SocketAddr] {
        &self.rtc
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
        let Ok(mut places) = self.places.lock() else { return };
        let thread = match &plan {
            MediaPlan::Open { leg, room, .. } => {
                let thread = self.thread_of(room);
                places.legs.insert(leg.clone(), thread);
                thread
            }
            MediaPlan::StartBuiltin { room, .. }
            | MediaPlan::PlayBuiltin { room, .. }
            | MediaPlan::StopBuiltin { room, .. } => self.thread_of(room),
            MediaPlan::Peer(plan) => self.thread_of_peer(plan, &mut places),
            MediaPlan::Close { leg } => places.legs.remove(leg).unwrap_or(0),
            MediaPlan::Negotiated { leg, .. }
            | MediaPlan::Start { leg, .. }
            | MediaPlan::Drain { leg, .. }
            | MediaPlan::SendDtmf { leg, .. } => places.legs.get(leg).copied().unwrap_or(0),
        };
        drop(places);
        if let Some((sender, waker)) = self.threads.get(thread) {
            // A thread that is gone has ended with the process.
            let _ = sender.send(plan);
            let _ = waker.wake();
        }
    }

    fn thread_of_peer(&self, plan: &PeerPlan, places: &mut Places) -> usize {
        let known = |peer: &PeerKey, places: &Places| places.peers.get(&peer.participant).copied().unwrap_or(0);
        match plan {
            PeerPlan::Offer { peer, room, .. } | PeerPlan::MakeOffer { peer, room, .. } => {
                let thread = self.thread_of(room);
                places.peers.insert(peer.participant.clone(), thread);
                thread
            }
            PeerPlan::Answer { peer, .. } | PeerPlan::Subscribe { peer, .. } | PeerPlan::Unsubscribe { peer, .. } => {
                known(peer, places)
            }
            PeerPlan::Publish { room, .. }
            | PeerPlan::Unpublish { room, .. }
            | PeerPlan::MuteTrack { room, .. }
            | PeerPlan::SendData { room, .. } => self.thread_of(room),
            PeerPlan::Close { participant } => places.peers.remove(participant).unwrap_or(0),
        }
    }

    /// Ends the threads: they stop when their last sender is gone.
    pub fn shut_down(self) {
        for (sender, waker) in self.threads {
            drop(sender);
            let _ = waker.wake();
        }
    }
}
