//! Twenty slots of one millisecond: what is in a slot ticks every 20 ms, and rooms that began at
//! different times tick at different times.

use std::time::Duration;
use trunkline_types::Time;

const SLOTS: usize = 20;
const MILLI: u64 = 1_000_000;
/// A thread that fell behind by more than this begins anew instead of catching up.
const BEHIND: u64 = 200;

/// See the module.
pub(crate) struct Wheel<T> {
    slots: [Vec<T>; SLOTS],
    /// The last millisecond that was served.
    served: u64,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self { slots: std::array::from_fn(|_| Vec::new()), served: 0 }
    }
}

impl<T: Clone + PartialEq> Wheel<T> {
    /// Ticks for the first time 20 ms from now.
    pub(crate) fn add(&mut self, what: T, now: Time) {
        if self.is_empty() {
            self.served = now.nanos / MILLI;
        }
        self.slots[slot(now.nanos / MILLI)].push(what);
    }

    pub(crate) fn remove(&mut self, what: &T) {
        for slot in &mut self.slots {
            slot.retain(|held| held != what);
        }
    }

    /// Ticks so many milliseconds earlier from the next time on, if that is still to come.
    pub(crate) fn earlier(&mut self, what: &T, by: u64) {
        let Some(held) = self.slots.iter().position(|slot| slot.contains(what)) else { return };
        let ahead = (1..=SLOTS as u64).find(|n| slot(self.served + n) == held).unwrap_or(0);
        if by < ahead {
            self.slots[held].retain(|other| other != what);
            self.slots[slot(self.served + ahead - by)].push(what.clone());
        }
    }

    fn is_empty(&self) -> bool {
        self.slots.iter().all(Vec::is_empty)
    }

    /// When the next slot with something in it comes.
    pub(crate) fn next(&self, now: Time) -> Option<Time> {
        let ahead = (1..=SLOTS as u64).find(|n| !self.slots[slot(self.served + n)].is_empty())?;
        let at = (self.served + ahead) * MILLI;
        Some(Time { nanos: at, ..now })
    }

    /// How late what is due next would be.
    pub(crate) fn behind(&self, now: Time) -> Duration {
        let until = if self.is_empty() { 0 } else { now.nanos / MILLI };
        Duration::from_millis(until.saturating_sub(self.served))
    }

    /// What is due by now, each once for each of its times, with it and in order; returns the time that
    /// is left out because it is too late for it.
    pub(crate) fn due(&mut self, now: Time, out: &mut Vec<(T, Time)>) -> Duration {
        let until = now.nanos / MILLI;
        let mut left_out = Duration::ZERO;
        if until.saturating_sub(self.served) > BEHIND {
            left_out = self.behind(now).saturating_sub(Duration::from_millis(SLOTS as u64));
            self.served = until - SLOTS as u64;
        }
        while self.served < until {
            self.served += 1;
            let at = Time { nanos: self.served * MILLI, ..now };
            out.extend(self.slots[slot(self.served)].iter().map(|what| (what.clone(), at)));
        }
        left_out
    }
}

fn slot(milli: u64) -> usize {
    usize::try_from(milli % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milli: u64) -> Time {
        Time::new(milli * MILLI, 0)
    }

    #[test]
    fn each_ticks_fifty_times_a_second() {
        let mut wheel = Wheel::default();
        let mut out = Vec::new();
        wheel.add("a", at(103));
        wheel.due(at(111), &mut out);
        wheel.add("b", at(111));
        let mut now = at(111);
        while now <= at(1_111) {
            wheel.due(now, &mut out);
            now = wheel.next(now).unwrap_or(at(2_000));
        }
        for (what, first) in [("a", 123), ("b", 131)] {
            let times: Vec<_> = out.iter().filter(|(ticked, _)| *ticked == what).map(|(_, time)| *time).collect();
            assert_eq!(times, (0..50).map(|n| at(first + n * 20)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_shall_tick_earlier_does_so_from_the_next_time_on_and_misses_none() {
        for (by, expected) in [(0, 140), (1, 139), (13, 127), (14, 126), (15, 140), (19, 140), (20, 140)] {
            let mut wheel = Wheel::default();
            wheel.add("a", at(100));
            let mut out = Vec::new();
            // It has ticked at 120, and 125 has been served.
            wheel.due(at(125), &mut out);
            wheel.earlier(&"a", by);
            assert_eq!(wheel.next(at(125)), Some(at(expected)), "{by}");
            wheel.due(at(125 + 200), &mut out);
            assert_eq!(out.len(), 11, "{by}");
        }
    }

    #[test]
    fn a_thread_far_behind_begins_anew() {
        let mut wheel = Wheel::default();
        wheel.add("a", at(0));
        let mut out = Vec::new();
        assert_eq!(wheel.behind(at(60_000)), Duration::from_secs(60));
        assert_eq!(wheel.due(at(60_000), &mut out), Duration::from_millis(59_980));
        assert_eq!(out, [("a", at(60_000))]);
        wheel.remove(&"a");
        assert_eq!(wheel.next(at(60_000)), None);
        assert_eq!((wheel.behind(at(90_000)), wheel.due(at(90_000), &mut out)), Default::default());
    }

    #[test]
    fn a_thread_a_little_behind_catches_up() {
        let mut wheel = Wheel::default();
        wheel.add("a", at(0));
        let mut out = Vec::new();
        assert_eq!(wheel.behind(at(200)), Duration::from_millis(200));
        assert_eq!(wheel.due(at(200), &mut out), Duration::ZERO);
        assert_eq!((out.len(), wheel.behind(at(200))), (10, Duration::ZERO));
    }
}
