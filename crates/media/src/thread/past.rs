//! Voices that go past the WebRTC stack: all of them arrive, and the reports count them.

use super::{alone::parts, *};
use std::{collections::HashMap, net::UdpSocket as StdUdpSocket, sync::mpsc::sync_channel};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::SdpAnswer,
    media::{Direction, MediaKind, Mid},
    net::{Protocol, Receive},
    rtp::{RawPacket, RtpPacket, RtpWrite, SeqNo, rtcp::Rtcp},
};
use trunkline_call::media::peer::{PeerMedia, PeerPlan, Side, TrackOrigin};
use trunkline_types::{LegId, VoiceCodec};

const STEP: Duration = Duration::from_millis(20);
const ROOM: &str = "RM_past";
/// The first sequence number of the speaker: its roll-over comes soon.
const FIRST: u64 = 65_000;

/// A client with one section.
struct Client {
    key: PeerKey,
    rtc: Rtc,
    socket: StdUdpSocket,
    mid: Mid,
    heard: Vec<RtpPacket>,
    reports: Vec<Rtcp>,
}

impl Client {
    fn join(thread: &mut Thread, name: &str, direction: Direction) -> Self {
        let socket = StdUdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut rtc = RtcConfig::new().set_rtp_mode(true).enable_raw_packets(true).build(thread.base);
        rtc.add_local_candidate(Candidate::host(socket.local_addr().unwrap(), Protocol::Udp).unwrap());
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, direction, None, None, None);
        let (offer, pending) = changes.apply().unwrap();
        let key = PeerKey { participant: name.into(), side: Side::Publisher };
        let (sdp, codec, renew) = (offer.to_sdp_string(), VoiceCodec::Opus, Vec::new());
        let offer = PeerPlan::Offer { peer: key.clone(), room: ROOM.into(), codec, sdp, id: 1, renew };
        thread.plan(MediaPlan::Peer(offer), Time::default());
        let answer = thread.facts.drain(..).find_map(|fact| match fact {
            MediaFact::Peer(PeerFact::Answered { sdp, .. }) => Some(sdp),
            _ => None,
        });
        rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer.unwrap()).unwrap()).unwrap();
        Self { key, rtc, socket, mid, heard: Vec::new(), reports: Vec::new() }
    }

    fn pass(&mut self, at: Instant) {
        self.rtc.handle_input(Input::Timeout(at)).unwrap();
        let mut buffer = [0; 2_048];
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Transmit(send) => drop(self.socket.send_to(&send.contents, send.destination).unwrap()),
                Output::Event(Event::RtpPacket(packet)) => self.heard.push(packet),
                Output::Event(Event::RawPacket(raw)) => {
                    if let RawPacket::RtcpRx(report) = *raw {
                        self.reports.push(report);
                    }
                }
                Output::Event(_) => {}
                Output::Timeout(_) => match self.socket.recv_from(&mut buffer) {
                    Ok((length, source)) => {
                        let to = self.socket.local_addr().unwrap();
                        let receive = Receive::new(Protocol::Udp, source, to, &buffer[..length]).unwrap();
                        self.rtc.handle_input(Input::Receive(at, receive)).unwrap();
                    }
                    Err(_) => break,
                },
            }
        }
    }
}

/// Somebody who speaks and somebody who listens, both connected.
struct Scene {
    thread: Thread,
    now: Time,
    speaker: Client,
    listener: Client,
    spoken: u64,
}

impl Scene {
    fn new() -> Self {
        let (mut thread, ..) = Thread::new(&parts(), sync_channel(1).1).unwrap();
        let speaker = Client::join(&mut thread, "PA_anna", Direction::SendOnly);
        let listener = Client::join(&mut thread, "PA_bert", Direction::RecvOnly);
        let origin =
            TrackOrigin::Peer { peer: speaker.key.clone(), mid: speaker.mid.to_string(), media: PeerMedia::Audio };
        let plans = [
            PeerPlan::Publish { room: ROOM.into(), track: "TR_voice".into(), origin },
            PeerPlan::Subscribe { peer: listener.key.clone(), mid: listener.mid.to_string(), track: "TR_voice".into() },
        ];
        for plan in plans {
            thread.plan(MediaPlan::Peer(plan), Time::default());
        }
        let mut scene = Self { thread, now: Time::default(), speaker, listener, spoken: 0 };
        while !(scene.speaker.rtc.is_connected() && scene.listener.rtc.is_connected()) {
            scene.pass();
        }
        scene
    }

    fn pass(&mut self) {
        self.now = self.now + STEP;
        let at = self.thread.instant(self.now);
        for client in [&mut self.speaker, &mut self.listener] {
            client.pass(at);
            while self.thread.receive_rtc(self.now) {}
            self.thread.wake_peers(self.now);
            self.thread.flush(self.now);
        }
        self.listener.pass(at);
    }

    /// Says something; what is `lost` is not sent.
    fn say(&mut self, lost: bool) {
        let n = self.spoken;
        self.spoken += 1;
        if !lost {
            let (at, mid) = (self.thread.instant(self.now), self.speaker.mid);
            let pt = self.speaker.rtc.media(mid).unwrap().remote_pts()[0];
            let mut write = RtpWrite::new(pt, SeqNo::from(FIRST + n), n as u32 * 960, at, words(n)).marker(n == 7);
            let ext_vals = str0m::rtp::ExtensionValues {
                audio_level: Some(-(n as i8 & 0x7f)),
                voice_activity: Some(true),
                ..Default::default()
            };
            write = write.ext_vals(ext_vals);
            self.speaker.rtc.direct_api().stream_tx_by_mid(mid, None).unwrap().write_rtp(write);
        }
        self.pass();
    }

    /// Whether what the client sends, or is sent, goes past the stack.
    fn is_past(&self, key: &PeerKey) -> bool {
        self.thread.peers[self.thread.peer_index[key]].is_past()
    }
}

/// What packet `n` holds: nothing two packets share.
fn words(n: u64) -> Vec<u8> {
    (0..20 + n as u8 % 100).map(|at| (n as u8).wrapping_mul(31).wrapping_add(at)).collect()
}

#[test]
fn every_packet_arrives_as_it_was_said() {
    let mut scene = Scene::new();
    for _ in 0..2_000 {
        scene.say(false);
    }
    assert!(scene.is_past(&scene.speaker.key) && scene.is_past(&scene.listener.key));
    let heard = &scene.listener.heard;
    assert_eq!(heard.len(), 2_000);
    for (n, packet) in heard.iter().enumerate() {
        assert_eq!(*packet.seq_no, *heard[0].seq_no + n as u64);
        let since = packet.header.timestamp.wrapping_sub(heard[0].header.timestamp);
        assert_eq!((since, packet.header.marker), (n as u32 * 960, n == 7));
        assert_eq!(*packet.payload, words(n as u64)[..]);
        let values = &packet.header.ext_vals;
        assert_eq!((values.audio_level, values.voice_activity), (Some(-(n as i8 & 0x7f)), Some(true)));
    }
}

#[test]
fn reports_count_what_went_past_the_stack() {
    let mut scene = Scene::new();
    for n in 0..1_500 {
        scene.say(n % 10 == 3);
    }
    assert!(scene.is_past(&scene.speaker.key) && scene.is_past(&scene.listener.key));
    let told = scene.speaker.reports.iter().filter_map(|report| match report {
        Rtcp::ReceiverReport(report) => report.reports.iter().last(),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    let last = told.last().unwrap();
    // Five seconds lie between two reports.
    let lag = FIRST as u32 + 1_500 - last.max_seq;
    assert!(told.len() >= 3 && lag <= 270, "{} reports, {lag} behind", told.len());
    assert!((20..=30).contains(&last.fraction_lost), "{}", last.fraction_lost);
    assert!(last.packets_lost.abs_diff((1_500 - lag) / 10) <= 2, "{}", last.packets_lost);
    assert_eq!(last.jitter, 0);

    let infos = scene.listener.reports.iter().filter_map(|report| match report {
        Rtcp::SenderReport(report) => Some(&report.sender_info),
        _ => None,
    });
    let infos: Vec<_> = infos.collect();
    let last = infos.last().unwrap();
    let heard: HashMap<u32, usize> =
        scene.listener.heard.iter().enumerate().map(|(n, p)| (p.header.timestamp, n)).collect();
    // The report's own moment names a packet, and that many came before it.
    let timestamp = last.rtp_time.numer() as u32;
    let before = *heard.get(&(timestamp / 960 * 960)).or_else(|| heard.get(&(timestamp / 960 * 960 - 960))).unwrap();
    assert!((before + 1).abs_diff(last.sender_packet_count as usize) <= 1, "{before} {}", last.sender_packet_count);
    let bytes: usize = scene.listener.heard[..last.sender_packet_count as usize].iter().map(|p| p.payload.len()).sum();
    assert_eq!(last.sender_octet_count as usize, bytes);
}

#[test]
fn the_stack_is_asked_the_way_again_when_ice_has_spoken() {
    let mut scene = Scene::new();
    for _ in 0..10 {
        scene.say(false);
    }
    let index = scene.thread.peer_index[&scene.listener.key];
    assert!(scene.thread.peers[index].is_past());
    // The client's checks go on as long as the connection does.
    let mut asked = 0;
    for _ in 0..1_000 {
        scene.say(false);
        asked += u32::from(!scene.thread.peers[index].is_past());
    }
    assert!((1..100).contains(&asked), "{asked} of 1,000 packets go through the stack");
    assert_eq!(scene.listener.heard.len(), 1_010);
}

#[test]
fn a_phone_that_comes_hears_at_once_what_is_being_said_and_nothing_that_was_muted() {
    for muted in [false, true] {
        let mut scene = Scene::new();
        for _ in 0..10 {
            scene.say(false);
        }
        if muted {
            for muted in [true, false] {
                let mute = PeerPlan::MuteTrack { room: ROOM.into(), track: "TR_voice".into(), muted };
                scene.thread.plan(MediaPlan::Peer(mute), scene.now);
            }
        }
        let leg = LegKey { call: "CL_phone".into(), leg: LegId(0) };
        let open = MediaPlan::Open { leg, room: ROOM.into(), local: "127.0.0.1".parse().unwrap() };
        scene.thread.plan(open, scene.now);
        let room = scene.thread.rooms.named(&ROOM.into()).unwrap();
        let mut heard = room.tracks.iter().filter_map(|(_, track)| track.downlink.as_ref());
        assert_eq!(heard.any(|downlink| !downlink.is_empty()), !muted);
    }
}
