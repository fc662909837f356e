//! Writing reports with the CNAME they must carry, and goodbyes (RFC 3550 §6.4 to §6.6).

use crate::round_trip::ntp;
use trunkline_types::Time;

/// Bytes of what [`write`] makes.
pub const REPORT_BYTES: usize = 72;
/// Bytes of what [`write_bye`] makes.
pub const BYE_BYTES: usize = 36;

/// What a report of ours says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Our SSRC.
    pub ssrc: u32,
    /// The RTP timestamp of now.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub bytes: u32,
    /// The far end's SSRC.
    pub source: u32,
    /// Packets lost.
    pub lost: u32,
    /// Highest sequence number, extended.
    pub highest: u32,
    /// Jitter in units of the RTP clock.
    pub jitter: u32,
}

/// What else a report block says, so that the far end can tell loss and round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// [`crate::Reception::fraction_lost`].
    pub fraction_lost: u8,
    /// LSR and DLSR: [`crate::RoundTrip::echo`].
    pub last_report: u32,
    /// See `last_report`; units of 1/65536 s.
    pub delay: u32,
}

/// SDES with the CNAME "trunkline".
fn description(ssrc: u32) -> [u32; 5] {
    [
        0x81ca_0004,
        ssrc,
        u32::from_be_bytes([1, 9, b't', b'r']),
        u32::from_be_bytes(*b"unkl"),
        u32::from_be_bytes([b'i', b'n', b'e', 0]),
    ]
}

fn put(bytes: &mut [u8], words: impl IntoIterator<Item = u32>) {
    for (slot, word) in bytes.chunks_exact_mut(4).zip(words) {
        slot.copy_from_slice(&word.to_be_bytes());
    }
}

/// A compound packet: sender report with one block, and the CNAME.
pub fn write(report: &Report, now: Time) -> [u8; REPORT_BYTES] {
    write_with(report, Feedback::default(), now)
}

/// As [`write`], with fraction lost, LSR and DLSR.
pub fn write_with(report: &Report, feedback: Feedback, now: Time) -> [u8; REPORT_BYTES] {
    let time = ntp(now);
    let words = [
        0x81c8_000c,
        report.ssrc,
        (time >> 32) as u32,
        time as u32,
        report.timestamp,
        report.packets,
        report.bytes,
        report.source,
        u32::from(feedback.fraction_lost) << 24 | report.lost.min(0x7f_ffff),
        report.highest,
        report.jitter,
        feedback.last_report,
        feedback.delay,
    ];
    let mut bytes = [0; REPORT_BYTES];
    put(&mut bytes, words.into_iter().chain(description(report.ssrc)));
    bytes
}

/// A compound packet that says goodbye: empty receiver report, CNAME and BYE.
pub fn write_bye(ssrc: u32) -> [u8; BYE_BYTES] {
    let mut bytes = [0; BYE_BYTES];
    put(&mut bytes, [0x80c9_0001, ssrc].into_iter().chain(description(ssrc)).chain([0x81cb_0001, ssrc]));
    bytes
}
