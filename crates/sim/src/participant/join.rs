//! Joining a room, and what is left in the hand: the participant lives in a task of its own.

use super::{
    client::{Client, connection},
    ear::{Ear, Listening},
    signal::{Error, Signal},
    socket::Socket,
    speech::Speech,
};
use crate::LATE;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::UdpSocket,
    sync::{Notify, watch},
};
use trunkline_types::VoiceCodec;

/// Who joins, and what it does there.
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// `ws://host:port`.
    pub url: String,
    /// A token that names room and identity.
    pub token: String,
    /// What it says, if anything.
    pub speech: Option<Speech>,
    /// With which packet of its speech it begins.
    pub offset: u64,
    /// Of a hundred packets so many are not sent, as if they were lost; spread by chance.
    pub loss_percent: u8,
    /// How it begins to speak.
    pub rush: Rush,
    /// Whether it sends back every packet as it is, instead of a speech.
    pub echo: bool,
    /// What it speaks.
    pub codec: VoiceCodec,
    /// Whether its audio goes over TCP.
    pub tcp: bool,
    /// How it listens.
    pub ear: Ear,
}

/// A beginning in less time than it takes to say: RTP numbers and timestamps soon stand where they
/// otherwise would after hours. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rush {
    /// So many packets are sent faster than they are said.
    pub packets: u64,
    /// At this rate, in steps of 50 per second.
    pub per_second: u32,
}

/// What it has seen; all counters only grow.
#[derive(Debug, Default)]
pub struct Stats {
    /// RTP packets received.
    pub received: AtomicU64,
    /// RTP packets that the sequence numbers miss.
    pub lost: AtomicU64,
    /// RTP packets sent.
    pub sent: AtomicU64,
    /// Of them those sent at least 10 ms after their time.
    pub sent_late: AtomicU64,
    /// How long after its time the latest was sent, microseconds.
    pub latest_us: AtomicU64,
    /// ICE and DTLS are up.
    pub connected: AtomicBool,
    /// It left before it was told to.
    pub failed: AtomicBool,
}

impl Stats {
    /// A packet was sent so long after its time.
    pub(crate) fn spoke_after(&self, late: Duration) {
        self.sent_late.fetch_add(u64::from(late >= LATE), Ordering::Relaxed);
        self.latest_us.fetch_max(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// How far a participant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Joining,
    /// Connected.
    Ready,
    Over,
}

/// A participant that lives until it is dropped or [`Participant::leave`]s.
#[derive(Debug)]
pub struct Participant {
    /// What it has seen.
    pub stats: Arc<Stats>,
    stop: Arc<Notify>,
    progress: watch::Receiver<Progress>,
}

impl Participant {
    /// Waits until it is connected; from then on it speaks.
    ///
    /// # Errors
    /// It ended before.
    pub async fn ready(&mut self) -> Result<(), Error> {
        match self.progress.wait_for(|p| *p != Progress::Joining).await {
            Ok(progress) if *progress == Progress::Ready => Ok(()),
            _ => Err(Error::Ended),
        }
    }

    /// Leaves the room and waits until that is done.
    pub async fn leave(mut self) {
        self.stop.notify_one();
        // The sender is gone when the task is.
        let _ = self.progress.wait_for(|p| *p == Progress::Over).await;
    }
}

/// Joins; the participant then lives in a task of its own.
///
/// # Errors
/// The server cannot be reached or refuses.
pub async fn join(join: Join) -> Result<Participant, Error> {
    let remote = join.url.split("//").nth(1).unwrap_or_default().trim_end_matches('/').to_owned();
    let probe = UdpSocket::bind("0.0.0.0:0").await?;
    probe.connect(&remote).await?;
    let ip = probe.local_addr()?.ip();
    let (socket, local) = Socket::bind(SocketAddr::new(ip, 0), join.tcp).await?;

    let publishes = join.echo || join.speech.is_some();
    let mut offered = connection(local, socket.protocol(), join.codec, publishes)?;
    let offer = std::mem::take(&mut offered.sdp);
    let signal = Signal::open(&join.url, &join.token, offer, publishes).await?;
    let stats = Arc::new(Stats::default());
    let stop = Arc::new(Notify::new());
    let (told, progress) = watch::channel(Progress::Joining);
    let listening = Listening::new(join.ear.clone(), join.codec);
    let client = Client::new(join, offered, signal, socket, local, stats.clone(), listening);
    let (stopped, seen) = (stop.clone(), stats.clone());
    tokio::spawn(async move {
        if let Err(why) = client.live(&stopped, &told).await {
            tracing::debug!(%why, "a headless participant ended");
            seen.failed.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        told.send_replace(Progress::Over);
    });
    Ok(Participant { stats, stop, progress })
}
