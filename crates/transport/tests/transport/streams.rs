//! TCP.

use crate::fixture::{Bound, bind, loopback, plain, request, soon};
use bytes::Bytes;
use std::{net::SocketAddr, sync::atomic::Ordering};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use trunkline_sip::flow::{Flow, Protocol, Transmit};
use trunkline_transport::Config;
use trunkline_types::limits;

async fn connect(bound: &Bound) -> TcpStream {
    let stream = TcpStream::connect(bound.tcp()).await.expect("connected");
    stream.set_nodelay(true).expect("set");
    stream
}

async fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    soon(stream.read_exact(&mut bytes)).await.expect("bytes");
    bytes
}

/// Everything until the other side closes; a reset counts as closed.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    bytes
}

fn towards(remote: SocketAddr) -> Flow {
    Flow { protocol: Protocol::Tcp, local: loopback(), remote, connection: 0 }
}

#[tokio::test]
async fn a_message_split_at_every_byte_comes_in_whole() {
    let bound = plain().await;
    let options = request("OPTIONS", "split");
    let mut stream = connect(&bound).await;
    for at in 1..options.len() {
        let (head, tail) = options.split_at(at);
        stream.write_all(head).await.expect("written");
        // The reader gets its turn in between; it is right either way.
        tokio::task::yield_now().await;
        stream.write_all(tail).await.expect("written");
        let received = bound.received().await;
        assert_eq!(received.raw, options, "split at {at}");
        assert!(received.message.is_ok());
        // The source's bucket fills again.
        bound.nanos.fetch_add(1_000_000, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn two_messages_in_one_segment_are_two_and_answers_find_their_connection() {
    let bound = plain().await;
    let mut streams = [connect(&bound).await, connect(&bound).await];
    let mut flows = Vec::new();
    for (number, stream) in streams.iter_mut().enumerate() {
        let (first, second) = (request("OPTIONS", &format!("a{number}")), request("OPTIONS", &format!("b{number}")));
        stream.write_all(&[&first[..], &second[..]].concat()).await.expect("written");
        let received = bound.received().await;
        assert_eq!(received.raw, first);
        assert_eq!(bound.received().await.raw, second);
        assert_eq!(received.flow.remote, stream.local_addr().expect("an address"));
        assert_eq!(received.flow.local, bound.tcp());
        flows.push(received.flow);
    }
    assert_ne!(flows[0].connection, flows[1].connection);
    for (flow, text) in flows.iter().zip(["for the first", "for the second"]) {
        bound.transport.send(Transmit { flow: *flow, bytes: text.into() });
    }
    assert_eq!(read(&mut streams[0], 13).await, b"for the first");
    assert_eq!(read(&mut streams[1], 14).await, b"for the second");
    let [first, _second] = streams;
    drop(first);
    assert_eq!(bound.closed().await, flows[0]);
}

#[tokio::test]
async fn pings_are_answered() {
    let bound = plain().await;
    let mut stream = connect(&bound).await;
    stream.write_all(b"\r\n\r\n").await.expect("written");
    assert_eq!(read(&mut stream, 2).await, b"\r\n");
    let options = request("OPTIONS", "one");
    stream.write_all(&options).await.expect("written");
    assert_eq!(bound.received().await.raw, options);
}

#[tokio::test]
async fn wrong_framing_closes_the_connection_and_no_other() {
    let bound = plain().await;
    let (mut wrong, mut right) = (connect(&bound).await, connect(&bound).await);
    let broken = String::from_utf8(request("OPTIONS", "one"))
        .expect("text")
        .replace("Content-Length: 0", "Content-Length: 18446744073709551616");
    wrong.write_all(broken.as_bytes()).await.expect("written");
    let answer = rest(&mut wrong).await;
    assert!(answer.is_empty() || answer.starts_with(b"SIP/2.0 "), "{answer:?}");
    let options = request("OPTIONS", "two");
    right.write_all(&options).await.expect("written");
    loop {
        match bound.next().await {
            trunkline_transport::Incoming::Received(received) if received.raw == options => break,
            // The broken one, and the end of its connection.
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_sixty_fifth_connection_of_a_source_is_refused() {
    let bound = plain().await;
    let mut streams = Vec::new();
    for _ in 0..limits::CONNECTIONS_PER_SOURCE {
        streams.push(connect(&bound).await);
    }
    let mut refused = connect(&bound).await;
    assert_eq!(rest(&mut refused).await, b"");
    assert_eq!(bound.transport.counts().refused, 1);
    // One goes, one may come.
    let mut last = streams.pop().expect("a stream");
    last.write_all(&request("OPTIONS", "last")).await.expect("written");
    bound.received().await;
    drop(last);
    bound.closed().await;
    // The place is given back just after the report.
    loop {
        let mut again = connect(&bound).await;
        let options = request("OPTIONS", "again");
        if again.write_all(&options).await.is_ok()
            && let Ok(trunkline_transport::Incoming::Received(received)) =
                tokio::time::timeout(std::time::Duration::from_millis(200), bound.next()).await
        {
            assert_eq!(received.raw, options);
            break;
        }
    }
}

#[tokio::test]
async fn a_connection_is_opened_once_for_all_who_need_it() {
    let bound = plain().await;
    let peer = TcpListener::bind(loopback()).await.expect("bound");
    let remote = peer.local_addr().expect("an address");
    // The second flow's own connection is long gone.
    let flows = [towards(remote), Flow { connection: 4_711, ..towards(remote) }];
    for (flow, text) in flows.iter().zip(["first ", "second"]) {
        bound.transport.send(Transmit { flow: *flow, bytes: text.into() });
    }
    let (mut stream, from) = soon(peer.accept()).await.expect("a connection");
    assert_eq!(read(&mut stream, 12).await, b"first second");
    let options = request("OPTIONS", "back");
    stream.write_all(&options).await.expect("written");
    let received = bound.received().await;
    assert_eq!((received.flow.local, received.flow.remote), (from, remote));
    bound.transport.send(Transmit { flow: received.flow, bytes: Bytes::from_static(b"answer") });
    assert_eq!(read(&mut stream, 6).await, b"answer");
    assert_eq!(bound.transport.counts().opened, 1);
    drop(stream);
    let mut closed = [bound.closed().await, bound.closed().await, bound.closed().await];
    closed.sort_by_key(|flow| flow.connection);
    assert_eq!(closed, [flows[0], received.flow, flows[1]], "everybody who used it is told");
}

#[tokio::test]
async fn a_peer_that_cannot_be_reached_is_reported() {
    let bound = plain().await;
    let gone = TcpListener::bind(loopback()).await.expect("bound").local_addr().expect("an address");
    bound.transport.send(Transmit { flow: towards(gone), bytes: Bytes::from_static(b"lost") });
    assert_eq!(bound.closed().await, towards(gone));
    let secured = Flow { protocol: Protocol::Tls, ..towards(gone) };
    bound.transport.send(Transmit { flow: secured, bytes: Bytes::from_static(b"lost") });
    assert_eq!(bound.closed().await, secured, "nobody is trusted");
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_closed() {
    let bound = plain().await;
    let mut stream = connect(&bound).await;
    stream.write_all(&request("OPTIONS", "one")).await.expect("written");
    let flow = bound.received().await.flow;
    let bytes = Bytes::from(vec![b'x'; 60_000]);
    while bound.transport.counts().stuck == 0 {
        bound.transport.send(Transmit { flow, bytes: bytes.clone() });
        tokio::task::yield_now().await;
    }
    assert_eq!(bound.closed().await, flow);
}

#[tokio::test]
async fn a_source_that_is_too_fast_is_read_more_slowly() {
    let bound = bind(Config { tcp: vec![loopback()], source_messages_per_second: 10, ..Config::default() }).await;
    let mut stream = connect(&bound).await;
    let all: Vec<u8> = (0..12).flat_map(|number| request("OPTIONS", &format!("n{number}"))).collect();
    stream.write_all(&all).await.expect("written");
    for _ in 0..12 {
        bound.received().await;
    }
    assert_eq!(bound.transport.counts().limited, 0, "none is lost");
}

#[tokio::test]
async fn close_writes_what_is_queued_and_accepts_no_more() {
    let bound = plain().await;
    let mut stream = connect(&bound).await;
    stream.write_all(&request("OPTIONS", "one")).await.expect("written");
    let flow = bound.received().await.flow;
    for _ in 0..100 {
        bound.transport.send(Transmit { flow, bytes: Bytes::from_static(b"0123456789") });
    }
    bound.transport.close().await;
    assert_eq!(rest(&mut stream).await.len(), 1_000);
    assert!(TcpStream::connect(bound.tcp()).await.is_err());
    bound.transport.send(Transmit { flow, bytes: Bytes::from_static(b"late") });
    assert_eq!(bound.transport.counts().send_failed, 1);
    bound.transport.close().await;
}
