//! The round trip between two ends that report to each other (RFC 3550 §6.4.1).

use crate::rtcp::{Block, Packet, packets};
use std::time::Duration;
use trunkline_types::Time;

/// Longer round trips are not believed: the far end's DLSR is nonsense.
const LONGEST: Duration = Duration::from_secs(60);

/// Seconds since 1900 and their fraction, 32 bits each.
pub(crate) fn ntp(now: Time) -> u64 {
    let nanos = now.unix_nanos();
    let seconds = nanos.div_euclid(1_000_000_000).wrapping_add(2_208_988_800) as u64;
    let fraction = ((nanos.rem_euclid(1_000_000_000) as u64) << 32) / 1_000_000_000;
    seconds << 32 | fraction
}

fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// What is needed to measure round trips, and to let the far end measure them.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTrip {
    heard: Option<(u32, Time)>,
    last: Option<Duration>,
}

impl RoundTrip {
    /// Takes a compound packet of the far end; `own` is our SSRC. The round trip, when a block of
    /// it tells one.
    pub fn receive(&mut self, bytes: &[u8], own: u32, now: Time) -> Option<Duration> {
        let mut measured = None;
        for packet in packets(bytes) {
            let mut blocks = match packet {
                Packet::SenderReport { info, blocks, .. } => {
                    self.heard = Some((middle(info.ntp), now));
                    blocks
                }
                Packet::ReceiverReport { blocks, .. } => blocks,
                Packet::Bye { .. } | Packet::Other { .. } => continue,
            };
            if let Some(block) = blocks.find(|block| block.source == own) {
                measured = self.measure(&block, now).or(measured);
            }
        }
        measured
    }

    /// The round trip that a block about our source tells.
    pub fn measure(&mut self, block: &Block, now: Time) -> Option<Duration> {
        if block.last_report == 0 {
            return None;
        }
        let units = middle(ntp(now)).wrapping_sub(block.last_report).checked_sub(block.delay)?;
        let nanos = u64::from(units).saturating_mul(1_000_000_000) >> 16;
        let measured = Some(Duration::from_nanos(nanos)).filter(|trip| *trip <= LONGEST)?;
        self.last = Some(measured);
        Some(measured)
    }

    /// LSR and DLSR for a report of ours; zeros before the far end has reported.
    pub fn echo(&self, now: Time) -> (u32, u32) {
        let Some((report, at)) = self.heard else { return (0, 0) };
        let delay = now.since(at).as_nanos().saturating_mul(65_536) / 1_000_000_000;
        (report, u32::try_from(delay).unwrap_or(u32::MAX))
    }

    /// The last one measured.
    pub fn last(&self) -> Option<Duration> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Feedback, Report, write_with};

    fn at(millis: u64) -> Time {
        Time::new(millis * 1_000_000, 1_700_000_000_123_456_789)
    }

    fn report(ssrc: u32, source: u32, trip: &RoundTrip, now: Time) -> [u8; 72] {
        let (last_report, delay) = trip.echo(now);
        let report = Report { ssrc, source, ..Report::default() };
        write_with(&report, Feedback { last_report, delay, ..Feedback::default() }, now)
    }

    #[test]
    fn both_ends_measure_the_same_way_there_and_back() {
        let (mut near, mut far) = (RoundTrip::default(), RoundTrip::default());
        assert_eq!(far.receive(&report(1, 2, &near, at(0)), 2, at(30)), None);
        let measured = near.receive(&report(2, 1, &far, at(5_030)), 1, at(5_080)).unwrap();
        assert!(measured.abs_diff(Duration::from_millis(80)) < Duration::from_millis(1), "{measured:?}");
        let measured = far.receive(&report(1, 2, &near, at(9_000)), 2, at(9_030)).unwrap();
        assert!(measured.abs_diff(Duration::from_millis(80)) < Duration::from_millis(1), "{measured:?}");
        assert_eq!(far.last(), Some(measured));
    }

    #[test]
    fn nonsense_is_not_measured() {
        let mut near = RoundTrip::default();
        let far = RoundTrip { heard: Some((12_345, at(0))), last: None };
        assert_eq!(near.receive(&report(2, 1, &far, at(0)), 1, at(0)), None);
        assert_eq!(near.receive(&report(2, 99, &far, at(0)), 1, at(0)), None);
        let block = Block {
            source: 1,
            fraction_lost: 0,
            lost: 0,
            highest: 0,
            jitter: 0,
            last_report: middle(ntp(at(0))),
            delay: u32::MAX,
        };
        assert_eq!(near.measure(&block, at(10)), None);
        assert_eq!(near.last(), None);
    }
}
