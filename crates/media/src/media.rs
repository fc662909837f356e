//! The handle: which thread carries what.

use crate::{
    downlink::Jitter,
    peer::Stack,
    ports::Ports,
    rtc_socket,
    tcp::{Listener, Names},
    thread::{self, Order, Parts, handover},
    voice::Quality,
};
use mio::{Waker, net::TcpListener};
use std::{
    collections::HashMap,
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
    /// Where WebRTC is spoken over TCP, one port for all threads; `None` for nowhere.
    pub rtc_tcp: Option<SocketAddr>,
    /// Clients are told of TCP alone.
    pub rtc_force_tcp: bool,
    /// How voices are encoded for WebRTC.
    pub quality: Quality,
    /// How long packets from WebRTC wait for late ones on their way to a phone.
    pub jitter: Jitter,
    /// Now.
    pub clock: Arc<dyn Fn() -> Time + Send + Sync>,
}

/// A media thread could not be started.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Error {
    #[error("thread {index}: {why}")]
    Thread { index: usize, why: std::io::Error },
    #[error("{address} cannot be bound for WebRTC over TCP ({why}); free it or set `rtc.tcp_port`")]
    Tcp { address: SocketAddr, why: std::io::Error },
}

/// How many plans may wait for a thread. Room for all of them is taken at once, a megabyte.
const PLANS: usize = 4_096;
/// How many new streams may wait for a thread.
const STREAMS: usize = 64;

/// See the module.
pub struct Media {
    threads: Vec<(SyncSender<Order>, Arc<Waker>)>,
    rtc: Vec<SocketAddr>,
    rtc_tcp: Option<SocketAddr>,
    /// It listens as long as it is held.
    _listener: Option<Listener>,
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
    /// Starts the threads. Facts go to `sink`, those of one thread in order: at once, but for those that
    /// [can wait](MediaFact::can_wait), which come within 20 ms, many together.
    ///
    /// # Errors
    /// The operating system gives no thread or no socket.
    pub fn start(config: Config, sink: Arc<dyn Fn(Vec<MediaFact>) + Send + Sync>) -> Result<Self, Error> {
        let ports = Arc::new(Ports::new(config.ports));
        let stack = Stack::new();
        let bound = match config.rtc_tcp {
            Some(address) => {
                let listen = || {
                    let listener = TcpListener::bind(address)?;
                    let bound = listener.local_addr()?;
                    Ok((listener, bound))
                };
                Some(listen().map_err(|why| Error::Tcp { address, why })?)
            }
            None => None,
        };
        let rtc_tcp = bound.as_ref().map(|(_, at)| *at);
        let (names, mut doors) = (Names::default(), Vec::new());
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
                tcp: rtc_tcp.map_or_else(Vec::new, |at| rtc_socket::advertised(at, &config.rtc_advertise)),
                force_tcp: config.rtc_force_tcp && rtc_tcp.is_some(),
                names: names.clone(),
                stack: stack.clone(),
                quality: config.quality,
                jitter: config.jitter,
                clock: config.clock.clone(),
                sink: sink.clone(),
            };
            let (door, streams) = sync_channel(STREAMS);
            let (waker, bound) = thread::spawn(parts, streams).map_err(|why| Error::Thread { index, why })?;
            let waker = Arc::new(waker);
            doors.push((door, waker.clone()));
            threads.push((sender, waker));
            rtc.push(bound);
        }
        let listener = match bound {
            Some((listener, address)) => Some(
                Listener::start(listener, names, doors, config.clock.clone())
                    .map_err(|why| Error::Tcp { address, why })?,
            ),
            None => None,
        };
        Ok(Self { threads, rtc, rtc_tcp, _listener: listener, places: Mutex::default() })
    }

    /// Where WebRTC is spoken, one address per thread.
    pub fn rtc(&self) -> &[SocketAddr] {
        &self.rtc
    }

    /// Where WebRTC is spoken over TCP.
    pub fn rtc_tcp(&self) -> Option<SocketAddr> {
        self.rtc_tcp
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    fn thread_of(&self, room: &RoomSid) -> usize {
        room.thread(self.threads.len())
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
            MediaPlan::Move { leg, to, .. } => match self.moved(leg, to, &mut places) {
                Some(thread) => thread,
                None => return,
            },
            MediaPlan::Negotiated { leg, .. }
            | MediaPlan::Start { leg, .. }
            | MediaPlan::Drain { leg, .. }
            | MediaPlan::Play { leg, .. }
            | MediaPlan::RingToRoom { leg, .. }
            | MediaPlan::SendDtmf { leg, .. } => places.legs.get(leg).copied().unwrap_or(0),
        };
        drop(places);
        self.order(thread, Order::Plan(plan));
    }

    fn order(&self, thread: usize, order: Order) {
        if let Some((sender, waker)) = self.threads.get(thread) {
            // A thread that is gone has ended with the process.
            let _ = sender.send(order);
            let _ = waker.wake();
        }
    }

    /// Where a leg lives after a move, if that is where it has lived. To another thread it goes
    /// here: both threads are told under the lock, so that all threads see moves in one order.
    fn moved(&self, leg: &LegKey, to: &RoomSid, places: &mut Places) -> Option<usize> {
        let place = places.legs.get_mut(leg)?;
        let thread = self.thread_of(to);
        let before = std::mem::replace(place, thread);
        if before == thread {
            return Some(thread);
        }
        let (_, waker) = self.threads.get(thread)?;
        let (give, take) = handover(leg.clone(), to.clone(), waker.clone());
        self.order(before, give);
        self.order(thread, take);
        None
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
