//! Joining a room, and what is left in the hand: the participant lives in a task of its own.

use super::{
    client::{Client, connection},
    ear::Listening,
    join::{Join, Progress, Stats},
    signal::{Error, Signal},
    socket::Socket,
};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    net::UdpSocket,
    sync::{Notify, watch},
};

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
            _ => Err(self.stats.failure().unwrap_or(Error::Ended)),
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
            // It fails once.
            let _ = seen.failed.set(why.to_string());
        }
        told.send_replace(Progress::Over);
    });
    Ok(Participant { stats, stop, progress })
}
