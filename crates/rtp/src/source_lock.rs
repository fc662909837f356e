//! Who may send us RTP: the address of the SDP at once, anybody else after a short probation, and
//! after the lock nobody else until both sides negotiate anew or the source falls silent.

use std::{net::SocketAddr, time::Duration};
use trunkline_types::Time;

/// Consecutive packets of one source and SSRC that lock it.
const PROBATION: u32 = 4;
/// Silence of the locked source after which another may take over.
const SILENCE: Duration = Duration::from_secs(2);

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is the source's.
    Accept,
    /// It is the one that locked the source.
    Locked,
    /// Somebody else's: count and drop.
    Foreign,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct SourceLock {
    expected: Option<SocketAddr>,
    locked: Option<(SocketAddr, Time)>,
    candidate: Option<(SocketAddr, u32, u32)>,
}

impl SourceLock {
    /// A lock that knows the address of the SDP.
    pub fn new(expected: Option<SocketAddr>) -> Self {
        Self { expected, locked: None, candidate: None }
    }

    /// The source, once it is locked.
    pub fn source(&self) -> Option<SocketAddr> {
        self.locked.map(|(source, _)| source)
    }

    /// Whether the source has sent within the silence after which another may take over.
    pub fn is_flowing(&self, now: Time) -> bool {
        self.locked.is_some_and(|(_, last)| now.since(last) < SILENCE)
    }

    /// Judges a packet by where it came from.
    pub fn judge(&mut self, source: SocketAddr, ssrc: u32, now: Time) -> Judgement {
        if let Some((locked, last)) = &mut self.locked {
            if *locked == source {
                *last = now;
                return Judgement::Accept;
            }
            if now.since(*last) < SILENCE {
                return Judgement::Foreign;
            }
        }
        if self.locked.is_none() && self.expected == Some(source) {
            return self.lock(source, now);
        }
        let run = match self.candidate {
            Some((held, held_ssrc, run)) if held == source && held_ssrc == ssrc => run.saturating_add(1),
            _ => 1,
        };
        if run >= PROBATION {
            return self.lock(source, now);
        }
        self.candidate = Some((source, ssrc, run));
        Judgement::Foreign
    }

    fn lock(&mut self, source: SocketAddr, now: Time) -> Judgement {
        self.locked = Some((source, now));
        self.candidate = None;
        Judgement::Locked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::new(millis * 1_000_000, 0)
    }

    #[test]
    fn after_the_lock_a_sprayer_gets_nothing_in() {
        let (peer, sprayer) = ("10.0.0.1:4000".parse().unwrap(), "10.6.6.6:4000".parse().unwrap());
        let mut lock = SourceLock::new(Some(peer));
        assert_eq!(lock.judge(sprayer, 1, at(0)), Judgement::Foreign);
        assert_eq!(lock.judge(peer, 2, at(1)), Judgement::Locked);
        for n in 2..1_000 {
            assert_eq!(lock.judge(sprayer, 1, at(n)), Judgement::Foreign);
            assert_eq!(lock.judge(peer, 2, at(n)), Judgement::Accept);
        }
    }

    #[test]
    fn a_source_behind_a_nat_is_learnt_after_probation_and_moves_after_silence() {
        let (nat, moved) = ("1.2.3.4:9".parse().unwrap(), "1.2.3.4:10".parse().unwrap());
        let mut lock = SourceLock::new(Some("192.168.0.2:4000".parse().unwrap()));
        for n in 0..3 {
            assert_eq!(lock.judge(nat, 1, at(n)), Judgement::Foreign);
        }
        assert_eq!(lock.judge(nat, 1, at(3)), Judgement::Locked);
        assert_eq!(lock.judge(moved, 1, at(1_000)), Judgement::Foreign);
        let judged: Vec<_> = (0..4).map(|n| lock.judge(moved, 1, at(3_000 + n))).collect();
        assert_eq!(judged.last(), Some(&Judgement::Locked));
    }
}
