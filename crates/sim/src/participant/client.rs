//! The life of a headless participant: it joins, says its speech, hears, and may say back at once.

use super::{
    signal::{CID, Error, Signal},
    speech::Speech,
};
use livekit_protocol::signal_response::Message;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    channel::{ChannelConfig, Reliability},
    media::{Direction, MediaKind, Mid},
    net::{Protocol, Receive},
    rtp::{RtpWrite, SeqNo},
};
use tokio::{
    net::UdpSocket,
    sync::{Notify, watch},
    time,
};

/// Sections for tracks of others in the first offer.
const SECTIONS: usize = 3;
/// Between two pings.
const PING: Duration = Duration::from_secs(5);
/// One packet.
const TICK: Duration = Duration::from_millis(20);

/// Who joins, and what it does there.
#[derive(Clone, Debug)]
pub struct Join {
    /// `ws://host:port`.
    pub url: String,
    /// A token that names room and identity.
    pub token: String,
    /// What it says, if anything.
    pub speech: Option<Speech>,
    /// Whether it sends back every Opus packet as it is, instead of a speech.
    pub echo: bool,
}

/// What it has seen; all counters only grow.
#[derive(Debug, Default)]
pub struct Stats {
    /// RTP packets received.
    pub received: AtomicU64,
    /// RTP packets sent.
    pub sent: AtomicU64,
    /// ICE and DTLS are up.
    pub connected: AtomicBool,
}

/// A participant that lives until it is dropped or [`Participant::leave`]s.
#[derive(Debug)]
pub struct Participant {
    /// What it has seen.
    pub stats: Arc<Stats>,
    stop: Arc<Notify>,
    over: watch::Receiver<bool>,
}

impl Participant {
    /// Leaves the room and waits until that is done.
    pub async fn leave(mut self) {
        self.stop.notify_one();
        // The sender is gone when the task is.
        let _ = self.over.wait_for(|over| *over).await;
    }
}

/// Joins; the participant then lives in a task of its own.
///
/// # Errors
/// The server cannot be reached or refuses.
pub async fn join(join: Join) -> Result<Participant, Error> {
    let remote = join.url.split("//").nth(1).unwrap_or_default().trim_end_matches('/').to_owned();
    let socket = UdpSocket::bind("0.0.0.0:0").await?;
    socket.connect(&remote).await?;
    let local = socket.local_addr()?;
    drop(socket);
    let socket = UdpSocket::bind(SocketAddr::new(local.ip(), 0)).await?;
    let local = socket.local_addr()?;

    let publishes = join.echo || join.speech.is_some();
    let (rtc, pending, offer) = connection(local, publishes)?;
    let signal = Signal::open(&join.url, &join.token, offer, publishes).await?;
    let stats = Arc::new(Stats::default());
    let stop = Arc::new(Notify::new());
    let (ended, over) = watch::channel(false);
    let client = Client {
        rtc,
        pending: Some(pending),
        signal,
        socket,
        local,
        stats: stats.clone(),
        speech: join.speech,
        echo: join.echo,
        voice: None,
        said: 0,
        echoed: 0,
    };
    let stopped = stop.clone();
    tokio::spawn(async move {
        if let Err(why) = client.live(&stopped).await {
            tracing::debug!(%why, "a headless participant ended");
        }
        let _ = ended.send(true);
    });
    Ok(Participant { stats, stop, over })
}

#[expect(clippy::disallowed_methods, reason = "the simulator's participants live on real time")]
fn now() -> Instant {
    Instant::now()
}

fn connection(local: SocketAddr, publishes: bool) -> Result<(Rtc, SdpPendingOffer, String), Error> {
    let webrtc = |why: &dyn std::fmt::Display| Error::WebRtc(why.to_string());
    let mut rtc = RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false).build(now());
    rtc.add_local_candidate(Candidate::host(local, "udp").map_err(|why| webrtc(&why))?);
    let mut changes = rtc.sdp_api();
    for _ in 0..SECTIONS {
        changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
    }
    changes.add_channel("_reliable".to_owned());
    changes.add_channel_with_config(ChannelConfig {
        label: "_lossy".to_owned(),
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        ..Default::default()
    });
    if publishes {
        let (stream, track) = (Some("stream".to_owned()), Some(CID.to_owned()));
        changes.add_media(MediaKind::Audio, Direction::SendOnly, stream, track, None);
    }
    let (offer, pending) = changes.apply().ok_or_else(|| webrtc(&"nothing to offer"))?;
    let sdp = offer.to_sdp_string();
    Ok((rtc, pending, sdp))
}

struct Client {
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    signal: Signal,
    socket: UdpSocket,
    local: SocketAddr,
    stats: Arc<Stats>,
    speech: Option<Speech>,
    echo: bool,
    /// The section we publish on, once it is connected.
    voice: Option<Mid>,
    said: u64,
    echoed: u64,
}

impl Client {
    async fn live(mut self, stop: &Notify) -> Result<(), Error> {
        let mut buffer = vec![0; 2_000];
        let mut ping = time::interval(PING);
        let mut tick = time::interval(TICK);
        tick.set_missed_tick_behavior(time::MissedTickBehavior::Burst);
        loop {
            let due = self.drain().await?;
            let nap = time::sleep(due.saturating_duration_since(now()));
            tokio::select! {
                () = stop.notified() => {
                    self.signal.leave().await?;
                    return Ok(());
                }
                message = self.signal.next() => self.message(message?).await?,
                received = self.socket.recv_from(&mut buffer) => {
                    // An ICMP message about a server that is gone counts as a lost packet.
                    if let Ok((length, from)) = received {
                        self.datagram(buffer.get(..length).unwrap_or_default(), from);
                    }
                }
                _ = tick.tick(), if self.voice.is_some() && self.speech.is_some() => self.say(),
                _ = ping.tick() => self.signal.ping().await?,
                () = nap => drop(self.rtc.handle_input(Input::Timeout(now()))),
            }
        }
    }

    async fn message(&mut self, message: Message) -> Result<(), Error> {
        match message {
            Message::Answer(answer) => {
                let Some(pending) = self.pending.take() else { return Ok(()) };
                let answer = SdpAnswer::from_sdp_string(&answer.sdp).map_err(|why| Error::WebRtc(why.to_string()))?;
                self.rtc.sdp_api().accept_answer(pending, answer).map_err(|why| Error::WebRtc(why.to_string()))?;
            }
            Message::MediaSectionsRequirement(wanted) => {
                if self.pending.is_some() {
                    return Ok(());
                }
                let mut changes = self.rtc.sdp_api();
                // An offer needs something new, even if the free sections would do.
                for _ in 0..wanted.num_audios.clamp(1, 8) {
                    changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
                }
                if let Some((offer, pending)) = changes.apply() {
                    self.pending = Some(pending);
                    self.signal.offer(offer.to_sdp_string()).await?;
                }
            }
            Message::Leave(_) => return Err(Error::Ended),
            _ => {}
        }
        Ok(())
    }

    fn datagram(&mut self, datagram: &[u8], from: SocketAddr) {
        if let Ok(receive) = Receive::new(Protocol::Udp, from, self.local, datagram) {
            // What does not decrypt is dropped.
            let _ = self.rtc.handle_input(Input::Receive(now(), receive));
        }
    }

    fn say(&mut self) {
        let Some(speech) = &self.speech else { return };
        let payload = speech.packet(self.said);
        self.said += 1;
        self.send(self.said, (self.said as u32).wrapping_mul(960), payload);
    }

    fn send(&mut self, sequence: u64, timestamp: u32, payload: Arc<[u8]>) {
        let Some(mid) = self.voice else { return };
        let opus = self.rtc.codec_config().params().iter().map(|p| p.pt()).next();
        if let (Some(pt), Some(stream)) = (opus, self.rtc.direct_api().stream_tx_by_mid(mid, None)) {
            stream.write_rtp(RtpWrite::new(pt, SeqNo::from(sequence), timestamp, now(), payload));
            self.stats.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Carries out what the stack wants; returns when it wants to be woken.
    async fn drain(&mut self) -> Result<Instant, Error> {
        loop {
            match self.rtc.poll_output().map_err(|why| Error::WebRtc(why.to_string()))? {
                Output::Timeout(at) => return Ok(at),
                // What the network refuses is lost, as any datagram may be.
                Output::Transmit(send) => drop(self.socket.try_send_to(&send.contents, send.destination)),
                Output::Event(event) => self.event(event)?,
            }
        }
    }

    fn event(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Connected => self.stats.connected.store(true, Ordering::Relaxed),
            Event::MediaAdded(added) if added.direction.is_sending() => self.voice = Some(added.mid),
            Event::RtpPacket(packet) => {
                self.stats.received.fetch_add(1, Ordering::Relaxed);
                if self.echo {
                    self.echoed += 1;
                    self.send(self.echoed, packet.header.timestamp, packet.payload.clone());
                }
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => return Err(Error::Ended),
            _ => {}
        }
        Ok(())
    }
}
