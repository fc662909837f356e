//! How long something took, many times over: counted in buckets, without allocating.

use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;

/// The width of the first buckets, nanoseconds.
const UNIT: u64 = 250;
/// Buckets in each doubling, and those of one [`UNIT`] each below the first doubling.
const STEPS: usize = 4;
/// Doublings from 1 µs on: up to 1.05 s.
const DOUBLINGS: usize = 20;
/// All buckets; the last takes what is longer.
const BUCKETS: usize = STEPS + DOUBLINGS * STEPS + 1;

/// Durations counted in buckets that are a quarter of a doubling wide: a value read from it is at
/// most 25 % too high, below 1 µs at most 250 ns, and never too low.
///
/// It has a fixed size (under 1 kB) and can be copied. It is serialised as its [`Summary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    count: u64,
    sum: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], count: 0, sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count = count.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(nanos);
        self.max = self.max.max(nanos);
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// How many were counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// All of them together.
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// The longest.
    pub const fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The duration that `percent` of all do not exceed; zero if nothing was counted.
    pub fn percentile(&self, percent: u8) -> Duration {
        let wanted = self.count.saturating_mul(u64::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0_u64;
        for (index, count) in self.counts.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if seen >= wanted {
                return Duration::from_nanos(end(index).min(self.max));
            }
        }
        self.max()
    }

    /// How many were shorter than 1 µs, 2 µs, 4 µs and so on up to 1.05 s: each doubling's end and
    /// all that lies before it. What is longer is in [`Histogram::count`] alone.
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let mut seen = 0_u64;
        self.counts.chunks_exact(STEPS).enumerate().map(move |(doubling, counts)| {
            seen = counts.iter().fold(seen, |seen, count| seen.saturating_add(*count));
            (Duration::from_nanos(end(doubling * STEPS + STEPS - 1)), seen)
        })
    }

    /// What is kept of it in records.
    pub fn summary(&self) -> Summary {
        let at = |percent| micros(self.percentile(percent));
        Summary { count: self.count, p50_us: at(50), p95_us: at(95), p99_us: at(99), max_us: micros(self.max()) }
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.summary().serialize(serializer)
    }
}

/// A [`Histogram`] in a few figures; all zero if nothing was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// How many were counted.
    pub count: u64,
    /// Half of them took no longer, microseconds.
    pub p50_us: u64,
    /// 95 % of them took no longer, microseconds.
    pub p95_us: u64,
    /// 99 % of them took no longer, microseconds.
    pub p99_us: u64,
    /// The longest, microseconds.
    pub max_us: u64,
}

/// Rounded up, so that what took time is not said to have taken none.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
}

/// The bucket of a duration.
fn bucket(nanos: u64) -> usize {
    let units = nanos / UNIT;
    let Some(top) = units.checked_ilog2().filter(|top| *top >= 2) else {
        return usize::try_from(units).unwrap_or(0);
    };
    // The highest bit says which doubling, the two below it which quarter.
    let quarter = usize::try_from(units >> (top - 2)).unwrap_or(0) % STEPS;
    let doubling = usize::try_from(top - 2).unwrap_or(0);
    (STEPS + doubling * STEPS + quarter).min(BUCKETS - 1)
}

/// Where a bucket ends, nanoseconds.
fn end(index: usize) -> u64 {
    if index + 1 >= BUCKETS {
        return u64::MAX;
    }
    let next = index as u64 + 1;
    let steps = STEPS as u64;
    if next <= steps {
        return next * UNIT;
    }
    let (doubling, quarter) = ((next - steps) / steps, (next - steps) % steps);
    ((steps + quarter) << doubling) * UNIT
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn nothing_counted_is_nothing() {
        let empty = Histogram::default();
        assert_eq!(empty.summary(), Summary::default());
        assert!(empty.cumulative().all(|(_, seen)| seen == 0));
    }

    #[test]
    fn every_duration_lies_in_the_bucket_that_ends_after_it() {
        assert_eq!((end(0), end(STEPS - 1), end(STEPS)), (250, 1_000, 1_250));
        let mut values: Vec<u64> = (0..BUCKETS - 1).flat_map(|index| [end(index) - 1, end(index)]).collect();
        values.extend([0, 1, u64::MAX]);
        for nanos in values {
            let index = bucket(nanos);
            assert!(nanos < end(index) || index == BUCKETS - 1, "{nanos} is in {index}");
            assert!(index == 0 || nanos >= end(index - 1), "{nanos} is in {index}");
        }
        assert!((1..BUCKETS).all(|index| end(index) > end(index - 1)));
    }

    #[test]
    fn a_percentile_is_never_too_low_and_at_most_a_quarter_too_high() {
        let mut histogram = Histogram::default();
        (1..=1_000).for_each(|ms| histogram.record(us(ms * 100)));
        for (percent, exact) in [(50, 50_000), (95, 95_000), (99, 99_000), (100, 100_000)] {
            let read = histogram.percentile(percent);
            assert!(read >= us(exact) && read <= us(exact * 5 / 4), "p{percent}: {read:?}");
        }
        assert_eq!((histogram.max(), histogram.count()), (us(100_000), 1_000));
        assert_eq!(histogram.sum(), us(50_050_000));
    }

    #[test]
    fn what_is_out_of_range_is_counted_all_the_same() {
        let mut histogram = Histogram::default();
        for took in [Duration::ZERO, us(5_000_000), Duration::MAX, Duration::MAX] {
            histogram.record(took);
        }
        assert_eq!(histogram.count(), 4);
        assert_eq!(histogram.percentile(25), Duration::from_nanos(250));
        assert_eq!(histogram.percentile(50), Duration::from_nanos(u64::MAX));
        let (last, seen) = histogram.cumulative().last().unwrap_or_default();
        assert_eq!((last, seen), (us(1 << 20), 1));
    }

    #[test]
    fn two_merged_are_as_one_that_saw_both() {
        let (mut one, mut other, mut both) = (Histogram::default(), Histogram::default(), Histogram::default());
        for n in 0..500 {
            one.record(us(n * 7));
            other.record(us(n * n));
            both.record(us(n * 7));
            both.record(us(n * n));
        }
        one.merge(&other);
        assert_eq!(one, both);
    }
}
