//! Deadlines, on a clock that stands until everybody waits.

use super::*;
use crate::{Incoming, pool::Pool};
use tokio::{
    io::{DuplexStream, duplex},
    sync::watch,
    task::JoinHandle,
};
use trunkline_sip::flow::Protocol;
use trunkline_types::Time;

const OPTIONS: &[u8] = b"OPTIONS sip:a@example.net SIP/2.0\r\n\
    Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n\
    Max-Forwards: 70\r\n\
    From: <sip:b@example.net>;tag=1\r\n\
    To: <sip:a@example.net>\r\n\
    Call-ID: c\r\n\
    CSeq: 1 OPTIONS\r\n\
    Content-Length: 0\r\n\r\n";

struct Fixture {
    peer: DuplexStream,
    pool: Arc<Pool>,
    inward: Arc<Inward>,
    flow: Flow,
    running: JoinHandle<()>,
    incoming: mpsc::Receiver<Incoming>,
    _closing: watch::Sender<bool>,
    _ended: mpsc::Receiver<std::convert::Infallible>,
}

/// An accepted connection whose peer is ours.
fn accepted() -> Fixture {
    let (sender, incoming) = mpsc::channel(64);
    let sink = Arc::new(move |incoming| sender.try_send(incoming).is_ok());
    let inward = Arc::new(Inward::new(Arc::new(Time::default), sink, 0));
    let pool = Arc::new(Pool::default());
    let (closing, closed) = watch::channel(false);
    let (alive, ended) = mpsc::channel(1);
    let life = Life::new(closed, alive);
    let address = "192.0.2.1:5060".parse().unwrap();
    let flow = Flow { protocol: Protocol::Tcp, local: address, remote: address, connection: 0 };
    let (line, registered) = pool.accepted(flow, &inward);
    let flow = line.flow;
    let (peer, ours) = duplex(1_024);
    let carried = inward.clone();
    let running = tokio::spawn(async move {
        let _registered = registered;
        run(ours, line, &carried, &life).await;
    });
    Fixture { peer, pool, inward, flow, running, incoming, _closing: closing, _ended: ended }
}

/// Runs until the connection ends; returns the seconds that took.
async fn seconds(running: JoinHandle<()>) -> u64 {
    let begun = Instant::now();
    running.await.unwrap();
    begun.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_has_five_seconds() {
    let fixture = accepted();
    assert_eq!(seconds(fixture.running).await, 5);
    assert_eq!(fixture.inward.counters.read().slow, 1);
}

#[tokio::test(start_paused = true)]
async fn neither_drops_nor_pings_buy_more_time_for_the_first_message() {
    for drop in [&b"\r\n\r\n"[..], b"O"] {
        let mut fixture = accepted();
        let mut peer = fixture.peer;
        let dripping = tokio::spawn(async move {
            for byte in drop.iter().chain(&OPTIONS[1..]) {
                sleep(Duration::from_millis(900)).await;
                if peer.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        });
        assert_eq!(seconds(fixture.running).await, 5);
        dripping.await.unwrap();
        assert!(matches!(fixture.incoming.recv().await, Some(Incoming::Closed(flow, _)) if flow == fixture.flow));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_has_begun_has_ten_seconds() {
    let mut fixture = accepted();
    fixture.peer.write_all(OPTIONS).await.unwrap();
    assert!(matches!(fixture.incoming.recv().await, Some(Incoming::Received(_))));
    // A peer that has spoken may be silent for as long as it likes.
    sleep(Duration::from_secs(3_600)).await;
    assert!(!fixture.running.is_finished());
    fixture.peer.write_all(&OPTIONS[..20]).await.unwrap();
    sleep(Duration::from_secs(8)).await;
    fixture.peer.write_all(&OPTIONS[20..]).await.unwrap();
    assert!(matches!(fixture.incoming.recv().await, Some(Incoming::Received(_))));
    // More bytes buy no more time.
    fixture.peer.write_all(&OPTIONS[..20]).await.unwrap();
    let begun = Instant::now();
    sleep(Duration::from_secs(9)).await;
    fixture.peer.write_all(&OPTIONS[20..40]).await.unwrap();
    fixture.running.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(fixture.inward.counters.read().slow, 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_has_ten_seconds() {
    let mut fixture = accepted();
    fixture.peer.write_all(OPTIONS).await.unwrap();
    assert!(matches!(fixture.incoming.recv().await, Some(Incoming::Received(_))));
    fixture.pool.send(fixture.flow, Bytes::from(vec![0; 5_000]), &fixture.inward);
    assert_eq!(seconds(fixture.running).await, 10);
    assert_eq!(fixture.inward.counters.read().stuck, 1);
    assert!(matches!(fixture.incoming.recv().await, Some(Incoming::Closed(flow, _)) if flow == fixture.flow));
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_queue_is_full_is_closed_at_once() {
    let mut fixture = accepted();
    fixture.peer.write_all(OPTIONS).await.unwrap();
    assert!(matches!(fixture.incoming.recv().await, Some(Incoming::Received(_))));
    for _ in 0..crate::pool::QUEUE + 2 {
        fixture.pool.send(fixture.flow, Bytes::from(vec![0; 5_000]), &fixture.inward);
    }
    assert_eq!(seconds(fixture.running).await, 0);
    assert!(matches!(fixture.incoming.recv().await, Some(Incoming::Closed(flow, _)) if flow == fixture.flow));
}

#[tokio::test(start_paused = true)]
async fn wrong_framing_is_answered_and_closed() {
    let mut fixture = accepted();
    let text = std::str::from_utf8(OPTIONS).unwrap();
    let broken = text.replace("Content-Length: 0", "Content-Length: 18446744073709551616");
    fixture.peer.write_all(broken.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    fixture.peer.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"SIP/2.0 400 "), "{}", String::from_utf8_lossy(&answer));
    fixture.running.await.unwrap();
}
