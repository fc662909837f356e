//! Reliable packets of the last seconds, for those who were not there yet or not for a moment; and
//! the nonces of packets that may come twice.

use bytes::Bytes;
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};
use trunkline_types::{ParticipantSid, Time};

const MAX_PACKETS: usize = 512;
const MAX_BYTES: usize = 1024 * 1024;
const MAX_AGE: Duration = Duration::from_secs(30);
const MAX_NONCES: usize = 1024;

/// A reliable packet that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) at: Time,
    /// `None` for the server.
    pub(super) from: Option<ParticipantSid>,
    /// 0 for none.
    pub(super) sequence: u32,
    /// `None` for everybody but its sender.
    pub(super) to: Option<BTreeSet<ParticipantSid>>,
    pub(super) payload: Bytes,
}

impl Sent {
    pub(super) fn is_for(&self, sid: &ParticipantSid) -> bool {
        self.to.as_ref().map_or(self.from.as_ref() != Some(sid), |to| to.contains(sid))
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Replay {
    sent: VecDeque<Sent>,
    bytes: usize,
    nonces: VecDeque<[u8; 16]>,
}

impl Replay {
    pub(super) fn push(&mut self, sent: Sent) {
        let now = sent.at;
        self.bytes += sent.payload.len();
        self.sent.push_back(sent);
        let old = |first: &Sent| now.since(first.at) > MAX_AGE;
        while self.sent.len() > MAX_PACKETS || self.bytes > MAX_BYTES || self.sent.front().is_some_and(old) {
            let Some(gone) = self.sent.pop_front() else { return };
            self.bytes -= gone.payload.len();
        }
    }

    /// What was sent since then, the oldest first.
    pub(super) fn since(&self, then: Time) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |s| s.at >= then)
    }

    /// Whether a nonce is seen for the first time.
    pub(super) fn is_first(&mut self, nonce: Option<[u8; 16]>) -> bool {
        let Some(nonce) = nonce else { return true };
        if self.nonces.contains(&nonce) {
            return false;
        }
        if self.nonces.len() == MAX_NONCES {
            self.nonces.pop_front();
        }
        self.nonces.push_back(nonce);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_in_number_size_and_age() {
        let mut replay = Replay::default();
        let sent = |seconds: u64, size: usize| Sent {
            at: Time::new(seconds * 1_000_000_000, 0),
            from: None,
            sequence: 0,
            to: None,
            payload: vec![0; size].into(),
        };
        for _ in 0..2 * MAX_PACKETS {
            replay.push(sent(0, 1));
        }
        assert_eq!(replay.since(Time::default()).count(), MAX_PACKETS);
        for _ in 0..40 {
            replay.push(sent(1, MAX_BYTES / 16));
        }
        assert_eq!(replay.since(Time::default()).count(), 16);
        replay.push(sent(60, 1));
        assert_eq!((replay.since(Time::default()).count(), replay.bytes), (1, 1));
    }

    #[test]
    fn a_nonce_counts_once() {
        let mut replay = Replay::default();
        assert!(replay.is_first(None) && replay.is_first(None));
        assert!(replay.is_first(Some([1; 16])) && !replay.is_first(Some([1; 16])));
        for n in 0..=MAX_NONCES as u32 {
            let mut nonce = [2; 16];
            nonce[..4].copy_from_slice(&n.to_be_bytes());
            assert!(replay.is_first(Some(nonce)));
        }
        assert!(replay.is_first(Some([1; 16])), "the oldest is forgotten");
    }
}
