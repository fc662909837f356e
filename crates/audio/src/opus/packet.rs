//! What the first bytes of an Opus packet say (RFC 6716 §3.1 and §3.2).

/// How much of the spectrum a packet carries (RFC 6716 table 1).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Bandwidth {
    /// 4 kHz.
    Narrow,
    /// 6 kHz.
    Medium,
    /// 8 kHz.
    Wide,
    /// 12 kHz.
    SuperWide,
    /// 20 kHz.
    Full,
}

/// The bandwidth of a packet; `None` when it is empty.
pub fn bandwidth(packet: &[u8]) -> Option<Bandwidth> {
    Some(match packet.first()? >> 3 {
        0..=3 | 16..=19 => Bandwidth::Narrow,
        4..=7 => Bandwidth::Medium,
        8..=11 | 20..=23 => Bandwidth::Wide,
        12..=13 | 24..=27 => Bandwidth::SuperWide,
        _ => Bandwidth::Full,
    })
}

/// The samples per channel that a packet decodes to at `rate` Hz; `None` when it is no packet: it is
/// empty, its frame count is missing or 0, or it would last longer than 120 ms (RFC 6716 §3.4).
pub fn packet_samples(packet: &[u8], rate: u32) -> Option<usize> {
    let toc = *packet.first()?;
    let config = toc >> 3;
    let frame = match config {
        0..=11 => [480, 960, 1_920, 2_880][usize::from(config & 3)],
        12..=15 => [480, 960][usize::from(config & 1)],
        _ => 120 << (config & 3),
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => usize::from(packet.get(1)? & 0x3f),
    };
    // Lengths are those of Opus' own clock of 48 kHz.
    let samples = frame * frames;
    ((1..=5_760).contains(&samples)).then(|| samples * rate as usize / 48_000)
}

/// Whether a packet carries no audio: its sender is silent (RFC 6716 §2.1.9).
pub fn is_dtx(packet: &[u8]) -> bool {
    packet.len() <= 2
}
