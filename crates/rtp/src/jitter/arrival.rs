//! How late packets come, measured against the fastest of the last seconds.

/// Width of a bucket, ms.
const BUCKET_MS: i64 = 5;
/// 400 ms.
const BUCKETS: usize = 80;
/// How much more the next packet weighs: a mean memory of 500 packets, 10 s of 20 ms.
const GROW: f32 = 1.0 / 0.998;
/// A network nothing is known of counts as one on which so many packets were punctual: what comes late
/// once while everybody connects is no reason to hear everything late for ten seconds.
const TRUSTED: f32 = 150.0;
/// A packet that weighs so much is one again, and so is what the others weigh in proportion.
const HEAVY: f32 = 1e9;
/// Half the time after which the fastest packet no longer counts, so that a drifting clock or a
/// longer route does not look like jitter for ever.
const WINDOW_MS: i64 = 5_000;

/// What a packet's arrival tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// When it would have come with the delay of the fastest packet; in samples of the local clock.
    pub(super) ideal: i64,
}

/// All times are samples of the RTP clock.
#[derive(Clone, Debug)]
pub(super) struct ArrivalDelays {
    per_ms: i64,
    /// A packet later than this is no jitter: the sender's timestamps no longer follow its clock.
    limit: i64,
    /// What the packets of each delay weigh, and all of them.
    buckets: [f32; BUCKETS],
    total: f32,
    /// What the next packet weighs.
    weight: f32,
    /// The least `arrival - timestamp` of the window before and of the current one.
    fastest: Option<(i64, i64)>,
    window_began: i64,
}

impl ArrivalDelays {
    pub(super) fn new(clock_rate: u32, limit: i64) -> Self {
        let per_ms = (i64::from(clock_rate) / 1_000).max(1);
        let mut buckets = [0.0; BUCKETS];
        buckets[0] = TRUSTED;
        Self { per_ms, limit, buckets, total: TRUSTED, weight: 1.0, fastest: None, window_began: 0 }
    }

    /// Other timestamps from now on; what is known of the network stays.
    pub(super) fn forget_source(&mut self) {
        self.fastest = None;
    }

    /// Takes note of a packet.
    pub(super) fn packet(&mut self, timestamp: i64, arrival: i64) -> Arrival {
        let transit = arrival.saturating_sub(timestamp);
        let Some((before, current)) = self.fastest else {
            return self.begin(transit, arrival);
        };
        if transit.saturating_sub(before.min(current)) > self.limit {
            return self.begin(transit, arrival);
        }
        let window = WINDOW_MS.saturating_mul(self.per_ms);
        let (before, current) = if arrival.saturating_sub(self.window_began) >= window {
            self.window_began = arrival;
            (current, transit)
        } else {
            (before, current.min(transit))
        };
        self.fastest = Some((before, current));
        let base = before.min(current);
        self.note(transit.saturating_sub(base));
        Arrival { ideal: base.saturating_add(timestamp) }
    }

    fn begin(&mut self, transit: i64, arrival: i64) -> Arrival {
        self.fastest = Some((transit, transit));
        self.window_began = arrival;
        self.note(0);
        Arrival { ideal: arrival }
    }

    fn note(&mut self, delay: i64) {
        if self.weight > HEAVY {
            self.buckets.iter_mut().for_each(|bucket| *bucket /= self.weight);
            self.total = self.buckets.iter().sum();
            self.weight = 1.0;
        }
        let width = BUCKET_MS.saturating_mul(self.per_ms);
        let index = usize::try_from(delay / width).unwrap_or(0).min(BUCKETS - 1);
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket += self.weight;
            self.total += self.weight;
        }
        self.weight *= GROW;
    }

    /// The delay within which that share of the packets comes.
    pub(super) fn percentile(&self, share: f32) -> i64 {
        let (mut seen, mut edge) = (0.0, 0_i64);
        for bucket in &self.buckets {
            edge = edge.saturating_add(BUCKET_MS);
            seen += bucket;
            if seen >= self.total * share {
                break;
            }
        }
        edge.saturating_mul(self.per_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentile_follows_the_network_and_forgets_it() {
        let mut delays = ArrivalDelays::new(8_000, 3_200);
        let late = |n: i64| if n % 4 == 0 { 60 * 8 } else { 0 };
        for n in 0..500 {
            delays.packet(n * 160, n * 160 + late(n));
        }
        assert_eq!(delays.percentile(0.96) / 8, 65);
        for n in 500..3_000 {
            delays.packet(n * 160, n * 160);
        }
        assert_eq!(delays.percentile(0.96) / 8, 5);
    }

    #[test]
    fn one_pause_at_the_beginning_is_no_jitter_and_jitter_is_known_within_a_second() {
        let mut delays = ArrivalDelays::new(8_000, 3_200);
        // At the end of the first half second nothing comes for 100 ms.
        let late = |n: i64| (100 - 20 * (n - 25)).clamp(0, 100) * 8 * i64::from(n >= 25);
        for n in 0..500 {
            delays.packet(n * 160, n * 160 + late(n));
            assert_eq!(delays.percentile(0.96) / 8, 5, "packet {n}");
        }
        let mut delays = ArrivalDelays::new(8_000, 3_200);
        for n in 0..50 {
            delays.packet(n * 160, n * 160 + (n * 7 % 13) * 5 * 8);
        }
        assert!(delays.percentile(0.96) / 8 >= 55, "{}", delays.percentile(0.96) / 8);
    }

    #[test]
    fn a_call_of_hours_is_judged_as_one_of_minutes() {
        let (mut long, mut short) = (ArrivalDelays::new(8_000, 3_200), ArrivalDelays::new(8_000, 3_200));
        let late = |n: i64| if n % 10 == 0 { 30 * 8 } else { 0 };
        for n in 0..400_000 {
            long.packet(n * 160, n * 160 + late(n));
            if n >= 390_000 {
                short.packet(n * 160, n * 160 + late(n));
            }
            if n >= 396_000 {
                assert_eq!(long.percentile(0.96), short.percentile(0.96), "packet {n}");
            }
            assert!(long.weight <= HEAVY * GROW && long.total.is_finite());
        }
        assert_eq!(long.percentile(0.96) / 8, 35);
    }

    #[test]
    fn a_longer_route_counts_as_jitter_only_until_the_windows_have_passed() {
        let mut delays = ArrivalDelays::new(8_000, 3_200);
        delays.packet(0, 0);
        let moved = 100 * 8;
        assert_eq!(delays.packet(160, 160 + moved).ideal, 160);
        let mut last = Arrival { ideal: 0 };
        for n in 2..600 {
            last = delays.packet(n * 160, n * 160 + moved);
        }
        assert_eq!(last.ideal, 599 * 160 + moved);
    }

    #[test]
    fn timestamps_that_fell_behind_the_clock_begin_anew() {
        let mut delays = ArrivalDelays::new(8_000, 3_200);
        delays.packet(0, 0);
        assert_eq!(delays.packet(160, 80_000).ideal, 80_000);
        assert_eq!(delays.percentile(0.96) / 8, 5);
    }
}
