//! What a participant is told before it joins, and what it tells of itself.

use super::{ear::Ear, signal::Error, speech::Speech};
use crate::LATE;
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use trunkline_types::VoiceCodec;

/// Who joins, and what it does there.
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// `ws://host:port`.
    pub url: String,
    /// A token that names room and identity.
    pub token: String,
    /// What it says, if anything.
    pub speech: Option<Speech>,
    /// With which packet of its speech it begins.
    pub offset: u64,
    /// Of a hundred packets so many are not sent, as if they were lost; spread by chance.
    pub loss_percent: u8,
    /// How it begins to speak.
    pub rush: Rush,
    /// Whether it sends back every packet as it is, instead of a speech.
    pub echo: bool,
    /// What it speaks.
    pub codec: VoiceCodec,
    /// Whether its audio goes over TCP.
    pub tcp: bool,
    /// How it listens.
    pub ear: Ear,
}

/// A beginning in less time than it takes to say: RTP numbers and timestamps soon stand where they
/// otherwise would after hours. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rush {
    /// So many packets are sent faster than they are said.
    pub packets: u64,
    /// At this rate, in steps of 50 per second.
    pub per_second: u32,
}

/// What it has seen; all counters only grow.
#[derive(Debug, Default)]
pub struct Stats {
    /// RTP packets received.
    pub received: AtomicU64,
    /// RTP packets that the sequence numbers miss.
    pub lost: AtomicU64,
    /// RTP packets sent.
    pub sent: AtomicU64,
    /// Of them those sent at least 10 ms after their time.
    pub sent_late: AtomicU64,
    /// How long after its time the latest was sent, microseconds.
    pub latest_us: AtomicU64,
    /// ICE and DTLS are up.
    pub connected: AtomicBool,
    /// Why it left before it was told to.
    pub failed: OnceLock<String>,
}

impl Stats {
    /// What went wrong, if anything did.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failed.get().cloned().map(Error::Failed)
    }

    /// A packet was sent so long after its time.
    pub(crate) fn spoke_after(&self, late: Duration) {
        self.sent_late.fetch_add(u64::from(late >= LATE), Ordering::Relaxed);
        self.latest_us.fetch_max(u64::try_from(late.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// How far a participant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Joining,
    /// Connected.
    Ready,
    Over,
}
