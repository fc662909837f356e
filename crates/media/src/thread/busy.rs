//! How much of its time a thread works, and what it spares and leaves out when all of it is not enough.

use std::time::Duration;
use trunkline_types::Time;

/// Between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Rooms that tick later than this are late.
const LATE: Duration = Duration::from_millis(40);
/// So long they may be late on end before voices are encoded with less work.
const HURRIED: Duration = Duration::from_millis(100);
/// So long that goes on: what was gained is not to be lost at once.
const SPARED: Duration = Duration::from_secs(5);
/// A thread that is that busy although it encodes with less work would be late again at once.
const FULL: f32 = 0.9;
/// So long they may be late on end before something is left out.
const ENDURED: Duration = Duration::from_millis(300);
/// So late they must be then: what a pause of the machine has gathered is worked off.
const TOO_LATE: Duration = Duration::from_millis(150);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    /// The last report, or the first look at the clock.
    since: Option<Time>,
    /// Of the time after it, what was spent waiting for something to do.
    waited: Duration,
    /// Of the time after it, what rooms, or what phones say, were left out for.
    pub(crate) left_out: Duration,
    /// Of the time after it, that in which voices were encoded with less work.
    spared: Duration,
    /// Rooms have ticked late ever since.
    late: Option<Time>,
    /// Voices are encoded with less work.
    sparing: Option<Sparing>,
    /// What phones say is left out, and was counted until then.
    resting: Option<Time>,
}

/// See [`Busy::is_sparing`].
#[derive(Clone, Copy, Debug)]
struct Sparing {
    until: Time,
    /// It was counted until then.
    counted: Time,
}

/// How a thread has fared since the last report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Report {
    /// The share of its time that it worked, 0 to 1.
    pub(crate) busy: f32,
    /// For how long voices were encoded with less work.
    pub(crate) spared: Duration,
    /// For how long rooms, or what phones say, were left out.
    pub(crate) left_out: Duration,
}

impl Busy {
    /// The thread had nothing to do for a while.
    pub(crate) fn waited(&mut self, since: Time, until: Time) {
        self.since.get_or_insert(since);
        self.waited += until.since(since);
    }

    /// Rooms are about to tick so late. That passes after a pause of the machine, in which packets
    /// have gathered, or the work is too much. Then what is most work goes first: encoding what
    /// phones say, which comes with packets and would never be late itself.
    pub(crate) fn is_behind(&mut self, behind: Duration, now: Time) {
        if let Some(since) = self.resting {
            self.left_out += now.since(since);
        }
        if let Some(Sparing { until, counted }) = self.sparing {
            self.spared += now.since(counted);
            self.sparing = (now < until).then_some(Sparing { until, counted: now });
        }
        if behind <= LATE {
            (self.late, self.resting) = (None, None);
        } else {
            let endured = now.since(*self.late.get_or_insert(now));
            if endured >= HURRIED {
                self.sparing = Some(Sparing { until: now + SPARED, counted: now });
            }
            let is_too_much = endured >= ENDURED && behind > TOO_LATE;
            self.resting = (self.resting.is_some() || is_too_much).then_some(now);
        }
    }

    /// Whether voices are to be encoded with the least work that libopus can do: rooms are late, or
    /// were a moment ago. PESQ is the same then (`cargo xtask bench media --quality`); it comes before
    /// anything is left out.
    pub(crate) fn is_sparing(&self) -> bool {
        self.sparing.is_some()
    }

    /// Whether what phones say is left out now.
    pub(crate) fn is_resting(&self) -> bool {
        self.resting.is_some()
    }

    /// If a report is due.
    pub(crate) fn report(&mut self, now: Time) -> Option<Report> {
        let passed = now.since(*self.since.get_or_insert(now));
        if passed < REPORT_EVERY {
            return None;
        }
        let waited = self.waited.as_secs_f32() / passed.as_secs_f32();
        let (spared, left_out) = (std::mem::take(&mut self.spared), std::mem::take(&mut self.left_out));
        (self.since, self.waited) = (Some(now), Duration::ZERO);
        let busy = (1.0 - waited).clamp(0.0, 1.0);
        if let Some(sparing) = self.sparing.as_mut().filter(|_| busy >= FULL) {
            sparing.until = now + SPARED;
        }
        Some(Report { busy, spared, left_out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milli: u64) -> Time {
        Time::new(milli * 1_000_000, 0)
    }

    #[test]
    fn what_is_not_waiting_is_work() {
        let mut busy = Busy::default();
        for n in 0..100 {
            busy.waited(at(n * 10), at(n * 10 + 4));
        }
        assert_eq!(busy.report(at(999)), None);
        let report = busy.report(at(1_000)).unwrap();
        assert!((report.busy - 0.6).abs() < 0.001 && report.left_out.is_zero(), "{report:?}");
        busy.waited(at(1_000), at(2_000));
        let idle = Report { busy: 0.0, spared: Duration::ZERO, left_out: Duration::ZERO };
        assert_eq!(busy.report(at(2_000)), Some(idle));
    }

    #[test]
    fn less_work_is_done_when_rooms_stay_late_and_for_a_while_after_it() {
        let mut busy = Busy::default();
        let ms = Duration::from_millis;
        busy.waited(at(1_000), at(1_000));
        // What a pause of the machine has gathered is worked off in time.
        busy.is_behind(ms(90), at(1_000));
        busy.is_behind(ms(60), at(1_090));
        busy.is_behind(LATE, at(1_100));
        assert!(!busy.is_sparing());
        busy.is_behind(ms(41), at(1_200));
        busy.is_behind(ms(41), at(1_300));
        assert!(busy.is_sparing() && !busy.is_resting());
        busy.is_behind(ms(0), at(1_310));
        busy.is_behind(ms(0), at(6_299));
        assert!(busy.is_sparing());
        busy.is_behind(ms(0), at(6_300));
        assert!(!busy.is_sparing());
        let report = busy.report(at(6_400)).unwrap();
        assert_eq!((report.spared, report.left_out), (SPARED, ms(0)));
    }

    #[test]
    fn less_work_goes_on_while_there_is_hardly_time_for_that() {
        let mut busy = Busy::default();
        let ms = Duration::from_millis;
        for now in [1_000, 1_100, 1_200] {
            busy.is_behind(ms(50), at(now));
        }
        // Nine tenths of each second are work, and a little less from the tenth on.
        for second in 1..30 {
            let waits = if second < 10 { 95 } else { 105 };
            busy.waited(at(second * 1_000 + 300), at(second * 1_000 + 300 + waits));
            busy.is_behind(ms(0), at(second * 1_000 + 900));
            assert_eq!(busy.is_sparing(), second < 15, "second {second}");
            busy.report(at((second + 1) * 1_000));
        }
    }

    #[test]
    fn phones_rest_when_rooms_stay_late_until_they_are_not() {
        let mut busy = Busy::default();
        let ms = Duration::from_millis;
        // A pause, and what has gathered in it.
        busy.is_behind(ms(180), at(1_000));
        busy.is_behind(ms(90), at(1_100));
        assert!(!busy.is_resting());
        busy.is_behind(ms(20), at(1_150));
        // Nearly too much work.
        for late in 0..=400 {
            busy.is_behind(ms(50 + late / 4), at(1_200 + late));
            assert!(!busy.is_resting());
        }
        busy.is_behind(LATE, at(1_610));
        // Too much.
        for late in 0..=300 {
            assert!(!busy.is_resting());
            busy.is_behind(ms(151), at(1_700 + late));
        }
        assert!(busy.is_resting());
        busy.is_behind(ms(60), at(2_050));
        assert!(busy.is_resting());
        busy.is_behind(LATE, at(2_100));
        assert!(!busy.is_resting());
        busy.is_behind(ms(160), at(2_200));
        assert_eq!((busy.is_resting(), busy.left_out), (false, ms(100)));
    }
}
