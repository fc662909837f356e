//! The life of a headless participant: it says its speech, hears, and may say back at once.

use super::{
    ear::{Ear, Listening},
    join::{Join, Progress, Stats},
    signal::{CID, Error, Signal},
    socket::Socket,
};
use livekit_protocol::signal_response::Message;
use std::{
    io::ErrorKind,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    channel::{ChannelConfig, Reliability},
    media::{Direction, MediaKind, Mid, Pt},
    net::{Protocol, Receive, TcpType},
    rtp::{RtpPacket, RtpWrite, SeqNo},
};
use tokio::{
    sync::{Notify, watch},
    time,
};
use trunkline_types::{Random, VoiceCodec};

/// Sections for tracks of others in the first offer.
const SECTIONS: usize = 1;
/// One packet.
const TICK: Duration = Duration::from_millis(20);
/// How many of them make a second.
const TICKS_PER_SECOND: u64 = 50;
/// Datagrams taken at a time.
const BUDGET: usize = 16;
/// What a server writes that mixes for phones alone.
const WIDEBAND: &str = "maxplaybackrate=16000";

#[expect(clippy::disallowed_methods, reason = "the simulator's participants live on real time")]
fn now() -> Instant {
    Instant::now()
}

fn webrtc(why: &dyn std::fmt::Display) -> Error {
    Error::WebRtc(why.to_string())
}

/// A connection with its first offer.
pub(crate) struct Offered {
    pub(crate) rtc: Rtc,
    pub(crate) pending: SdpPendingOffer,
    pub(crate) sdp: String,
    /// The section on which it will speak.
    voice: Option<Mid>,
}

/// Offers sections for others, data channels, and one for its own voice if it has one.
pub(crate) fn connection(
    local: SocketAddr,
    protocol: Protocol,
    codec: VoiceCodec,
    publishes: bool,
) -> Result<Offered, Error> {
    let mut rtc = RtcConfig::new()
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(codec == VoiceCodec::Opus, false)
        .enable_pcmu(codec == VoiceCodec::Pcmu, false)
        .enable_pcma(codec == VoiceCodec::Pcma, false)
        .build(now());
    let candidate = match protocol {
        Protocol::Tcp => Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build(),
        _ => Candidate::host(local, Protocol::Udp),
    };
    rtc.add_local_candidate(candidate.map_err(|why| webrtc(&why))?);
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
    let voice = publishes.then(|| {
        let (stream, track) = (Some("stream".to_owned()), Some(CID.to_owned()));
        changes.add_media(MediaKind::Audio, Direction::SendOnly, stream, track, None)
    });
    let (offer, pending) = changes.apply().ok_or_else(|| webrtc(&"nothing to offer"))?;
    let sdp = offer.to_sdp_string();
    Ok(Offered { rtc, pending, sdp, voice })
}

pub(crate) struct Client {
    join: Join,
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    signal: Signal,
    socket: Socket,
    local: SocketAddr,
    stats: Arc<Stats>,
    listening: Listening,
    /// The section we publish on.
    voice: Option<Mid>,
    /// Its codec, once it is agreed on.
    payload_type: Option<Pt>,
    connected: bool,
    /// The server wants no more than 16 kHz.
    wideband: bool,
    said: u64,
    sequence: u64,
    /// First and highest sequence number received, and packets, of the latest source.
    heard: Option<(u32, u64, u64, u64)>,
    random: Random,
}

impl Client {
    pub(crate) fn new(
        join: Join,
        offered: Offered,
        signal: Signal,
        socket: Socket,
        local: SocketAddr,
        stats: Arc<Stats>,
        listening: Listening,
    ) -> Self {
        let Offered { rtc, pending, voice, .. } = offered;
        Self {
            join,
            rtc,
            pending: Some(pending),
            signal,
            socket,
            local,
            stats,
            listening,
            voice,
            payload_type: None,
            connected: false,
            wideband: false,
            said: 0,
            sequence: 0,
            heard: None,
            random: Random::from_number(u64::from(local.port())),
        }
    }

    pub(crate) async fn live(mut self, stop: &Notify, told: &watch::Sender<Progress>) -> Result<(), Error> {
        let mut buffer = vec![0; 2_000];
        let mut tick = time::interval(TICK);
        tick.set_missed_tick_behavior(time::MissedTickBehavior::Burst);
        let mut nap = pin!(time::sleep(Duration::ZERO));
        let mut stopped = pin!(stop.notified());
        loop {
            let due = self.drain()?;
            if *told.borrow() == Progress::Joining && self.connected {
                told.send_replace(Progress::Ready);
                // Nobody says at once what he could not say before.
                tick.reset();
            }
            // Who only makes load looks at everything when it speaks, and at nothing in between.
            let lazy = self.connected && self.join.speech.is_some() && matches!(self.join.ear, Ear::Counts);
            if lazy {
                self.socket.doze()?;
            }
            if !lazy && nap.deadline().into_std() != due {
                nap.as_mut().reset(due.into());
            }
            let speaks = self.connected && self.join.speech.is_some();
            tokio::select! {
                biased;
                () = &mut stopped => {
                    self.signal.leave().await?;
                    self.signal.close().await;
                    return Ok(());
                }
                () = self.socket.readable(), if !lazy => self.receive(&mut buffer)?,
                turn = tick.tick(), if speaks => {
                    self.stats.spoke_after(now().saturating_duration_since(turn.into_std()));
                    if lazy {
                        self.receive(&mut buffer)?;
                        if due <= now() {
                            self.wake()?;
                        }
                    }
                    self.say();
                    for _ in 1..self.at_once() {
                        // The stack sends one packet whenever it is woken.
                        self.wake()?;
                        self.drain()?;
                        self.say();
                    }
                }
                () = &mut nap, if !lazy => self.wake()?,
                message = self.signal.next() => self.message(message?).await?,
            }
        }
    }

    async fn message(&mut self, message: Message) -> Result<(), Error> {
        match message {
            Message::Answer(answer) => {
                let Some(pending) = self.pending.take() else { return Ok(()) };
                self.wideband |= answer.sdp.contains(WIDEBAND);
                self.socket.connect(&answer.sdp).await?;
                let answer = SdpAnswer::from_sdp_string(&answer.sdp).map_err(|why| webrtc(&why))?;
                self.rtc.sdp_api().accept_answer(pending, answer).map_err(|why| webrtc(&why))?;
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
            Message::Leave(leave) => {
                let (reason, action) = (leave.reason().as_str_name(), leave.action().as_str_name());
                return Err(Error::ToldToLeave { reason, action });
            }
            _ => {}
        }
        Ok(())
    }

    /// Time has passed.
    fn wake(&mut self) -> Result<(), Error> {
        self.rtc.handle_input(Input::Timeout(now())).map_err(|why| webrtc(&why))
    }

    /// Takes what there is, but not all at once.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        for _ in 0..BUDGET {
            match self.socket.receive(buffer) {
                Ok((length, from)) => self.datagram(&buffer[..length], from)?,
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                // An ICMP message about a server that is gone counts as a lost packet.
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn datagram(&mut self, datagram: &[u8], from: SocketAddr) -> Result<(), Error> {
        if let Ok(receive) = Receive::new(self.socket.protocol(), from, self.local, datagram) {
            // What does not decrypt is dropped.
            let _ = self.rtc.handle_input(Input::Receive(now(), receive));
            // The stack holds one packet: another before it is taken out would replace it.
            self.drain()?;
        }
        Ok(())
    }

    /// Packets to be sent at this tick.
    fn at_once(&self) -> u64 {
        let left = self.join.rush.packets.saturating_sub(self.sequence);
        left.min(u64::from(self.join.rush.per_second) / TICKS_PER_SECOND).max(1)
    }

    fn say(&mut self) {
        let Some(speech) = &self.join.speech else { return };
        let n = self.said;
        self.said += 1;
        let Some(payload) = speech.packet(self.join.offset + n, self.wideband) else { return };
        let at = now();
        self.listening.said(self.join.offset + n, at);
        self.sequence += 1;
        if self.join.loss_percent > 0 && self.random.below(100) < u64::from(self.join.loss_percent) {
            return;
        }
        self.send((n as u32).wrapping_mul(self.join.codec.frame_ticks()), payload, at);
    }

    fn send(&mut self, timestamp: u32, payload: Arc<[u8]>, at: Instant) {
        let Some((mid, pt)) = self.voice.zip(self.payload_type) else { return };
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, None) {
            stream.write_rtp(RtpWrite::new(pt, SeqNo::from(self.sequence), timestamp, at, payload));
            self.stats.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Carries out what the stack wants; returns when it wants to be woken.
    fn drain(&mut self) -> Result<Instant, Error> {
        loop {
            match self.rtc.poll_output().map_err(|why| webrtc(&why))? {
                Output::Timeout(at) => return Ok(at),
                // What the network refuses is lost, as any datagram may be.
                Output::Transmit(send) => drop(self.socket.send(&send.contents, send.destination)),
                Output::Event(event) => self.event(event)?,
            }
        }
    }

    fn event(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Connected => {
                self.connected = true;
                self.payload_type = self.rtc.codec_config().params().iter().map(|p| p.pt()).next();
                self.stats.connected.store(true, Ordering::Relaxed);
            }
            Event::RtpPacket(packet) => self.packet(&packet),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => return Err(Error::Silence),
            _ => {}
        }
        Ok(())
    }

    fn packet(&mut self, packet: &RtpPacket) {
        self.stats.received.fetch_add(1, Ordering::Relaxed);
        let at = now();
        let (ssrc, sequence) = (*packet.header.ssrc, *packet.seq_no);
        let known = self.heard.filter(|(held, ..)| *held == ssrc);
        let (_, first, highest, count) = known.unwrap_or((ssrc, sequence, sequence, 0));
        let now_missing = |highest: u64, count: u64| (highest + 1 - first).saturating_sub(count);
        let (after, count) = (highest.max(sequence), count + 1);
        if known.is_some() {
            let more = now_missing(after, count).saturating_sub(now_missing(highest, count - 1));
            self.stats.lost.fetch_add(more, Ordering::Relaxed);
        }
        self.heard = Some((ssrc, first, after, count));
        self.listening.heard(packet.header.timestamp, &packet.payload, at);
        if self.join.echo {
            self.sequence += 1;
            self.send(packet.header.timestamp, packet.payload.clone(), at);
        }
    }
}
