//! Who may send us RTP: the address of the SDP at once, anybody else after a short probation, and
//! after the lock nobody else until both sides agree on another address or the source falls silent.

use std::{net::SocketAddr, time::Duration};
use trunkline_types::Time;

/// Consecutive packets of one source and SSRC that lock it.
const PROBATION: u32 = 4;
/// Silence of the locked source after which another may take over.
const SILENCE: Duration = Duration::from_secs(2);
/// Packets of a source that was to be left for another, after which it is the source again: the
/// address that was agreed on is one that nobody can see. A second of them.
const LINGERING: u32 = 50;

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
    locked: Option<Locked>,
    candidate: Option<(SocketAddr, u32, u32)>,
    /// Both sides have agreed on an address that is not the locked source's: it is heard until the
    /// new one is, and so many packets of it have come since.
    leaving: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Locked {
    source: SocketAddr,
    last: Time,
    /// The address that the far end gave for itself then.
    named: Option<SocketAddr>,
}

impl SourceLock {
    /// A lock that knows the address of the SDP.
    pub fn new(expected: Option<SocketAddr>) -> Self {
        Self { expected, ..Self::default() }
    }

    /// Both sides have agreed on this address (again). Where it is the one they had, the source
    /// stays; where it is another, the source is heard until the new one is, so that nothing is lost
    /// between the two.
    pub fn expect(&mut self, expected: Option<SocketAddr>) {
        if expected == self.expected {
            return;
        }
        self.expected = expected;
        self.candidate = None;
        self.leaving = match &self.locked {
            Some(locked) if Some(locked.source) != expected && locked.named != expected => Some(0),
            _ => None,
        };
    }

    /// The source, once it is locked: where we send. `None` while it is to be left.
    pub fn source(&self) -> Option<SocketAddr> {
        self.locked.filter(|_| self.leaving.is_none()).map(|locked| locked.source)
    }

    /// Whether the source has sent within the silence after which another may take over.
    pub fn is_flowing(&self, now: Time) -> bool {
        self.locked.is_some_and(|locked| now.since(locked.last) < SILENCE)
    }

    /// Judges a packet by where it came from.
    pub fn judge(&mut self, source: SocketAddr, ssrc: u32, now: Time) -> Judgement {
        if let Some(locked) = &mut self.locked {
            if locked.source == source {
                locked.last = now;
                let Some(lingering) = &mut self.leaving else { return Judgement::Accept };
                *lingering = lingering.saturating_add(1);
                return if *lingering >= LINGERING { self.lock(source, now) } else { Judgement::Accept };
            }
            if self.expected != Some(source) && self.leaving.is_none() && now.since(locked.last) < SILENCE {
                return Judgement::Foreign;
            }
        }
        if self.expected == Some(source) {
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
        self.locked = Some(Locked { source, last: now, named: self.expected });
        self.candidate = None;
        self.leaving = None;
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

    #[test]
    fn another_address_takes_over_with_its_first_packet_and_the_old_one_is_heard_until_then() {
        let (old, new) = ("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:5000".parse().unwrap());
        let mut lock = SourceLock::new(Some(old));
        assert_eq!(lock.judge(old, 1, at(0)), Judgement::Locked);
        lock.expect(Some(new));
        assert_eq!(lock.source(), None, "we send to the new address at once");
        for n in 1..10 {
            assert_eq!(lock.judge(old, 1, at(n * 20)), Judgement::Accept);
        }
        assert_eq!(lock.judge(new, 2, at(200)), Judgement::Locked);
        assert_eq!(lock.source(), Some(new));
        assert_eq!(lock.judge(old, 1, at(201)), Judgement::Foreign);
    }

    #[test]
    fn the_same_address_again_opens_the_door_to_nobody() {
        let (named, nat, sprayer) =
            ("192.168.0.2:4000".parse().unwrap(), "1.2.3.4:9".parse().unwrap(), "10.6.6.6:4000".parse().unwrap());
        let mut lock = SourceLock::new(Some(named));
        for n in 0..4 {
            lock.judge(nat, 1, at(n));
        }
        assert_eq!(lock.source(), Some(nat));
        // Held with a zero address and resumed: it is where it was.
        lock.expect(None);
        assert_eq!(lock.source(), None);
        lock.expect(Some(named));
        assert_eq!(lock.source(), Some(nat));
        lock.expect(Some(named));
        for n in 10..30 {
            assert_eq!(lock.judge(sprayer, 7, at(n)), Judgement::Foreign);
            assert_eq!(lock.judge(nat, 1, at(n)), Judgement::Accept);
        }
    }

    #[test]
    fn a_new_address_that_nobody_can_see_does_not_strand_the_call() {
        let (first, second, nat) =
            ("192.168.0.2:4000".parse().unwrap(), "192.168.0.3:4000".parse().unwrap(), "1.2.3.4:9".parse().unwrap());
        let mut lock = SourceLock::new(Some(first));
        for n in 0..4 {
            lock.judge(nat, 1, at(n));
        }
        lock.expect(Some(second));
        assert_eq!(lock.source(), None);
        for n in 0..60 {
            assert_ne!(lock.judge(nat, 1, at(100 + n * 20)), Judgement::Foreign);
        }
        assert_eq!(lock.source(), Some(nat));
    }
}
