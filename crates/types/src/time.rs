//! Time as a plain number, so that event logs serialise and replay.

use serde::{Deserialize, Serialize};
use std::{
    ops::{Add, Sub},
    time::Duration,
};

/// A moment: monotonic nanoseconds since the process began, and where that lies on the wall clock.
///
/// Moments compare by the monotonic part alone. `types` never reads a clock; shells make the
/// moments and hand them in.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Time {
    /// Monotonic nanoseconds.
    pub nanos: u64,
    /// Unix nanoseconds at the moment whose `nanos` is 0.
    pub wall_offset: i64,
}

impl Time {
    /// A moment `nanos` after the beginning, on a wall clock that stood at `wall_offset` then.
    pub const fn new(nanos: u64, wall_offset: i64) -> Self {
        Self { nanos, wall_offset }
    }

    /// Unix time in nanoseconds.
    pub const fn unix_nanos(self) -> i64 {
        self.wall_offset.saturating_add_unsigned(self.nanos)
    }

    /// Unix time in milliseconds.
    pub const fn unix_millis(self) -> i64 {
        self.unix_nanos() / 1_000_000
    }

    /// Unix time in whole seconds.
    pub const fn unix_seconds(self) -> i64 {
        self.unix_nanos() / 1_000_000_000
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(earlier.nanos))
    }
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}
impl Eq for Time {}
impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Time {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}
impl std::hash::Hash for Time {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.nanos.hash(state);
    }
}

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        Self { nanos: self.nanos.saturating_add(by), ..self }
    }
}

impl Sub for Time {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}
