//! Who guesses passwords is not listened to for a while: a source that fails too often, and guesses
//! at one trunk from whatever sources. What is not listened to is answered as a wrong guess is, so
//! that nobody can tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};
use trunkline_types::{Time, TrunkId, limits::SOURCE_BUCKETS};

/// In which failures are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Failures of one source within it.
const PER_SOURCE: u32 = 10;
/// Failures at one trunk within it, over all sources.
const PER_TRUNK: u32 = 20;
/// The first ban; each further one lasts twice as long.
const BAN: Duration = Duration::from_secs(15 * 60);
/// No ban lasts longer, and who has behaved for so long begins anew.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// What is counted: a source (an IPv6 network of 64 bits, which one machine has for itself), or
/// guesses at a trunk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    Source(IpAddr),
    Trunk(TrunkId),
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// When the window began, and failures since.
    since: Time,
    failures: u32,
    until: Option<Time>,
    bans: u32,
    /// It has shown the password: guesses of others at its trunk do not concern it.
    proven: bool,
    seen: Time,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    records: BTreeMap<Counted, Record>,
    /// The same by when they were last seen, the oldest of which make room.
    by_age: BTreeSet<(Time, Counted)>,
}

impl Guard {
    /// Whether a guess of this source at this trunk is not to be looked at.
    pub(crate) fn is_banned(&self, source: IpAddr, trunk: &TrunkId, now: Time) -> bool {
        let held = |counted: &Counted| self.records.get(counted);
        let banned = |record: &Record| record.until.is_some_and(|until| now < until);
        let of_source = held(&Counted::Source(network(source)));
        if of_source.is_some_and(|record| record.proven) {
            return of_source.is_some_and(banned);
        }
        of_source.is_some_and(banned) || held(&Counted::Trunk(trunk.clone())).is_some_and(banned)
    }

    /// A guess was wrong; returns whether that began a ban.
    pub(crate) fn failed(&mut self, source: IpAddr, trunk: &TrunkId, now: Time) -> bool {
        let of_source = self.count(Counted::Source(network(source)), PER_SOURCE, now);
        let of_trunk = self.count(Counted::Trunk(trunk.clone()), PER_TRUNK, now);
        of_source || of_trunk
    }

    /// The source knows the password.
    pub(crate) fn passed(&mut self, source: IpAddr, now: Time) {
        let record = self.record(Counted::Source(network(source)), now);
        *record = Record { failures: 0, until: None, bans: 0, proven: true, ..*record };
    }

    #[cfg(test)]
    fn bans(&self, now: Time) -> usize {
        self.records.values().filter(|record| record.until.is_some_and(|until| now < until)).count()
    }

    fn count(&mut self, counted: Counted, limit: u32, now: Time) -> bool {
        let record = self.record(counted, now);
        if now.since(record.since) >= WINDOW {
            (record.since, record.failures) = (now, 0);
        }
        record.failures = record.failures.saturating_add(1);
        if record.failures < limit {
            return false;
        }
        let length = BAN.saturating_mul(1 << record.bans.min(16)).min(LONGEST);
        record.until = Some(now + length);
        record.bans = record.bans.saturating_add(1);
        (record.since, record.failures) = (now + length, 0);
        true
    }

    /// The record, made when it is new; the oldest of too many goes.
    fn record(&mut self, counted: Counted, now: Time) -> &mut Record {
        let fresh = Record { since: now, failures: 0, until: None, bans: 0, proven: false, seen: now };
        if let Some(held) = self.records.get_mut(&counted) {
            self.by_age.remove(&(held.seen, counted.clone()));
            // A ban is not what it has behaved through.
            if now.since(held.until.unwrap_or(held.seen).max(held.seen)) >= LONGEST {
                *held = fresh;
            }
            held.seen = now;
        } else if self.records.len() >= SOURCE_BUCKETS
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.records.remove(&oldest);
        }
        self.by_age.insert((now, counted.clone()));
        self.records.entry(counted).or_insert(fresh)
    }
}

fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::new(seconds * 1_000_000_000, 0)
    }

    fn source(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    fn trunk() -> TrunkId {
        "ST_guessed".into()
    }

    /// Fails until that begins a ban; returns how often.
    fn until_banned(guard: &mut Guard, who: IpAddr, trunk: &TrunkId, now: Time) -> u32 {
        (1..).find(|_| guard.failed(who, trunk, now)).unwrap()
    }

    #[test]
    fn bans_of_a_source_grow_and_end() {
        let (mut guard, mut now) = (Guard::default(), 0);
        for (round, minutes) in [15, 30, 60, 120, 240, 480, 960, 1_440, 1_440].into_iter().enumerate() {
            // Each at a trunk of its own: their own count does not matter here.
            let trunk = TrunkId::from(format!("ST_{round}"));
            assert_eq!(until_banned(&mut guard, source(1), &trunk, at(now)), PER_SOURCE);
            assert!(guard.is_banned(source(1), &trunk, at(now + minutes * 60 - 1)));
            assert!(!guard.is_banned(source(2), &trunk, at(now)));
            now += minutes * 60;
            assert!(!guard.is_banned(source(1), &trunk, at(now)));
        }
        now += LONGEST.as_secs();
        until_banned(&mut guard, source(1), &trunk(), at(now));
        assert!(!guard.is_banned(source(1), &trunk(), at(now + 900)), "who has behaved for a day begins anew");
    }

    #[test]
    fn a_slip_now_and_then_bans_nobody() {
        let mut guard = Guard::default();
        assert!(!(0..200).any(|n| guard.failed(source(1), &trunk(), at(n * 7))));
    }

    #[test]
    fn guesses_from_everywhere_close_the_trunk_to_all_but_who_knows_the_password() {
        let mut guard = Guard::default();
        guard.passed(source(9), at(0));
        assert_eq!((1..).find(|n| guard.failed(source(*n), &trunk(), at(1))), Some(PER_TRUNK));
        assert!(guard.is_banned(source(1_000), &trunk(), at(2)));
        assert!(!guard.is_banned(source(9), &trunk(), at(2)));
        assert!(!guard.is_banned(source(1_000), &"ST_other".into(), at(2)));
        assert_eq!(guard.bans(at(2)), 1);
    }

    #[test]
    fn the_table_is_bounded_and_neighbours_in_a_network_are_one() {
        let mut guard = Guard::default();
        for n in 0..20_000 {
            guard.failed(source(n), &TrunkId::from(format!("ST_{n}")), at(u64::from(n)));
        }
        assert_eq!((guard.records.len(), guard.by_age.len()), (SOURCE_BUCKETS, SOURCE_BUCKETS));
        let mut guard = Guard::default();
        let near = |n: u32| format!("2001:db8::{n:x}").parse().unwrap();
        assert_eq!((1..).find(|n| guard.failed(near(*n), &trunk(), at(0))), Some(PER_SOURCE));
    }
}
