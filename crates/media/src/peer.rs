//! One WebRTC connection: its SDP, its ICE and DTLS, what it sends and receives.

use crate::{
    batch::Outbound,
    bypass::{self, Bypass, KeySlot},
    candidates::Candidates,
    soon::soon,
};
use bytes::Bytes;
use mio::net::UdpSocket;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use str0m::{
    Event, IceConnectionState, Input, Output, Rtc, RtcConfig, RtcError,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::{ChannelConfig, ChannelData, ChannelId, Reliability},
    config::{CryptoProvider, DtlsCert},
    media::{Direction, KeyframeRequestKind, MediaKind, Mid, Rid},
    net::{Protocol, Receive, Transmit},
    rtp::{RtpPacket, Ssrc},
};
use trunkline_call::media::peer::{Offered, PeerFact, PeerKey, PeerMedia};
use trunkline_sdp::webrtc::without_audio_feedback;
use trunkline_types::{Time, TrackSid, VoiceCodec};

/// Labels of the data channels every LiveKit client knows.
const LABELS: [&str; 2] = ["_reliable", "_lossy"];
/// Channels a client may open.
const CHANNELS: usize = 8;
/// A client that leaves so many reliable bytes unread is cut off.
const RELIABLE_BACKLOG: usize = 4 * 1024 * 1024;
/// Lossy packets beyond this are dropped, the oldest first.
const LOSSY_BACKLOG: usize = 64 * 1024;
/// From so many sections of ours on any free one is taken.
const SECTIONS: usize = 48;
/// Tracks that are remembered of a section.
const CARRIED: usize = 64;
/// SSRCs that are remembered; a client needs a few.
const SOURCES: usize = 128;
/// A client that has filled that list so many times joins anew: the WebRTC stack forgets none of its SSRCs.
const LISTS: u32 = 64;
/// Between two requests for a key frame.
const KEYFRAME_EVERY: Duration = Duration::from_millis(500);

/// What all connections of a process share.
#[derive(Clone)]
pub(crate) struct Stack {
    provider: Arc<CryptoProvider>,
    certificate: Option<DtlsCert>,
}

impl Stack {
    pub(crate) fn new() -> Self {
        let provider = Arc::new(bypass::provider());
        let certificate = provider.dtls_provider.generate_certificate();
        Self { provider, certificate }
    }

    fn rtc(&self, codec: VoiceCodec, now: Instant) -> Rtc {
        let mut config = RtcConfig::new()
            .set_crypto_provider(self.provider.clone())
            .set_rtp_mode(true)
            .set_ice_lite(true)
            .clear_codecs()
            .enable_opus(codec == VoiceCodec::Opus, false)
            .enable_pcmu(codec == VoiceCodec::Pcmu, false)
            .enable_pcma(codec == VoiceCodec::Pcma, false)
            .enable_vp8(true)
            .enable_h264(true);
        if let Some(certificate) = &self.certificate {
            config = config.set_dtls_cert(certificate.clone());
        }
        config.build(now)
    }
}

/// What came for a connection.
pub(crate) struct Arrived<'a> {
    pub(crate) datagram: &'a [u8],
    pub(crate) from: SocketAddr,
    pub(crate) protocol: Protocol,
    /// Nothing good has come from this address yet.
    pub(crate) is_stranger: bool,
}

/// A section of our offers.
struct Ours {
    mid: Mid,
    kind: MediaKind,
    /// Tracks it carries or has carried. The native SDKs pass over a track on a section that has
    /// carried it before (`dispatched_streams` of `livekit/rust-sdks`).
    carried: Vec<TrackSid>,
    /// Its track is gone, and the client has agreed.
    free: bool,
}

/// A track that the peer publishes.
struct Published {
    mid: Mid,
    track: usize,
    /// The layer that is forwarded, once one has been seen.
    layer: Option<Option<Rid>>,
    keyframe_asked: Option<Instant>,
}

/// What comes out of a connection while it is driven.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) facts: Vec<PeerFact>,
    /// The publisher's connection, the track of its room, and the packet.
    pub(crate) packets: Vec<(usize, usize, RtpPacket)>,
    /// Sections whose receiver wants a key frame: connection and section.
    pub(crate) keyframes: Vec<(usize, Mid)>,
    /// Packets for the streams of clients, and the connections they are of.
    pub(crate) framed: Vec<(usize, Transmit)>,
}

/// See the module.
pub(crate) struct Peer {
    pub(crate) key: PeerKey,
    /// The place of its room.
    pub(crate) room: usize,
    codec: VoiceCodec,
    rtc: Rtc,
    keys: KeySlot,
    /// Its audio, once the handshake is over.
    bypass: Option<Box<Bypass>>,
    /// The time it was last told.
    told: Instant,
    pub(crate) sections: Vec<Section>,
    published: Vec<Published>,
    sources: Vec<(Ssrc, Mid, Option<Rid>)>,
    /// How often it was full.
    lists: u32,
    channels: [Option<ChannelId>; 2],
    backlog: [VecDeque<Bytes>; 2],
    backlog_bytes: [usize; 2],
    opened: usize,
    stuck: bool,
    /// Nothing came for a while, and it has been told.
    lost: bool,
    pending: Option<SdpPendingOffer>,
    /// The sections of our offers.
    ours: Vec<Ours>,
    /// Those whose track is gone with the offer under way.
    freed: Vec<Mid>,
    /// When it wants to be driven without a packet.
    pub(crate) due: Option<Instant>,
    /// The time of its entry in the thread's list; never later than `due`.
    pub(crate) listed: Option<Instant>,
    pub(crate) ufrags: Vec<String>,
}

impl Peer {
    pub(crate) fn new(
        key: PeerKey,
        room: usize,
        codec: VoiceCodec,
        stack: &Stack,
        candidates: &Candidates,
        now: Instant,
    ) -> Self {
        let (mut rtc, keys) = bypass::with_slot(|| stack.rtc(codec, now));
        candidates.tell(&mut rtc);
        Self {
            key,
            room,
            codec,
            rtc,
            keys,
            bypass: None,
            told: now,
            sections: Vec::new(),
            published: Vec::new(),
            sources: Vec::new(),
            lists: 0,
            channels: [None; 2],
            backlog: Default::default(),
            backlog_bytes: [0; 2],
            opened: 0,
            stuck: false,
            lost: false,
            pending: None,
            ours: Vec::new(),
            freed: Vec::new(),
            due: None,
            listed: None,
            ufrags: Vec::new(),
        }
    }

    /// It will be used: asks for what says where its audio goes.
    pub(crate) fn soon(&self) {
        soon(&self.bypass);
        soon(&self.sections);
        soon(&self.published);
        soon(&self.room);
    }

    /// It will be sent audio on this section.
    pub(crate) fn soon_sending(&self, section: usize) {
        if let Some(section) = self.sections.get(section) {
            soon(section);
        }
        if let Some(bypass) = &self.bypass {
            soon(&bypass.outward);
        }
    }

    /// Audio of it has come.
    pub(crate) fn soon_receiving(&self) {
        soon(&self.published[..]);
        if let Some(bypass) = &self.bypass {
            soon(&bypass.inward);
        }
    }

    /// The sources of that audio.
    pub(crate) fn soon_sources(&self) {
        if let Some(bypass) = &self.bypass {
            bypass.inward.soon();
        }
    }

    /// The track it publishes, of several the first.
    pub(crate) fn first_track(&self) -> Option<usize> {
        self.published.first().map(|published| published.track)
    }

    /// Answers the client's offer, with new SSRCs for some sections.
    pub(crate) fn answer(&mut self, sdp: &str, renew: &[String]) -> Result<String, String> {
        self.agree_anew();
        for mid in renew {
            self.renew(Mid::from(mid.as_str()));
        }
        let offer = SdpOffer::from_sdp_string(&without_audio_feedback(sdp)).map_err(|why| why.to_string())?;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(|why| why.to_string())?;
        self.note_ufrag();
        Ok(answer.to_sdp_string())
    }

    /// What is sent on this section from now on is a new stream to its receiver.
    fn renew(&mut self, mid: Mid) {
        let mut api = self.rtc.direct_api();
        let Some(old) = api.stream_tx_by_mid(mid, None) else { return };
        let (ssrc, repairs) = (old.ssrc(), old.rtx().is_some());
        api.remove_stream_tx(ssrc);
        let (ssrc, rtx) = (api.new_ssrc(), repairs.then(|| api.new_ssrc()));
        api.declare_stream_tx(ssrc, rtx, mid, None);
        if let Some(section) = self.sections.iter_mut().find(|s| s.mid == mid) {
            section.renew();
        }
    }

    /// A section of a track that is gone, made ready for another one.
    fn reuse(&mut self, offered: &Offered) -> Option<Mid> {
        let kind = kind_of(offered.media);
        let enough = self.ours.len() >= SECTIONS;
        let fits = |o: &&mut Ours| o.free && o.kind == kind && (enough || !o.carried.contains(&offered.track));
        let found = self.ours.iter_mut().find(fits)?;
        found.free = false;
        found.carried.retain(|track| *track != offered.track);
        if found.carried.len() >= CARRIED {
            found.carried.remove(0);
        }
        found.carried.push(offered.track.clone());
        let mid = found.mid;
        self.renew(mid);
        Some(mid)
    }

    /// Makes an offer; the first one brings the data channels. Sections of tracks that are gone
    /// carry new ones.
    pub(crate) fn offer(
        &mut self,
        add: &[Offered],
        remove: &[String],
        restart_ice: bool,
    ) -> Result<(String, Vec<(TrackSid, String)>), String> {
        self.agree_anew();
        let reused: Vec<Option<Mid>> = add.iter().map(|offered| self.reuse(offered)).collect();
        let first = self.opened == 0;
        self.opened += usize::from(first);
        let mut changes = self.rtc.sdp_api();
        if first {
            changes.add_channel(LABELS[0].to_owned());
            changes.add_channel_with_config(ChannelConfig {
                label: LABELS[1].to_owned(),
                ordered: false,
                reliability: Reliability::MaxRetransmits { retransmits: 0 },
                ..Default::default()
            });
        }
        let sections = add
            .iter()
            .zip(reused)
            .map(|(offered, mid)| {
                let mid = match mid {
                    Some(mid) => {
                        changes.set_direction(mid, Direction::SendOnly);
                        mid
                    }
                    None => {
                        let kind = kind_of(offered.media);
                        let mid = changes.add_media(kind, Direction::SendOnly, None, None, None);
                        self.ours.push(Ours { mid, kind, carried: vec![offered.track.clone()], free: false });
                        mid
                    }
                };
                (offered.track.clone(), mid.to_string())
            })
            .collect();
        self.freed.clear();
        for mid in remove {
            let mid = Mid::from(mid.as_str());
            changes.set_direction(mid, Direction::Inactive);
            self.freed.push(mid);
        }
        if restart_ice {
            changes.ice_restart(true);
        }
        let (offer, pending) = changes.apply().ok_or("nothing to offer")?;
        self.pending = Some(pending);
        self.note_ufrag();
        Ok((without_audio_feedback(&offer.to_sdp_string()), sections))
    }

    /// Takes the client's answer to our offer.
    pub(crate) fn accept(&mut self, sdp: &str) -> Result<(), String> {
        self.agree_anew();
        let pending = self.pending.take().ok_or("an answer to no offer")?;
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|why| why.to_string())?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(|why| why.to_string())?;
        self.note_ufrag();
        for mid in self.freed.drain(..) {
            for ours in self.ours.iter_mut().filter(|o| o.mid == mid) {
                ours.free = true;
            }
        }
        Ok(())
    }

    fn note_ufrag(&mut self) {
        let ufrag = self.rtc.direct_api().local_ice_credentials().ufrag;
        if !self.ufrags.contains(&ufrag) {
            self.ufrags.push(ufrag);
        }
    }

    /// What comes on this section belongs to that track of the room.
    pub(crate) fn publish(&mut self, mid: &str, track: usize) {
        let mid = Mid::from(mid);
        self.published.retain(|p| p.mid != mid && p.track != track);
        self.published.push(Published { mid, track, layer: None, keyframe_asked: None });
    }

    pub(crate) fn unpublish(&mut self, track: usize) {
        self.published.retain(|p| p.track != track);
    }

    /// Asks the publisher of a video track for a key frame, not too often.
    pub(crate) fn ask_keyframe(&mut self, track: usize, now: Instant) {
        let Some(published) = self.published.iter_mut().find(|p| p.track == track) else { return };
        if published.keyframe_asked.is_some_and(|at| now.duration_since(at) < KEYFRAME_EVERY) {
            return;
        }
        let layer = published.layer.flatten();
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(published.mid, layer) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
            published.keyframe_asked = Some(now);
        }
    }

    /// A datagram came for it; returns whether it was meant for it. A stranger's is if its key
    /// (RFC 8489 §14.5) is that of this connection, and is dropped unless it is.
    pub(crate) fn receive(&mut self, arrived: &Arrived<'_>, to: SocketAddr, now: Instant) -> bool {
        self.told = now;
        // What does not parse is dropped here; what parses but does not decrypt, inside.
        let Ok(receive) = Receive::new(arrived.protocol, arrived.from, to, arrived.datagram) else { return false };
        let input = Input::Receive(now, receive);
        if arrived.is_stranger && !self.rtc.accepts(&input) {
            return false;
        }
        if let Err(why) = self.rtc.handle_input(input) {
            tracing::debug!(participant = %self.key.participant, %why, "a datagram was refused");
        }
        if bypass::is_stun(arrived.datagram) {
            self.ask_route();
        }
        true
    }

    /// Time has passed.
    pub(crate) fn wake(&mut self, now: Instant) {
        self.told = now;
        if let Err(why) = self.rtc.handle_input(Input::Timeout(now)) {
            tracing::debug!(participant = %self.key.participant, %why, "a timeout went wrong");
        }
    }

    /// Carries out what the stack wants until it wants nothing more.
    ///
    /// # Errors
    /// The connection cannot go on.
    pub(crate) fn drain(
        &mut self,
        index: usize,
        now: Time,
        socket: &UdpSocket,
        outbound: &mut Outbound,
        out: &mut Outbox,
    ) -> Result<(), RtcError> {
        self.flush(out);
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.due = Some(at);
                    return Ok(());
                }
                Output::Transmit(mut send) => {
                    if bypass::is_media(&send.contents) {
                        self.media_leaves(&mut send);
                    }
                    match send.proto {
                        Protocol::Tcp => out.framed.push((index, send)),
                        _ => outbound.push(send.destination, &send.contents, socket),
                    }
                }
                Output::Event(event) => self.event(index, event, now, out),
            }
        }
    }

    fn event(&mut self, index: usize, event: Event, now: Time, out: &mut Outbox) {
        match event {
            Event::RtpPacket(packet) => {
                if let Some(track) = self.track_of(&packet) {
                    self.adopt(&packet, now);
                    out.packets.push((index, track, packet));
                }
                if self.lists >= LISTS {
                    self.lists = 0;
                    let (peer, why) = (self.key.clone(), "too many SSRCs".to_owned());
                    out.facts.push(PeerFact::Failed { peer, why });
                }
            }
            Event::Connected => out.facts.push(PeerFact::Connected { peer: self.key.clone() }),
            Event::Closed => out.facts.push(PeerFact::Closed { peer: self.key.clone() }),
            Event::IceConnectionStateChange(state) => {
                self.ask_route();
                match state {
                    IceConnectionState::Disconnected => {
                        self.lost = true;
                        out.facts.push(PeerFact::Lost { peer: self.key.clone() });
                    }
                    IceConnectionState::Connected | IceConnectionState::Completed if self.lost => {
                        self.lost = false;
                        out.facts.push(PeerFact::Connected { peer: self.key.clone() });
                    }
                    _ => {}
                }
            }
            Event::ChannelOpen(id, label) => self.channel_opened(id, &label, out),
            Event::ChannelData(data) => self.data(data, out),
            Event::ChannelClose(id) => {
                for held in &mut self.channels {
                    *held = held.filter(|open| *open != id);
                }
            }
            Event::ChannelBufferedAmountLow(_) => self.flush(out),
            Event::KeyframeRequest(request) => out.keyframes.push((index, request.mid)),
            _ => {}
        }
    }

    /// The track a packet belongs to; `None` for a section nobody knows or a layer not forwarded.
    fn track_of(&mut self, packet: &RtpPacket) -> Option<usize> {
        let ssrc = packet.header.ssrc;
        let (mid, rid) = match self.sources.iter().find(|(held, ..)| *held == ssrc) {
            Some((_, mid, rid)) => (*mid, *rid),
            None => {
                let mut api = self.rtc.direct_api();
                let stream = api.stream_rx(&ssrc)?;
                let (mid, rid) = (stream.mid(), stream.rid());
                if self.sources.len() >= SOURCES {
                    self.sources.clear();
                    self.lists += 1;
                }
                self.sources.push((ssrc, mid, rid));
                (mid, rid)
            }
        };
        let published = self.published.iter_mut().find(|p| p.mid == mid)?;
        let layer = *published.layer.get_or_insert(rid);
        (layer == rid).then_some(published.track)
    }

    fn channel_opened(&mut self, id: ChannelId, label: &str, out: &mut Outbox) {
        self.opened += 1;
        let Some(at) = LABELS.iter().position(|known| *known == label) else { return };
        if self.opened > CHANNELS {
            return;
        }
        self.channels[at] = Some(id);
        if let Some(mut channel) = self.rtc.channel(id) {
            channel.set_buffered_amount_low_threshold(16 * 1024);
        }
        out.facts.push(PeerFact::DataOpen {
            participant: self.key.participant.clone(),
            side: self.key.side,
            reliable: at == 0,
        });
        self.flush(out);
    }

    fn data(&mut self, data: ChannelData, out: &mut Outbox) {
        let Some(at) = self.channels.iter().position(|held| *held == Some(data.id)) else { return };
        if data.binary {
            out.facts.push(PeerFact::Data {
                participant: self.key.participant.clone(),
                reliable: at == 0,
                payload: Bytes::from(data.data),
            });
        }
    }

    /// Queues a data packet for the client.
    pub(crate) fn send_data(&mut self, reliable: bool, payload: Bytes) {
        let at = usize::from(!reliable);
        self.backlog_bytes[at] += payload.len();
        self.backlog[at].push_back(payload);
        if !reliable {
            while self.backlog_bytes[at] > LOSSY_BACKLOG
                && let Some(dropped) = self.backlog[at].pop_front()
            {
                self.backlog_bytes[at] -= dropped.len();
            }
        }
    }

    fn flush(&mut self, out: &mut Outbox) {
        for at in 0..LABELS.len() {
            let Some(id) = self.channels[at] else { continue };
            while let Some(payload) = self.backlog[at].front() {
                let Some(mut channel) = self.rtc.channel(id) else { break };
                match channel.write(true, payload) {
                    Ok(true) => {
                        self.backlog_bytes[at] -= payload.len();
                        self.backlog[at].pop_front();
                    }
                    Ok(false) | Err(_) => break,
                }
            }
        }
        if self.backlog_bytes[0] > RELIABLE_BACKLOG && !self.stuck {
            self.stuck = true;
            out.facts.push(PeerFact::Stuck { participant: self.key.participant.clone() });
        }
    }
}

const fn kind_of(media: PeerMedia) -> MediaKind {
    match media {
        PeerMedia::Audio => MediaKind::Audio,
        PeerMedia::Video => MediaKind::Video,
    }
}

mod past;
mod section;

pub(crate) use past::Heard;
pub(crate) use section::Section;
