//! A transport whose arrivals can be awaited, and messages to send to it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, mpsc};
use trunkline_sip::flow::{Flow, Received};
use trunkline_transport::{Config, Incoming, Transport};
use trunkline_types::Time;

/// A bound transport.
pub struct Bound {
    pub transport: Transport,
    incoming: Mutex<mpsc::Receiver<Incoming>>,
    /// Whether the sink has room.
    pub room: Arc<AtomicBool>,
    /// Makes the sink panic once.
    pub panics: Arc<AtomicBool>,
    /// The clock, nanoseconds; it stands until set.
    pub nanos: Arc<AtomicU64>,
}

pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// UDP and TCP on free ports.
pub async fn plain() -> Bound {
    bind(Config { udp: vec![loopback()], tcp: vec![loopback()], ..Config::default() }).await
}

pub async fn bind(config: Config) -> Bound {
    let (sender, incoming) = mpsc::channel(4_096);
    let (room, panics) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let nanos = Arc::new(AtomicU64::new(0));
    let (has_room, panic_once, clock) = (room.clone(), panics.clone(), nanos.clone());
    let sink = move |incoming| {
        assert!(!panic_once.swap(false, Ordering::SeqCst), "on purpose");
        has_room.load(Ordering::SeqCst) && sender.try_send(incoming).is_ok()
    };
    let clock = move || Time::new(clock.load(Ordering::SeqCst), 0);
    let transport = Transport::bind(config, Arc::new(clock), Arc::new(sink)).await.expect("bound");
    Bound { transport, incoming: Mutex::new(incoming), room, panics, nanos }
}

/// What must come comes within this; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes")
}

impl Bound {
    pub async fn next(&self) -> Incoming {
        soon(self.incoming.lock().await.recv()).await.expect("the transport lives")
    }

    pub async fn received(&self) -> Received {
        match self.next().await {
            Incoming::Received(received) => received,
            Incoming::Closed(flow, why) => panic!("closed instead: {flow:?}: {why}"),
        }
    }

    pub async fn closed(&self) -> Flow {
        match self.next().await {
            Incoming::Closed(flow, _) => flow,
            Incoming::Received(received) => panic!("received instead: {:?}", received.raw),
        }
    }

    pub fn udp(&self) -> SocketAddr {
        self.transport.addresses().udp[0]
    }

    pub fn tcp(&self) -> SocketAddr {
        self.transport.addresses().tcp[0]
    }
}

/// A request that parses.
pub fn request(method: &str, call_id: &str) -> Vec<u8> {
    format!(
        "{method} sip:+15550101@example.net SIP/2.0\r\n\
         Via: SIP/2.0/TCP 127.0.0.1:5099;branch=z9hG4bK{call_id};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:+15550100@example.com>;tag=f\r\n\
         To: <sip:+15550101@example.net>\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: 1 {method}\r\n\
         Contact: <sip:+15550100@127.0.0.1:5099>\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}
