//! How busy the media threads are, which of them carries the next room, and whether they have room for
//! one more call.

use crate::{Exchange, Output, port::Level};
use std::{collections::BTreeMap, time::Duration};
use trunkline_types::{CallId, RoomSid, Time};

/// So long a call whose audio has just begun does not show in what the threads report.
const SETTLING: Duration = Duration::from_secs(3);
/// What its audio is taken to cost while there are too few calls to know, as a share of a thread.
const COST: f32 = 0.003;
/// From so many calls on they say themselves what one costs.
const KNOWN: usize = 20;
/// How much the latest second of a thread counts beside those before it.
const WEIGHT: f32 = 0.5;
/// Between two lines of the log about the same.
const QUIET: Duration = Duration::from_secs(10);

/// Of the rooms that began on a thread, the share that is taken not to show yet in its next report: after
/// seven reports half of them count no more.
const LEFT: f32 = 0.9;

/// See the module. A room stays on its thread, and the next one begins where there is least to do: so
/// for calls it counts how busy the threads are on average.
#[derive(Debug)]
pub(crate) struct Load {
    /// The share of their time up to which threads are given more.
    limit: f32,
    threads: BTreeMap<usize, f32>,
    /// Rooms that began on each thread and hardly show yet.
    rooms: BTreeMap<usize, f32>,
    /// Datagrams that the kernel has dropped, by thread.
    dropped: BTreeMap<usize, u64>,
    /// When the audio of calls began that do not show yet.
    begun: BTreeMap<CallId, Time>,
    /// When the log was last told of each matter.
    told: BTreeMap<Matter, Time>,
}

/// What the log is told of now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Matter {
    Refused,
    Spared,
    LeftOut,
    Dropped,
}

impl Load {
    /// No thread has reported. From a `limit` of 1 on nothing is refused.
    pub(crate) fn new(limit: f32) -> Self {
        Self {
            limit,
            threads: BTreeMap::new(),
            rooms: BTreeMap::new(),
            dropped: BTreeMap::new(),
            begun: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// The share of the last second in which a thread was busy.
    pub(crate) fn report(&mut self, thread: usize, busy: f32, now: Time) {
        self.begun.retain(|_, at| now.since(*at) < SETTLING);
        let held = self.threads.entry(thread).or_insert(busy);
        *held += (busy - *held) * WEIGHT;
        *self.rooms.entry(thread).or_default() *= LEFT;
    }

    /// A room has begun.
    pub(crate) fn room_begins(&mut self, room: &RoomSid) {
        *self.rooms.entry(room.thread(self.threads.len())).or_default() += 1.0;
    }

    /// The thread with least to do, for the next room, and of how many it is one. Until all have
    /// reported it is any of them.
    pub(crate) fn lightest(&self) -> (usize, usize) {
        let count = self.threads.len();
        if self.threads.keys().copied().ne(0..count) {
            return (0, 1);
        }
        let burden = |thread: &usize, busy: &f32| busy + COST * self.rooms.get(thread).copied().unwrap_or(0.0);
        let lightest = self.threads.iter().min_by(|(a, of_a), (b, of_b)| burden(a, of_a).total_cmp(&burden(b, of_b)));
        (lightest.map_or(0, |(thread, _)| *thread), count.max(1))
    }

    /// The share of its time that each thread is busy.
    pub(crate) fn busy(&self) -> &BTreeMap<usize, f32> {
        &self.threads
    }

    /// Datagrams that the kernel has dropped, by thread.
    pub(crate) fn dropped(&self) -> &BTreeMap<usize, u64> {
        &self.dropped
    }

    /// Whether one more call beside so many `running` ones would be too much.
    pub(crate) fn is_full(&self, running: usize, now: Time) -> bool {
        let reported: f32 = self.threads.values().sum();
        let unseen = self.begun.values().filter(|at| now.since(**at) < SETTLING).count();
        let seen = running.saturating_sub(unseen);
        let each = if seen >= KNOWN { reported / seen as f32 } else { COST };
        let expected = reported + each * unseen as f32;
        self.limit < 1.0 && expected >= self.limit * self.threads.len().max(1) as f32
    }

    /// Audio of a call has come from a new source; without audio it costs next to nothing.
    pub(crate) fn audio_begins(&mut self, call: &CallId, now: Time) {
        // Who changes his source again and again is one call still.
        self.begun.entry(call.clone()).or_insert(now);
    }

    /// Whether the log shall be told of it again.
    pub(crate) fn is_news(&mut self, matter: Matter, now: Time) -> bool {
        let is_news = self.told.get(&matter).is_none_or(|at| now.since(*at) >= QUIET);
        if is_news {
            self.told.insert(matter, now);
        }
        is_news
    }

    /// For the log: how busy they are and where that ends.
    pub(crate) fn text(&self) -> String {
        let busy = self.threads.values().sum::<f32>() / self.threads.len().max(1) as f32;
        format!(
            "the media threads are busy {:.0}% of their time, with the calls that are just beginning too much for \
             `max_cpu_utilization: {}`; more `media_threads` on more cores carry more calls",
            busy * 100.0,
            self.limit,
        )
    }
}

/// What a media thread tells of its last second; see `MediaFact::Load`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fared {
    pub(crate) busy: f32,
    pub(crate) spared: Duration,
    pub(crate) left_out: Duration,
    pub(crate) dropped: u64,
}

impl Exchange {
    /// A room has begun on its thread.
    pub(crate) fn room_placed(&mut self, room: &RoomSid) {
        self.load.room_begins(room);
        self.place_next_room();
    }

    fn place_next_room(&mut self) {
        let (thread, threads) = self.load.lightest();
        self.rooms.place_on(thread, threads);
    }

    /// A media thread has told how it fares.
    pub(crate) fn media_load(&mut self, thread: usize, fared: Fared, now: Time, outputs: &mut Vec<Output>) {
        let Fared { busy, spared, left_out, dropped } = fared;
        self.load.report(thread, busy, now);
        self.place_next_room();
        self.gauges.media_spared += spared;
        self.gauges.media_left_out += left_out;
        let more = dropped.saturating_sub(self.load.dropped.insert(thread, dropped).unwrap_or(0));
        if !spared.is_zero() && self.load.is_news(Matter::Spared, now) {
            let text = format!(
                "media thread {thread} is late: voices of telephones are encoded at complexity 0 until it is not"
            );
            Self::log(Level::Info, None, text, outputs);
        }
        if !left_out.is_zero() && self.load.is_news(Matter::LeftOut, now) {
            let text = format!("media thread {thread} has more to do than it can: {left_out:?} of audio left out");
            Self::log(Level::Warn, None, text, outputs);
        }
        if more > 0 && self.load.is_news(Matter::Dropped, now) {
            let text = format!(
                "{more} datagrams were dropped before media thread {thread} could read them; a larger \
                 `net.core.rmem_max` of the system holds more of WebRTC clients, a larger `net.core.rmem_default` more \
                 of telephones"
            );
            Self::log(Level::Warn, None, text, outputs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_types::Random;

    fn at(milli: u64) -> Time {
        Time::new(milli * 1_000_000, 0)
    }

    #[test]
    fn nothing_is_full_that_has_not_reported() {
        assert!(!Load::new(0.9).is_full(0, at(0)));
    }

    #[test]
    fn the_average_of_the_threads_counts() {
        let mut load = Load::new(0.9);
        load.report(0, 1.0, at(0));
        assert!(load.is_full(300, at(0)));
        load.report(1, 0.7, at(0));
        assert!(!load.is_full(300, at(0)));
        load.report(1, 0.95, at(0));
        assert!(load.is_full(300, at(0)), "{:?}", load.busy());
    }

    #[test]
    fn the_next_room_begins_where_there_is_least_to_do() {
        let mut load = Load::new(0.9);
        let mut random = Random::from_number(1);
        let mut begin = |load: &mut Load, count: usize| {
            let mut begun = [0; 4];
            for _ in 0..count {
                let (thread, threads) = load.lightest();
                let room = RoomSid::random_on(&mut random, thread, threads);
                load.room_begins(&room);
                begun[room.thread(4)] += 1;
            }
            begun
        };
        for thread in [3, 1, 0] {
            assert_eq!(load.lightest(), (0, 1), "not all have reported");
            load.report(thread, 0.1, at(0));
        }
        load.report(2, 0.4, at(0));
        assert_eq!(begin(&mut load, 90), [30, 30, 0, 30]);
        // One has become idle, and what began there shows.
        for second in 1..60 {
            (0..4).for_each(|thread| load.report(thread, if thread == 3 { 0.0 } else { 0.4 }, at(second * 1_000)));
        }
        assert_eq!(begin(&mut load, 30), [0, 0, 0, 30]);
    }

    #[test]
    fn one_busy_second_is_not_a_busy_thread() {
        let mut load = Load::new(0.9);
        load.report(0, 0.3, at(0));
        load.report(0, 1.0, at(0));
        assert!(!load.is_full(100, at(0)));
        for _ in 0..4 {
            load.report(0, 1.0, at(0));
        }
        assert!(load.is_full(100, at(0)));
    }

    #[test]
    fn calls_that_just_begin_count_before_they_show() {
        let mut load = Load::new(0.9);
        load.report(0, 0.6, at(0));
        // 200 calls that take 0.6: a hundred more fit.
        let mut taken = 0;
        while !load.is_full(200 + taken, at(10)) {
            load.audio_begins(&CallId::from(format!("SCL_{taken}").as_str()), at(10));
            load.audio_begins(&CallId::from("SCL_0"), at(11));
            taken += 1;
        }
        assert_eq!(taken, 100);
        assert!(!load.is_full(200 + taken, at(10) + SETTLING));
        load.report(0, 0.9, at(10) + SETTLING);
        assert!(load.begun.is_empty());
    }

    #[test]
    fn a_limit_of_one_refuses_nobody() {
        let mut load = Load::new(1.0);
        load.report(0, 1.0, at(0));
        assert!(!load.is_full(500, at(0)));
    }

    #[test]
    fn the_log_is_told_now_and_then() {
        let mut load = Load::new(0.9);
        let mut is_news = |milli| load.is_news(Matter::Refused, at(milli));
        assert!(is_news(0) && !is_news(9_999) && is_news(10_000));
        assert!(load.is_news(Matter::LeftOut, at(10_001)));
    }
}
