//! What callers saw.

use crate::sound::Clip;
use std::time::Duration;

/// One call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Its number among the calls.
    pub index: u32,
    /// The final status of its INVITE; 0 for none.
    pub status: u16,
    /// It was answered and ended by a BYE that was answered, or by the far end.
    pub well: bool,
    /// The far end hung up.
    pub hung_up_on: bool,
    /// INVITE to 180.
    pub to_180: Option<Duration>,
    /// INVITE to 200.
    pub to_200: Option<Duration>,
    /// INVITE to the first RTP packet.
    pub first_packet: Option<Duration>,
    /// INVITE to the first RTP packet with sound in it.
    pub first_sound: Option<Duration>,
    /// RTP packets sent.
    pub sent: u64,
    /// Of them those sent at least 10 ms after their time.
    pub sent_late: u64,
    /// How long after its time the latest was sent.
    pub latest: Duration,
    /// RTP packets received.
    pub received: u64,
    /// RTP packets that the sequence numbers miss.
    pub lost: u64,
    /// RTP packets received more than once or out of order.
    pub disordered: u64,
    /// The longest time between two packets.
    pub longest_gap: Duration,
    /// Interarrival jitter at the end (RFC 3550 §6.4.1).
    pub jitter: Duration,
}

/// Durations, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread(Vec<Duration>);

impl Spread {
    /// Sorts them.
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// So many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A percentile; zero of none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or_default()
    }
}

/// All calls.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Each call.
    pub calls: Vec<Outcome>,
    /// The most calls open at once.
    pub peak_open: u32,
    /// From the first INVITE to the last end.
    pub elapsed: Duration,
    /// From the first INVITE to the last 200.
    pub until_last_answer: Duration,
    /// What the first call heard, if it recorded.
    pub heard: Option<Clip>,
}

impl Report {
    /// Calls that did not go well.
    pub fn failed(&self) -> usize {
        self.calls.iter().filter(|call| !call.well).count()
    }

    /// Something of each call that has it.
    pub fn spread(&self, of: impl Fn(&Outcome) -> Option<Duration>) -> Spread {
        Spread::new(self.calls.iter().filter_map(of).collect())
    }

    /// A counter of all calls together.
    pub fn sum(&self, of: impl Fn(&Outcome) -> u64) -> u64 {
        self.calls.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_few_and_none() {
        let spread = Spread::new([3, 1, 2].map(Duration::from_millis).to_vec());
        assert_eq!(spread.percentile(50), Duration::from_millis(2));
        assert_eq!(spread.percentile(99), Duration::from_millis(3));
        assert_eq!(Spread::default().percentile(50), Duration::ZERO);
    }
}
