//! Where the time of the thread goes, and how long audio takes on it.
//!
//! One turn of the loop in [`SAMPLED`] reads the clock whenever another stage begins; all others
//! cost a comparison there.

use std::time::Duration;
use trunkline_call::media::timings::{SAMPLED, Stage, Timings};
use trunkline_types::Time;

/// Between two reports, of the thread and of a leg.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Audio that goes on in the turn under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// See the module.
pub(crate) struct Stages {
    pub(crate) timings: Timings,
    clock: Box<dyn Fn() -> Time + Send>,
    until_sample: u32,
    /// What is being done since when, in a turn that is measured.
    current: Option<(Stage, Time)>,
    /// Legs whose audio goes on in this turn, and since when it has been here.
    moved: Vec<(usize, Way, Time)>,
    next_report: Option<Time>,
}

impl Stages {
    pub(crate) fn new(clock: impl Fn() -> Time + Send + 'static) -> Self {
        Self {
            timings: Timings::default(),
            clock: Box::new(clock),
            until_sample: 0,
            current: None,
            moved: Vec::with_capacity(256),
            next_report: None,
        }
    }

    /// A turn of the loop begins.
    pub(crate) fn begin(&mut self, now: Time) {
        self.current = None;
        match self.until_sample.checked_sub(1) {
            Some(left) => self.until_sample = left,
            None => {
                self.until_sample = SAMPLED - 1;
                self.current = Some((Stage::Other, now));
            }
        }
    }

    /// Another stage begins; returns the one before, to go back to.
    pub(crate) fn enter(&mut self, stage: Stage) -> Stage {
        let Some((before, since)) = self.current else { return Stage::Other };
        if before != stage {
            let now = (self.clock)();
            self.timings.stages[before as usize].record(now.since(since));
            self.current = Some((stage, now));
        }
        before
    }

    /// A leg's audio that has been here since `since` goes on in this turn.
    pub(crate) fn moves(&mut self, leg: usize, way: Way, since: Time) {
        self.moved.push((leg, way, since));
    }

    /// A turn ends: everything has been sent. Tells how long each leg's audio took.
    pub(crate) fn end(&mut self, mut took: impl FnMut(usize, Way, Duration)) {
        self.enter(Stage::Other);
        if self.current.is_none() && self.moved.is_empty() {
            return;
        }
        let now = (self.clock)();
        if let Some((stage, since)) = self.current.take() {
            self.timings.stages[stage as usize].record(now.since(since));
        }
        for (leg, way, since) in self.moved.drain(..) {
            let spent = now.since(since);
            match way {
                Way::Up => self.timings.audio_up.record(spent),
                Way::Down => self.timings.audio_down.record(spent),
            }
            took(leg, way, spent);
        }
    }

    /// Whether the thread's report is due.
    pub(crate) fn is_report_due(&mut self, now: Time) -> bool {
        let is_due = self.next_report.is_some_and(|at| now >= at);
        if is_due || self.next_report.is_none() {
            self.next_report = Some(now + REPORT_EVERY);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    /// A clock that goes on by 1 ms with each reading.
    fn clock() -> impl Fn() -> Time + Send + 'static {
        let read = Arc::new(AtomicU64::new(0));
        move || Time::new((read.fetch_add(1, Ordering::Relaxed) + 1) * 1_000_000, 0)
    }

    #[test]
    fn all_time_of_a_sampled_turn_is_charged_to_the_stage_it_was_spent_in() {
        let mut stages = Stages::new(clock());
        for _ in 0..SAMPLED * 3 {
            stages.begin((stages.clock)());
            let before = stages.enter(Stage::Mix);
            let mixing = stages.enter(Stage::Encode);
            stages.enter(mixing);
            stages.enter(before);
            stages.end(|_, _, _| {});
        }
        let spent = |stage| {
            let histogram = stages.timings.stages[stage as usize];
            (histogram.count(), histogram.sum().as_millis())
        };
        assert_eq!(spent(Stage::Mix), (6, 6));
        assert_eq!(spent(Stage::Encode), (3, 3));
        assert_eq!(spent(Stage::Other), (6, 6));
        assert_eq!(spent(Stage::Send), (0, 0));
    }

    #[test]
    fn what_moves_is_told_at_the_end_of_its_turn_in_every_turn() {
        let mut stages = Stages::new(clock());
        let mut told = Vec::new();
        for _ in 0..3 {
            let now = (stages.clock)();
            stages.begin(now);
            stages.moves(7, Way::Up, now);
            stages.end(|leg, way, took| told.push((leg, way, took.as_millis())));
            stages.end(|_, _, _| panic!("it is told once"));
        }
        assert_eq!(told, [(7, Way::Up, 1); 3]);
        assert_eq!((stages.timings.audio_up.count(), stages.timings.audio_down.count()), (3, 0));
    }
}
