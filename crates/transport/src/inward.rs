//! From the wire to the sink.

use crate::{
    bucket::Buckets,
    counts::{Counters, count},
    overload, why,
};
use bytes::Bytes;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use trunkline_sip::{
    Malformed, Message,
    flow::{Flow, Received},
};
use trunkline_types::Time;

/// What the owner learns.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// A message arrived. One that did not parse has been answered already, if it is to be.
    Received(Received),
    /// A stream connection is gone, or none could be opened; and why, in words for the operator.
    Closed(Flow, &'static str),
}

/// Reads the clock.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;
/// Takes what arrives, at once; `false` when there is no room.
pub type Sink = Arc<dyn Fn(Incoming) -> bool + Send + Sync>;

/// Answers to messages that do not parse, per source and second.
const MALFORMED_ANSWERS: u32 = 10;
/// Lines of the log about handshakes that failed, per second.
const LINES: u32 = 1;
/// They are counted together, whoever causes them.
const ANYBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Everything a receiving task needs.
pub(crate) struct Inward {
    pub(crate) clock: Clock,
    pub(crate) counters: Counters,
    sink: Sink,
    messages: Mutex<Buckets>,
    answers: Mutex<Buckets>,
    lines: Mutex<Buckets>,
}

impl Inward {
    pub(crate) fn new(clock: Clock, sink: Sink, messages_per_second: u32) -> Self {
        Self {
            clock,
            counters: Counters::default(),
            sink,
            messages: Mutex::new(Buckets::new(messages_per_second)),
            answers: Mutex::new(Buckets::new(MALFORMED_ANSWERS)),
            lines: Mutex::new(Buckets::new(LINES)),
        }
    }

    /// Whether a source may send one more datagram.
    pub(crate) fn admits(&self, source: IpAddr, now: Time) -> bool {
        let admitted = self.messages.lock().unwrap_or_else(PoisonError::into_inner).take(source, now);
        if !admitted {
            count(&self.counters.limited);
        }
        admitted
    }

    /// Counts what a stream's source has sent; returns how long to wait before reading on.
    pub(crate) fn charge(&self, source: IpAddr, messages: usize, now: Time) -> Duration {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).charge(source, messages, now)
    }

    /// The TLS handshake of somebody who connected failed: the log says why, but nobody can fill it.
    pub(crate) fn not_secured(&self, remote: SocketAddr, error: &io::Error) {
        count(&self.counters.unsecured);
        if self.lines.lock().unwrap_or_else(PoisonError::into_inner).take(ANYBODY, (self.clock)()) {
            tracing::info!(%remote, why = why::of_caller(error), "a TLS handshake failed");
        }
    }

    /// Hands a message on; `reply` takes what is to be answered right here.
    pub(crate) fn deliver(&self, received: Received, reply: &dyn Fn(Bytes)) {
        count(&self.counters.received);
        let parsed = match &received.message {
            Ok(_) => true,
            Err(malformed) => {
                self.reject(&received.flow, received.at, malformed, reply);
                false
            }
        };
        let (raw, remote) = (received.raw.clone(), received.flow.remote);
        if (self.sink)(Incoming::Received(received)) {
            return;
        }
        match overload::answer(&raw, remote).filter(|_| parsed) {
            Some(answer) => {
                count(&self.counters.overloaded);
                reply(answer);
            }
            None => count(&self.counters.shed),
        }
    }

    /// Answers what did not parse, unless its source has had enough answers.
    pub(crate) fn reject(&self, flow: &Flow, now: Time, malformed: &Malformed, reply: &dyn Fn(Bytes)) {
        count(&self.counters.malformed);
        let Some(answer) = &malformed.answer else { return };
        if self.answers.lock().unwrap_or_else(PoisonError::into_inner).take(flow.remote.ip(), now) {
            reply(answer.clone());
        } else {
            count(&self.counters.malformed_unanswered);
        }
    }

    /// Parses one message and hands it on.
    pub(crate) fn parse_and_deliver(&self, flow: Flow, at: Time, raw: Bytes, reply: &dyn Fn(Bytes)) {
        let message = Message::parse(raw.clone());
        self.deliver(Received { flow, at, raw, message }, reply);
    }

    /// Reports that a connection is gone.
    pub(crate) fn closed(&self, flow: Flow, why: &'static str) {
        self.guarded(|| {
            if !(self.sink)(Incoming::Closed(flow, why)) {
                count(&self.counters.shed);
            }
        });
    }

    /// Runs `work` so that a panic in it costs one message and not the loop; `None` after a panic.
    pub(crate) fn guarded<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        if outcome.is_err() {
            count(&self.counters.panics);
            tracing::error!("a panic was caught while a SIP message was received");
        }
        outcome.ok()
    }
}
