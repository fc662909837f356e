//! UDP.

use crate::fixture::{bind, loopback, plain, request, soon};
use bytes::Bytes;
use std::sync::atomic::Ordering;
use tokio::net::UdpSocket;
use trunkline_sip::flow::{Flow, Protocol, Transmit};
use trunkline_transport::Config;

async fn peer() -> UdpSocket {
    UdpSocket::bind(loopback()).await.expect("a socket")
}

async fn read(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_535];
    let (length, _) = soon(socket.recv_from(&mut buffer)).await.expect("a datagram");
    buffer.truncate(length);
    buffer
}

#[tokio::test]
async fn a_message_comes_in_whole_and_its_answer_leaves_from_the_same_socket() {
    let bound = bind(Config { udp: vec![loopback(), loopback()], ..Config::default() }).await;
    let peer = peer().await;
    for address in bound.transport.addresses().udp {
        let options = request("OPTIONS", "one");
        peer.send_to(&options, address).await.expect("sent");
        let received = bound.received().await;
        assert_eq!(received.raw, options);
        assert!(received.message.is_ok());
        let flow = Flow {
            protocol: Protocol::Udp,
            local: address,
            remote: peer.local_addr().expect("an address"),
            connection: 0,
        };
        assert_eq!(received.flow, flow);
        // 9,000 bytes: more than one packet of most networks.
        let answer = Bytes::from(vec![b'x'; 9_000]);
        bound.transport.send(Transmit { flow, bytes: answer.clone() });
        let mut buffer = vec![0; 65_535];
        let (length, from) = soon(peer.recv_from(&mut buffer)).await.expect("an answer");
        assert_eq!((&buffer[..length], from), (&answer[..], address));
    }
    assert_eq!(bound.transport.counts().sent, 2);
}

#[tokio::test]
async fn a_socket_bound_to_all_addresses_names_the_one_the_peer_reaches() {
    let bound = bind(Config { udp: vec!["0.0.0.0:0".parse().expect("an address")], ..Config::default() }).await;
    let peer = peer().await;
    let port = bound.udp().port();
    peer.send_to(&request("OPTIONS", "one"), ("127.0.0.1", port)).await.expect("sent");
    let flow = bound.received().await.flow;
    assert_eq!(flow.local.to_string(), format!("127.0.0.1:{port}"));
    bound.transport.send(Transmit { flow, bytes: Bytes::from_static(b"answer") });
    assert_eq!(read(&peer).await, b"answer");
}

#[tokio::test]
async fn an_ipv6_socket_serves_both_families_under_their_own_names() {
    let bound = bind(Config { udp: vec!["[::]:0".parse().expect("an address")], ..Config::default() }).await;
    let port = bound.udp().port();
    for host in ["127.0.0.1", "::1"] {
        let peer = UdpSocket::bind((host, 0)).await.expect("a socket");
        peer.send_to(&request("OPTIONS", "one"), (host, port)).await.expect("sent");
        let flow = bound.received().await.flow;
        assert_eq!(flow.remote, peer.local_addr().expect("an address"));
        assert_eq!(flow.local.ip().to_string(), host);
        bound.transport.send(Transmit { flow, bytes: Bytes::from_static(b"answer") });
        assert_eq!(read(&peer).await, b"answer");
    }
}

#[tokio::test]
async fn garbage_keep_alives_and_stun_leave_the_next_message_alone() {
    let bound = plain().await;
    let peer = peer().await;
    let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0];
    for datagram in [&b""[..], b"\r\n\r\n", b"\0\0\0\0", b"\r\n\r\n\r\n\r\n", &stun] {
        peer.send_to(datagram, bound.udp()).await.expect("sent");
    }
    peer.send_to(&[0xff; 2_000], bound.udp()).await.expect("sent");
    let garbage = bound.received().await;
    assert!(garbage.message.is_err());
    assert_eq!(garbage.raw.len(), 2_000);
    let options = request("OPTIONS", "one");
    peer.send_to(&[b"\r\n\r\n", &options[..]].concat(), bound.udp()).await.expect("sent");
    let received = bound.received().await;
    assert_eq!(received.raw, options, "without the empty lines");
    assert!(received.message.is_ok());
    let counts = bound.transport.counts();
    assert_eq!((counts.keep_alives, counts.stun, counts.malformed), (4, 1, 1));
}

#[tokio::test]
async fn a_source_beyond_its_rate_is_dropped_until_it_has_paid() {
    let bound = bind(Config { udp: vec![loopback()], source_messages_per_second: 5, ..Config::default() }).await;
    let peer = peer().await;
    for number in 0..20 {
        peer.send_to(&request("OPTIONS", &format!("n{number}")), bound.udp()).await.expect("sent");
    }
    for _ in 0..5 {
        bound.received().await;
    }
    while bound.transport.counts().limited < 15 {
        tokio::task::yield_now().await;
    }
    bound.nanos.store(1_000_000_000, Ordering::SeqCst);
    let last = request("OPTIONS", "last");
    peer.send_to(&last, bound.udp()).await.expect("sent");
    assert_eq!(bound.received().await.raw, last);
}

#[tokio::test]
async fn a_broken_request_is_answered_ten_times_a_second() {
    let bound = plain().await;
    let peer = peer().await;
    let broken =
        String::from_utf8(request("OPTIONS", "one")).expect("text").replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia");
    for _ in 0..12 {
        peer.send_to(broken.as_bytes(), bound.udp()).await.expect("sent");
    }
    for _ in 0..12 {
        assert!(bound.received().await.message.is_err());
    }
    for _ in 0..10 {
        assert!(read(&peer).await.starts_with(b"SIP/2.0 "));
    }
    let counts = bound.transport.counts();
    assert_eq!((counts.malformed, counts.malformed_unanswered, counts.sent), (12, 2, 10));
}

#[tokio::test]
async fn without_room_a_new_invite_gets_503_and_the_rest_waits() {
    let bound = plain().await;
    let peer = peer().await;
    bound.room.store(false, Ordering::SeqCst);
    peer.send_to(&request("BYE", "one"), bound.udp()).await.expect("sent");
    peer.send_to(&request("INVITE", "two"), bound.udp()).await.expect("sent");
    let answer = String::from_utf8(read(&peer).await).expect("text");
    assert!(answer.starts_with("SIP/2.0 503 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: "), "{answer}");
    assert!(answer.contains("\r\nCall-ID: two\r\n"), "{answer}");
    let counts = bound.transport.counts();
    assert_eq!((counts.overloaded, counts.shed), (1, 1));
}

#[tokio::test]
async fn a_panic_costs_one_message() {
    let bound = plain().await;
    let peer = peer().await;
    bound.panics.store(true, Ordering::SeqCst);
    peer.send_to(&request("OPTIONS", "one"), bound.udp()).await.expect("sent");
    let second = request("OPTIONS", "two");
    peer.send_to(&second, bound.udp()).await.expect("sent");
    assert_eq!(bound.received().await.raw, second);
    assert_eq!(bound.transport.counts().panics, 1);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let bound = plain().await;
    let config = Config { udp: vec![bound.udp()], ..Config::default() };
    let clock = std::sync::Arc::new(trunkline_types::Time::default);
    let error = trunkline_transport::Transport::bind(config, clock, std::sync::Arc::new(|_| true)).await.err();
    let text = error.expect("refused").to_string();
    assert!(text.contains(&bound.udp().to_string()), "{text}");
}
