//! What a bridge of telephones and WebRTC cannot do without: codecs and datagrams, alone on a core.
//! Figures of a bridge say little about it unless what they ask of the core is known.

use crate::{
    participant::{Speech, Voice},
    sound::Clip,
};
use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};
use trunkline_audio::opus::{Decoder, Encoder, EncoderConfig};

/// Calls whose codecs and sockets take turns, so that each finds the caches as cold as in a server.
const CALLS: usize = 100;
/// So often their turn comes: seven seconds of sound of each.
const TURNS: usize = 350;
/// Between the places in the clip where two calls begin, in frames.
const APART: usize = 37;
/// An RTP packet of G.711, 20 ms.
const DATAGRAM: [u8; 172] = [0x80; 172];
/// How long a datagram may take to itself over loopback.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was measured, in the middle of all turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// A frame of 20 ms at 8 kHz to Opus, as Trunkline encodes what a phone says.
    pub encode: Duration,
    /// A frame of 20 ms of wideband Opus at 32 kb/s to 8 kHz.
    pub decode: Duration,
    /// A datagram sent over loopback and received again.
    pub datagram: Duration,
}

impl Floor {
    /// Measures, which takes about a second of CPU time of the calling thread.
    ///
    /// # Errors
    /// A text if libopus refuses, the clip is too short or there are no sockets.
    pub fn measure(clip: &Clip) -> Result<Self, String> {
        let (encode, decode) = codecs(clip)?;
        let datagram = datagrams().map_err(|why| format!("datagrams over loopback: {why}"))?;
        Ok(Self { encode, decode, datagram })
    }
}

/// The time of one frame to Opus, and of one from it.
fn codecs(clip: &Clip) -> Result<(Duration, Duration), String> {
    let text = |why: trunkline_audio::opus::Error| why.to_string();
    let narrow = clip.at(8_000).pcm;
    let (frames, _) = narrow.as_chunks::<160>();
    let speech = Speech::new(clip, Voice { dtx: false, ..Voice::default() })?;
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        calls.push((Encoder::new(EncoderConfig::default()).map_err(text)?, Decoder::new(8_000).map_err(text)?));
    }
    let (mut bytes, mut pcm) = ([0; 1_275], [0; 160]);
    let (mut encoding, mut decoding) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let packets: Vec<_> = (0..CALLS).map(|call| speech.packet((turn + call * APART) as u64, true)).collect();
        let begun = clock();
        for (call, (encoder, _)) in calls.iter_mut().enumerate() {
            let frame = frames.get((turn + call * APART) % frames.len().max(1)).ok_or("less than 20 ms of sound")?;
            encoder.encode(frame, &mut bytes).map_err(text)?;
        }
        let encoded = clock();
        for ((_, decoder), packet) in calls.iter_mut().zip(&packets) {
            decoder.decode(packet.as_deref().ok_or("silence is not decoded")?, &mut pcm).map_err(text)?;
        }
        encoding.push(encoded - begun);
        decoding.push(clock() - encoded);
    }
    Ok((each(encoding), each(decoding)))
}

/// The time of one datagram from a socket to another and out of it.
fn datagrams() -> io::Result<Duration> {
    let mut pairs = Vec::new();
    for _ in 0..CALLS {
        let (from, to) = (UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?, UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        from.connect(to.local_addr()?)?;
        to.connect(from.local_addr()?)?;
        to.set_read_timeout(Some(PATIENCE))?;
        pairs.push((from, to));
    }
    let mut buffer = [0; 200];
    let mut taken = Vec::new();
    for _ in 0..TURNS {
        let begun = clock();
        for (from, _) in &pairs {
            from.send(&DATAGRAM)?;
        }
        for (_, to) in &pairs {
            to.recv(&mut buffer)?;
        }
        taken.push(clock() - begun);
    }
    Ok(each(taken))
}

/// Of the turns the one in the middle, divided by the calls: a pause of the machine is in few turns.
fn each(mut turns: Vec<Duration>) -> Duration {
    turns.sort();
    turns[turns.len() / 2] / CALLS as u32
}

#[expect(clippy::disallowed_methods, reason = "it measures the real clock")]
fn clock() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_has_its_price() {
        let floor = Floor::measure(&Clip::tone(1)).unwrap();
        assert!(!floor.encode.is_zero() && !floor.decode.is_zero() && !floor.datagram.is_zero(), "{floor:?}");
    }

    #[test]
    fn a_clip_without_sound_is_refused() {
        assert_eq!(Floor::measure(&Clip::default()), Err("less than 20 ms of sound".into()));
    }

    #[test]
    fn a_pause_does_not_count() {
        let turns = [1, 3, 2, 2, 900].map(|n| Duration::from_micros(n * 100)).to_vec();
        assert_eq!(each(turns), Duration::from_micros(2));
    }
}
