//! How the packets of one track arrive: what their numbers say is missing, and how unevenly they come.

use std::time::Duration;
use trunkline_call::media::peer::Reception;
use trunkline_types::Time;

/// A jump of more numbers is no loss but a new beginning.
const JUMP: u64 = 3_000;
/// A step of the timestamp or of time beyond this is a pause and says nothing of the network.
const PAUSE: Duration = Duration::from_secs(2);

/// The packets of one track since the last report.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// The source its numbers belong to.
    id: u64,
    /// The highest number before, and up to now.
    numbers: Option<(u64, u64)>,
    received: u64,
    /// When the last packet in order came, and its timestamp.
    last: Option<(Time, u32)>,
    /// RFC 3550 section 6.4.1, in nanoseconds.
    jitter: u64,
}

impl Arrivals {
    /// A packet came, whose timestamps tick at `clock` Hz. `id` tells the source's numbers from those
    /// of another one.
    pub(crate) fn note(&mut self, id: u64, sequence: u64, timestamp: u32, clock: u32, now: Time) {
        let follows = self.numbers.filter(|(_, highest)| self.id == id && sequence.abs_diff(*highest) <= JUMP);
        let Some((before, highest)) = follows else {
            *self = Self {
                id,
                numbers: Some((sequence.saturating_sub(1), sequence)),
                received: 1,
                last: Some((now, timestamp)),
                jitter: 0,
            };
            return;
        };
        self.received += 1;
        self.numbers = Some((before, highest.max(sequence)));
        if sequence <= highest {
            return;
        }
        if let Some((then, held)) = self.last.replace((now, timestamp)) {
            let sent = u64::from(timestamp.wrapping_sub(held)) * 1_000_000_000 / u64::from(clock.max(1));
            let came = now.nanos.saturating_sub(then.nanos);
            let pause = PAUSE.as_nanos() as u64;
            if sent < pause && came < pause {
                let deviation = sent.abs_diff(came);
                self.jitter = self.jitter - self.jitter / 16 + deviation / 16;
            }
        }
    }

    /// What has come since the last report.
    pub(crate) fn take(&mut self) -> Reception {
        let Some((before, highest)) = self.numbers else { return Reception::default() };
        self.numbers = Some((highest, highest));
        let expected = highest.saturating_sub(before);
        // Packets from before the last report may come late.
        let received = std::mem::take(&mut self.received).min(expected);
        Reception { expected, received, jitter: Duration::from_nanos(self.jitter) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::new(millis * 1_000_000, 0)
    }

    #[test]
    fn what_is_missing_is_counted_once() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.take(), Reception::default());
        for n in (0..100).filter(|n| n % 10 != 3) {
            arrivals.note(1, 65_500 + n, n as u32 * 960, 48_000, at(n * 20));
        }
        let taken = arrivals.take();
        assert_eq!((taken.expected, taken.received, taken.jitter), (100, 90, Duration::ZERO));
        assert_eq!(arrivals.take().expected, 0, "silence is no loss");
        // One of before comes late, and one of its own does not come.
        arrivals.note(1, 65_593, 0, 48_000, at(2_000));
        arrivals.note(1, 65_600, 96_000, 48_000, at(2_000));
        arrivals.note(1, 65_602, 97_920, 48_000, at(2_040));
        assert_eq!((arrivals.take().expected, arrivals.take().expected), (3, 0));
    }

    #[test]
    fn another_source_and_a_jump_are_no_loss() {
        let mut arrivals = Arrivals::default();
        arrivals.note(1, 10, 0, 48_000, at(0));
        arrivals.note(2, 2_000, 0, 48_000, at(20));
        assert_eq!(arrivals.take().expected, 1);
        arrivals.note(2, u64::MAX, u32::MAX, 90_000, at(40));
        arrivals.note(2, 0, 0, 90_000, at(60));
        let taken = arrivals.take();
        assert!(taken.expected <= 1 && taken.received <= taken.expected);
    }

    #[test]
    fn packets_that_come_unevenly_have_jitter_and_pauses_have_none() {
        let mut arrivals = Arrivals::default();
        for n in 0..200 {
            arrivals.note(1, n, n as u32 * 960, 48_000, at(n * 20 + n % 2 * 16));
        }
        let jitter = arrivals.take().jitter.as_millis();
        assert!((14..=16).contains(&jitter), "{jitter}");
        let mut steady = Arrivals::default();
        steady.note(1, 1, 0, 48_000, at(0));
        steady.note(1, 2, 960, 48_000, at(60_000));
        assert_eq!(steady.take().jitter, Duration::ZERO);
    }
}
