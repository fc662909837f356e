//! How much one source may do in a second.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};
use trunkline_types::{Time, limits};

const SECOND: u64 = 1_000_000_000;

/// Token buckets by source, at most [`limits::SOURCE_BUCKETS`]; the oldest goes first. Each holds
/// one second's worth and is kept as the moment at which it would be full again.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// Nanoseconds one message costs; 0 for no limit.
    cost: u64,
    full_at: HashMap<IpAddr, u64>,
    order: VecDeque<IpAddr>,
}

impl Buckets {
    pub(crate) fn new(per_second: u32) -> Self {
        let cost = SECOND.checked_div(u64::from(per_second)).unwrap_or(0);
        Self { cost, full_at: HashMap::new(), order: VecDeque::new() }
    }

    /// Takes one token; `false` if there is none.
    pub(crate) fn take(&mut self, source: IpAddr, now: Time) -> bool {
        let cost = self.cost;
        let full_at = self.bucket(source, now);
        let after = full_at.saturating_add(cost);
        let allowed = after.saturating_sub(now.nanos) <= SECOND;
        if allowed {
            *full_at = after;
        }
        allowed
    }

    /// Takes `count` tokens, on credit if need be; returns how long the source shall wait until it
    /// has paid.
    pub(crate) fn charge(&mut self, source: IpAddr, count: usize, now: Time) -> Duration {
        let cost = self.cost.saturating_mul(count as u64);
        let full_at = self.bucket(source, now);
        *full_at = full_at.saturating_add(cost).min(now.nanos.saturating_add(2 * SECOND));
        Duration::from_nanos(full_at.saturating_sub(now.nanos).saturating_sub(SECOND))
    }

    /// The source's bucket, filled up to `now`.
    fn bucket(&mut self, source: IpAddr, now: Time) -> &mut u64 {
        let source = network(source);
        if !self.full_at.contains_key(&source) {
            if self.full_at.len() >= limits::SOURCE_BUCKETS
                && let Some(oldest) = self.order.pop_front()
            {
                self.full_at.remove(&oldest);
            }
            self.order.push_back(source);
        }
        let full_at = self.full_at.entry(source).or_insert(now.nanos);
        *full_at = (*full_at).max(now.nanos);
        full_at
    }
}

/// One subscriber: an IPv4 address, or the /64 an IPv6 address lies in.
fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::new(millis * 1_000_000, 0)
    }

    fn v4(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    #[test]
    fn a_burst_of_one_second_and_then_the_rate() {
        let mut buckets = Buckets::new(100);
        assert_eq!((0..200).filter(|_| buckets.take(v4(1), at(5))).count(), 100);
        assert!(buckets.take(v4(2), at(5)), "another source has its own");
        assert!(!buckets.take(v4(1), at(14)));
        assert!(buckets.take(v4(1), at(15)));
        assert!(!buckets.take(v4(1), at(15)));
        assert_eq!((0..200).filter(|_| buckets.take(v4(1), at(60_000))).count(), 100, "full again, not more");
    }

    #[test]
    fn zero_is_no_limit() {
        let mut buckets = Buckets::new(0);
        assert!((0..10_000).all(|_| buckets.take(v4(1), at(0))));
    }

    #[test]
    fn credit_is_paid_back_by_waiting() {
        let mut buckets = Buckets::new(100);
        assert_eq!(buckets.charge(v4(1), 100, at(0)), Duration::ZERO);
        assert_eq!(buckets.charge(v4(1), 10, at(0)), Duration::from_millis(100));
        assert_eq!(buckets.charge(v4(1), usize::MAX, at(0)), Duration::from_secs(1), "bounded");
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_goes() {
        let mut buckets = Buckets::new(1);
        for number in 0..=limits::SOURCE_BUCKETS as u32 {
            assert!(buckets.take(v4(number), at(0)));
        }
        assert_eq!(buckets.full_at.len(), limits::SOURCE_BUCKETS);
        assert_eq!(buckets.order.len(), limits::SOURCE_BUCKETS);
        assert!(!buckets.take(v4(1), at(0)), "the second is still known");
        assert!(buckets.take(v4(0), at(0)), "the first is forgotten");
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_a_bucket() {
        let mut buckets = Buckets::new(1);
        assert!(buckets.take("2001:db8::1".parse().unwrap(), at(0)));
        assert!(!buckets.take("2001:db8::2".parse().unwrap(), at(0)));
        assert!(buckets.take("2001:db8:0:1::1".parse().unwrap(), at(0)));
    }
}
