//! Who only knows a client's name, from an address of his own, over UDP and over TCP.

use super::{alone::parts, *};
use crate::tcp::Handover;
use mio::net::TcpStream;
use std::{
    io::Read,
    net::{TcpListener as StdListener, TcpStream as StdStream},
    sync::mpsc::{SyncSender, sync_channel},
};
use str0m::{Candidate, Input, Output, Rtc, change::SdpAnswer, net::Protocol};
use trunkline_call::media::peer::{PeerPlan, Side};

/// A thread with one client, whose first binding request has not been sent yet.
struct Scene {
    thread: Thread,
    door: SyncSender<Handover>,
    key: PeerKey,
    request: Vec<u8>,
}

fn scene() -> Scene {
    let parts = Parts { tcp: vec!["127.0.0.1:7881".parse().unwrap()], ..parts() };
    let (door, streams) = sync_channel(4);
    let (mut thread, ..) = Thread::new(&parts, streams).unwrap();
    let mut client = Rtc::builder().build(thread.base);
    client.add_local_candidate(Candidate::host(client_address(), Protocol::Udp).unwrap());
    let mut changes = client.sdp_api();
    changes.add_channel("_reliable".to_owned());
    let (offer, pending) = changes.apply().unwrap();
    let key = PeerKey { participant: "PA_anna".into(), side: Side::Publisher };
    let offer = PeerPlan::Offer {
        peer: key.clone(),
        room: "RM_strangers".into(),
        codec: trunkline_types::VoiceCodec::Opus,
        sdp: offer.to_sdp_string(),
        id: 1,
        renew: Vec::new(),
    };
    thread.plan(MediaPlan::Peer(offer), Time::default());
    let answer = thread.facts.iter().find_map(|fact| match fact {
        MediaFact::Peer(PeerFact::Answered { sdp, .. }) => Some(sdp.clone()),
        _ => None,
    });
    let answer = SdpAnswer::from_sdp_string(&answer.unwrap()).unwrap();
    client.sdp_api().accept_answer(pending, answer).unwrap();
    let mut at = thread.base;
    let request = loop {
        match client.poll_output().unwrap() {
            Output::Transmit(send) => break send.contents.to_vec(),
            Output::Timeout(until) => {
                at = until.max(at);
                client.handle_input(Input::Timeout(at)).unwrap();
            }
            Output::Event(_) => {}
        }
    };
    Scene { thread, door, key, request }
}

fn client_address() -> SocketAddr {
    "127.0.0.1:40001".parse().unwrap()
}

/// The request with another key: its integrity stands before the eight bytes of its fingerprint
/// (RFC 8489 §14.7), which is left out.
fn forged(request: &[u8]) -> Vec<u8> {
    let mut forged = request[..request.len() - 8].to_vec();
    let length = u16::try_from(forged.len() - 20).unwrap();
    forged[2..4].copy_from_slice(&length.to_be_bytes());
    *forged.last_mut().unwrap() ^= 1;
    forged
}

#[test]
fn an_address_is_remembered_once_its_key_was_right() {
    let Scene { mut thread, key, request, .. } = scene();
    let stranger: SocketAddr = "127.0.0.2:9".parse().unwrap();
    thread.datagram(&mut forged(&request), stranger, Time::default());
    assert_eq!(thread.addresses.get(stranger), None);
    thread.datagram(&mut request.clone(), client_address(), Time::default());
    assert_eq!(thread.addresses.get(client_address()), Some(thread.peer_index[&key]));
    // Nor can a stranger's name take an address from whom it belongs to.
    thread.datagram(&mut forged(&request), client_address(), Time::default());
    assert_eq!(thread.addresses.get(client_address()), Some(thread.peer_index[&key]));
}

/// Hands over a stream whose first packet is this one; returns its far end.
fn hand_over(scene: &mut Scene, packet: &[u8]) -> StdStream {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let far = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, from) = listener.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    let mut bytes = u16::try_from(packet.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(packet);
    let ufrag = rtc_socket::stun_ufrag(packet).unwrap().to_owned();
    scene.door.send(Handover { stream: TcpStream::from_std(near), from, ufrag, bytes }).unwrap();
    scene.thread.adopt_streams(Time::default());
    scene.thread.flush(Time::default());
    far
}

#[test]
fn a_stream_is_kept_if_its_first_key_is_right() {
    let mut scene = scene();
    let packet = forged(&scene.request);
    let mut far = hand_over(&mut scene, &packet);
    assert_eq!(far.read(&mut [0; 64]).unwrap(), 0, "a forger is put out without a word");
    let packet = scene.request.clone();
    let mut far = hand_over(&mut scene, &packet);
    let mut answer = [0; 6];
    far.read_exact(&mut answer).unwrap();
    assert_eq!(answer[2..4], [1, 1], "a binding response");
    // With its connection goes its stream.
    scene.thread.plan(MediaPlan::Peer(PeerPlan::Close { participant: scene.key.participant.clone() }), Time::default());
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).unwrap();
}

#[test]
fn one_client_keeps_few_streams() {
    let mut scene = scene();
    let packet = scene.request.clone();
    let mut streams: Vec<StdStream> = (0..12).map(|_| hand_over(&mut scene, &packet)).collect();
    let is_open = |far: &mut StdStream| {
        far.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4_096];
        loop {
            match far.read(&mut buffer) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(why) => return why.kind() == io::ErrorKind::WouldBlock,
            }
        }
    };
    assert_eq!(streams.iter_mut().map(is_open).filter(|open| *open).count(), 4);
}
