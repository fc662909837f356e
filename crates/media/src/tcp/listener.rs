//! Who connects over TCP waits here until he has said whose client he is: by a binding request with
//! a name that we have given out. Then his stream goes to the thread of that connection.
//!
//! Nothing is taken from strangers but a place in a small table, for a few seconds. A client says its
//! name as soon as it is connected, so where the table is full who has been silent longest makes room:
//! idle connections keep nobody out.

use super::{
    Names,
    framing::{Cut, LENGTH_BYTES, PACKET_BYTES, cut},
};
use crate::rtc_socket::stun_ufrag;
use mio::{
    Events, Interest, Poll, Token, Waker,
    net::{TcpListener, TcpStream},
};
use slab::Slab;
use std::{
    collections::HashMap,
    io::{self, Read},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    thread::Builder,
    time::Duration,
};
use trunkline_types::Time;

/// How long a stream may take to say whose it is.
const FIRST_MESSAGE: Duration = Duration::from_secs(5);
/// Streams that have not said it yet, of all sources. One more, and a silent one is closed.
const WAITING: usize = 512;
/// Those of one address; likewise.
const WAITING_PER_SOURCE: usize = 32;
/// Streams accepted before those that wait are looked at.
const ACCEPTED_AT_ONCE: usize = 64;
/// How long nobody is accepted when the system has no more sockets.
const BREATH: Duration = Duration::from_millis(100);
const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);

type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// A stream on its way to the thread of its connection.
pub(crate) struct Handover {
    pub(crate) stream: TcpStream,
    pub(crate) from: SocketAddr,
    /// The name in its first packet.
    pub(crate) ufrag: String,
    /// What it has sent so far, the first packet among it.
    pub(crate) bytes: Vec<u8>,
}

/// The thread that listens; it ends when this is dropped.
pub(crate) struct Listener {
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Listener {
    /// Listens; `threads` are in the order of [`Names`].
    pub(crate) fn start(
        listener: TcpListener,
        names: Names,
        threads: Vec<(SyncSender<Handover>, Arc<Waker>)>,
        clock: Clock,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut listener = listener;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let stop = Arc::new(AtomicBool::new(false));
        let door = Door {
            poll,
            listener,
            names,
            threads,
            waiting: Slab::new(),
            per_source: HashMap::new(),
            admitted: 0,
            is_open: false,
            rests_until: None,
        };
        let stopped = stop.clone();
        Builder::new().name("rtc-tcp".into()).spawn(move || door.keep(&clock, &stopped))?;
        Ok(Self { stop, waker })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that cannot be woken looks again at its next nap's end.
        let _ = self.waker.wake();
    }
}

/// A stream that has not said whose it is.
struct Waiting {
    stream: TcpStream,
    from: SocketAddr,
    /// Its place in the order of arrival.
    number: u64,
    until: Time,
    bytes: Vec<u8>,
}

/// What one look at a waiting stream comes to.
enum Look {
    Wait,
    Close,
    /// The name it has said.
    Named(String),
}

struct Door {
    poll: Poll,
    listener: TcpListener,
    names: Names,
    threads: Vec<(SyncSender<Handover>, Arc<Waker>)>,
    waiting: Slab<Waiting>,
    per_source: HashMap<IpAddr, usize>,
    /// Streams admitted so far.
    admitted: u64,
    /// There may be more to accept.
    is_open: bool,
    /// The system has no more sockets; nobody is accepted until then.
    rests_until: Option<Time>,
}

impl Door {
    fn keep(mut self, clock: &Clock, stop: &AtomicBool) {
        let mut events = Events::with_capacity(128);
        while !stop.load(Ordering::Relaxed) {
            if let Err(why) = self.poll.poll(&mut events, Some(self.nap(clock())))
                && why.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%why, "WebRTC over TCP is no longer served");
                return;
            }
            let now = clock();
            for event in &events {
                match event.token() {
                    LISTENER => self.is_open = true,
                    WAKER => {}
                    Token(index) => self.look(index),
                }
            }
            self.accept(now);
            self.expire(now);
        }
    }

    fn nap(&self, now: Time) -> Duration {
        let mut nap = FIRST_MESSAGE;
        if self.is_open {
            nap = self.rests_until.map_or(Duration::ZERO, |until| until.since(now));
        }
        let first = self.waiting.iter().map(|(_, held)| held.until.since(now)).min();
        // Timers of the system count in milliseconds; what is due is due then.
        nap.min(first.map_or(FIRST_MESSAGE, |left| left + Duration::from_millis(1)))
    }

    fn accept(&mut self, now: Time) {
        if self.rests_until.is_some_and(|until| until > now) {
            return;
        }
        self.rests_until = None;
        for _ in 0..ACCEPTED_AT_ONCE {
            if !self.is_open {
                return;
            }
            match self.listener.accept() {
                Ok((stream, from)) => self.admit(stream, from, now),
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => self.is_open = false,
                // It was gone before it was accepted.
                Err(why) if matches!(why.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
                Err(why) => {
                    tracing::warn!(%why, "a connection for WebRTC over TCP cannot be accepted");
                    self.rests_until = Some(now + BREATH);
                    return;
                }
            }
        }
    }

    fn admit(&mut self, mut stream: TcpStream, from: SocketAddr, now: Time) {
        if self.per_source.get(&from.ip()).is_some_and(|count| *count >= WAITING_PER_SOURCE) {
            self.close_oldest_of(from.ip());
        } else if self.waiting.len() >= WAITING
            && let Some(crowd) = self.per_source.iter().max_by_key(|(_, count)| **count).map(|(ip, _)| *ip)
        {
            self.close_oldest_of(crowd);
        }
        let entry = self.waiting.vacant_entry();
        let index = entry.key();
        if self.poll.registry().register(&mut stream, Token(index), Interest::READABLE).is_err() {
            return;
        }
        self.admitted += 1;
        let number = self.admitted;
        entry.insert(Waiting { stream, from, number, until: now + FIRST_MESSAGE, bytes: Vec::new() });
        *self.per_source.entry(from.ip()).or_default() += 1;
        // What came with the connection may be there already.
        self.look(index);
    }

    /// Makes room: who has been silent longest, of those at an address, goes. What he may have sent
    /// meanwhile is looked at first.
    fn close_oldest_of(&mut self, ip: IpAddr) {
        let of_source = self.waiting.iter().filter(|(_, held)| held.from.ip() == ip);
        if let Some((index, from)) = of_source.min_by_key(|(_, held)| held.number).map(|(at, held)| (at, held.from)) {
            tracing::debug!(%from, "too many connections over TCP have not said whose they are");
            self.look(index);
            drop(self.take(index));
        }
    }

    fn look(&mut self, index: usize) {
        let Some(held) = self.waiting.get_mut(index) else { return };
        match held.look() {
            Look::Wait => {}
            Look::Close => drop(self.take(index)),
            Look::Named(ufrag) => {
                let Some(held) = self.take(index) else { return };
                let Some(thread) = self.names.thread(&ufrag) else { return };
                let Some((sender, waker)) = self.threads.get(thread) else { return };
                let Waiting { stream, from, bytes, .. } = held;
                // A thread with so many new streams takes no more; the client tries again.
                if sender.try_send(Handover { stream, from, ufrag, bytes }).is_ok() {
                    let _ = waker.wake();
                }
            }
        }
    }

    /// Takes a stream out of the table and off the list of the system.
    fn take(&mut self, index: usize) -> Option<Waiting> {
        let mut held = self.waiting.try_remove(index)?;
        // One that cannot be taken off the list goes with its descriptor.
        let _ = self.poll.registry().deregister(&mut held.stream);
        let ip = held.from.ip();
        if let Some(count) = self.per_source.get_mut(&ip) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_source.remove(&ip);
            }
        }
        Some(held)
    }

    fn expire(&mut self, now: Time) {
        let late: Vec<usize> = self.waiting.iter().filter(|(_, held)| held.until <= now).map(|(at, _)| at).collect();
        for index in late {
            drop(self.take(index));
        }
    }
}

impl Waiting {
    /// Reads what there is, up to a packet.
    fn look(&mut self) -> Look {
        let mut buffer = [0; LENGTH_BYTES + PACKET_BYTES];
        loop {
            let room = buffer.len().saturating_sub(self.bytes.len());
            let Some(space) = buffer.get_mut(..room).filter(|space| !space.is_empty()) else { return Look::Close };
            match self.stream.read(space) {
                Ok(0) => return Look::Close,
                Ok(read) => self.bytes.extend(space.iter().take(read)),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Look::Wait,
                Err(_) => return Look::Close,
            }
            match cut(&self.bytes) {
                Cut::Packet(packet, _) => return stun_ufrag(packet).map_or(Look::Close, |u| Look::Named(u.to_owned())),
                Cut::TooLong => return Look::Close,
                Cut::Wait => {
                    // A binding request (RFC 8489 §5) is no shorter than its header and begins so.
                    let [_, _, kind @ ..] = self.bytes.as_slice() else { continue };
                    if !kind.iter().zip([0, 1]).all(|(read, wanted)| *read == wanted) {
                        return Look::Close;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::framing::append, *};
    use socket2::{Domain, Socket, Type};
    use std::{net::TcpStream as StdStream, sync::mpsc::sync_channel};

    const NAME: &str = "name";

    /// A binding request in the name of our only connection (RFC 8489 §5, §14.3), in its frame.
    fn request() -> Vec<u8> {
        let username = format!("{NAME}:far!").into_bytes();
        assert_eq!(username.len() % 4, 1, "three bytes of padding");
        let mut packet = vec![0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        packet.extend([0, 6, 0, 9]);
        packet.extend(username);
        packet.extend([0; 3]);
        let mut framed = Vec::new();
        append(&packet, &mut framed);
        framed
    }

    fn connect(from: [u8; 4], to: SocketAddr) -> StdStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&to.into()).unwrap();
        socket.into()
    }

    #[test]
    fn a_crowd_of_many_addresses_keeps_nobody_out() {
        let socket = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let at = socket.local_addr().unwrap();
        let names = Names::default();
        names.note(NAME, 0);
        let (sender, handed_over) = sync_channel(8);
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
        // Time stands still: nobody is late.
        let clock: Clock = Arc::new(Time::default);
        let _listener = Listener::start(socket, names, vec![(sender, waker)], clock).unwrap();
        let sources = u8::try_from(WAITING / WAITING_PER_SOURCE).unwrap();
        let mut crowd: Vec<StdStream> =
            (0..WAITING_PER_SOURCE).flat_map(|_| (0..sources).map(|n| connect([127, 0, 1, n], at))).collect();
        // From an address of the crowd, and from others: a silent one, for whom there is the place that
        // is free again, and one who speaks.
        let mut lone = None;
        for from in [[127, 0, 1, 0], [127, 0, 2, 1]] {
            if lone.is_none() && from[2] == 2 {
                lone = Some(connect([127, 0, 2, 2], at));
            }
            let mut client = connect(from, at);
            std::io::Write::write_all(&mut client, &request()).unwrap();
            let handover = handed_over.recv_timeout(Duration::from_secs(30)).unwrap();
            assert_eq!((handover.ufrag.as_str(), handover.from), (NAME, client.local_addr().unwrap()));
        }
        let is_closed = |stream: &mut StdStream| {
            stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            matches!(stream.read(&mut [0]), Ok(0))
        };
        assert!(is_closed(&mut crowd[0]), "the oldest of the first newcomer's address");
        let closed = crowd.iter_mut().skip(1).filter_map(|stream| is_closed(stream).then_some(()));
        assert_eq!(closed.count(), 1, "one of a crowd");
        assert!(!lone.as_mut().is_some_and(is_closed), "and nobody who is alone at his address");
    }
}
