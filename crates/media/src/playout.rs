//! A caller's voice on its way to the other telephones of its room: PCM as packets bring it, 20 ms at
//! every tick.
//!
//! It begins with its first whole frame. Where a packet is late a frame is made up, and what follows
//! has that much more time; what nobody has needed for five seconds is given back, a pitch period at
//! a time. So it follows the network and a far end whose clock is not ours.

use crate::frame::{FRAME, take};
use std::collections::VecDeque;
use trunkline_audio::{plc::Concealer, shorten::shorten};

/// What waits at most is a fifth of a second.
const MOST: usize = 5;
/// A packet is no longer than 60 ms: three frames.
const PACKET: usize = 3 * FRAME;
/// Frames made up in a row; after them nothing is being sent.
const CONCEAL: u32 = 5;
/// Ticks over which it is watched what always waits.
const WATCHED: u32 = 250;
/// Milliseconds of that which are kept.
const KEPT: usize = 5;
/// One frame of so many is said in less time.
const SHORTER_EVERY: u32 = 3;

/// See the module.
pub(crate) struct Playout {
    rate: u32,
    waiting: VecDeque<i16>,
    concealer: Concealer,
    playing: bool,
    /// Frames made up in a row.
    made_up: u32,
    /// Ticks since it is watched, and the least that was left after one of them.
    watched: u32,
    least: usize,
    /// Samples to be given back.
    spare: usize,
}

impl Playout {
    /// For PCM at `rate` Hz, up to 16,000. Nothing is allocated later.
    pub(crate) fn new(rate: u32) -> Self {
        Self {
            rate,
            waiting: VecDeque::with_capacity(rate as usize / MOST + PACKET),
            concealer: Concealer::new(rate),
            playing: false,
            made_up: 0,
            watched: 0,
            least: usize::MAX,
            spare: 0,
        }
    }

    /// A packet's voice. What has waited for too long is dropped for it.
    pub(crate) fn push(&mut self, pcm: &[i16]) {
        let old = self.waiting.len().saturating_sub(self.rate as usize / MOST);
        self.waiting.drain(..old);
        self.waiting.extend(pcm);
    }

    /// The next 20 ms; silence is not written.
    pub(crate) fn next(&mut self, frame: &mut [i16]) {
        if self.waiting.len() < frame.len() {
            self.is_empty(frame);
            return;
        }
        self.playing = true;
        self.made_up = 0;
        if self.watched.is_multiple_of(SHORTER_EVERY) {
            self.give_back(frame.len());
        }
        take(&mut self.waiting, frame);
        self.concealer.received(frame);
        self.least = self.least.min(self.waiting.len());
        self.watched += 1;
        if self.watched == WATCHED {
            self.spare = self.least.saturating_sub(self.rate as usize * KEPT / 1_000);
            (self.watched, self.least) = (0, usize::MAX);
        }
    }

    /// The packet whose turn it is has not come.
    fn is_empty(&mut self, frame: &mut [i16]) {
        (self.watched, self.least, self.spare) = (0, usize::MAX, 0);
        self.made_up += u32::from(self.playing);
        if self.made_up > CONCEAL {
            self.playing = false;
            self.made_up = 0;
            self.waiting.clear();
        }
        if self.playing {
            self.concealer.conceal(frame);
        }
    }

    fn give_back(&mut self, frame: usize) {
        let waiting = self.waiting.make_contiguous();
        let end = waiting.len().min(2 * frame);
        let left_out = shorten(&mut waiting[..end], self.rate, self.spare.min(end - frame));
        self.waiting.drain(end - left_out..end);
        self.spare -= left_out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    const RATE: u32 = 8_000;
    const SAMPLES: usize = 160;

    /// A voice of 125 Hz with overtones, sample by sample.
    fn voice(n: usize) -> i16 {
        let angle = n as f64 * 2.0 * PI * 125.0 / f64::from(RATE);
        (4_000.0 * angle.sin() + 2_000.0 * (2.0 * angle).sin() + 1_000.0 * (3.0 * angle).sin()) as i16
    }

    /// What is heard of a voice whose packets come when `arrives` says so, in milliseconds, and what
    /// waits after each tick.
    fn heard(ticks: usize, arrives: impl Fn(usize) -> f64) -> (Vec<Vec<i16>>, Vec<usize>) {
        let (mut playout, mut sent) = (Playout::new(RATE), 0);
        (0..ticks)
            .map(|tick| {
                while arrives(sent) <= tick as f64 * 20.0 + 10.0 {
                    playout.push(&(sent * SAMPLES..(sent + 1) * SAMPLES).map(voice).collect::<Vec<_>>());
                    sent += 1;
                }
                let mut frame = vec![0; SAMPLES];
                playout.next(&mut frame);
                (frame, playout.waiting.len())
            })
            .unzip()
    }

    fn steepest(samples: impl IntoIterator<Item = i16>) -> i32 {
        let samples: Vec<_> = samples.into_iter().map(i32::from).collect();
        samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap_or(0)
    }

    fn is_silent(frame: &[i16]) -> bool {
        frame.iter().all(|sample| *sample == 0)
    }

    #[test]
    fn a_steady_voice_is_not_touched_and_waits_for_nothing() {
        let (frames, waiting) = heard(1_000, |n| n as f64 * 20.0);
        assert_eq!(frames.concat(), (0..1_000 * SAMPLES).map(voice).collect::<Vec<_>>());
        assert!(waiting.iter().all(|left| *left == 0));
    }

    #[test]
    fn a_late_packet_is_heard_by_nobody_and_what_it_cost_is_given_back() {
        // The network stands still for 40 ms, and all comes at once.
        let (frames, waiting) = heard(1_200, |n| if (300..302).contains(&n) { 6_040.0 } else { n as f64 * 20.0 });
        assert!(!frames.iter().any(|frame| is_silent(frame)));
        assert_eq!((waiting[290], waiting[310]), (0, 320));
        assert!(waiting[1_150] <= 40 + 64, "{} wait", waiting[1_150]);
        assert!(steepest(frames.concat()) <= steepest((0..SAMPLES).map(voice)) * 3 / 2);
    }

    #[test]
    fn a_far_end_whose_clock_is_faster_or_slower_is_heard_without_a_click_and_in_time() {
        for drift in [0.999, 1.001] {
            let (frames, waiting) = heard(6_000, |n| n as f64 * 20.0 * drift);
            assert!(!frames.iter().any(|frame| is_silent(frame)), "{drift}");
            assert!(waiting.iter().all(|left| *left <= 3 * SAMPLES), "{drift}: {:?}", waiting.iter().max());
            assert!(steepest(frames.concat()) <= steepest((0..SAMPLES).map(voice)) * 3 / 2, "{drift}");
        }
    }

    #[test]
    fn who_stops_is_silent_soon_and_heard_again_at_once() {
        let (frames, _) = heard(300, |n| if n < 100 { n as f64 * 20.0 } else { n as f64 * 20.0 + 1_000.0 });
        let silent: Vec<_> = (0..300).filter(|n| is_silent(&frames[*n])).collect();
        assert!(silent[0] <= 105 && silent.last() == Some(&149), "{silent:?}");
        assert_eq!(silent.len(), 150 - silent[0]);
    }

    #[test]
    fn what_comes_too_fast_is_dropped_and_takes_no_room() {
        let mut playout = Playout::new(16_000);
        let room = playout.waiting.capacity();
        for _ in 0..100 {
            playout.push(&[7; PACKET]);
        }
        assert_eq!(playout.waiting.capacity(), room);
        let mut frame = [0; FRAME];
        playout.next(&mut frame);
        assert_eq!(frame, [7; FRAME]);
    }
}
