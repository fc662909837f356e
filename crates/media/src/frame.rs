//! 20 ms: as samples, and encoded.

use crate::soon::soon_at;
use std::collections::VecDeque;

/// Samples of 20 ms at 16 kHz: the largest frame.
pub(crate) const FRAME: usize = 320;

/// Takes samples out of a queue; those it does not have stay as they are.
pub(crate) fn take(queue: &mut VecDeque<i16>, out: &mut [i16]) {
    let count = out.len().min(queue.len());
    let (first, second) = queue.as_slices();
    let at = first.len().min(count);
    out[..at].copy_from_slice(&first[..at]);
    out[at..count].copy_from_slice(&second[..count - at]);
    queue.drain(..count);
}

/// A frame of a voice of our own, ready to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The sequence number with its roll-overs.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    /// It begins a talkspurt.
    pub(crate) marker: bool,
    pub(crate) payload: &'a [u8],
}

/// Frames that wait to be sent, one behind the other in memory that is used again and again.
#[derive(Default)]
pub(crate) struct Frames {
    held: Vec<Held>,
    payloads: Vec<u8>,
}

/// A frame whose payload ends there; it begins where that of the frame before ends.
struct Held {
    sequence: u64,
    timestamp: u32,
    marker: bool,
    end: usize,
}

impl Frames {
    /// With room for so many frames of so many bytes each.
    pub(crate) fn with_room(frames: usize, bytes: usize) -> Self {
        Self { held: Vec::with_capacity(frames), payloads: Vec::with_capacity(frames * bytes) }
    }

    /// The next one will be pushed.
    pub(crate) fn soon(&self) {
        soon_at(self.held.as_ptr());
        soon_at(self.payloads.as_ptr());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether there are as many as there was room made for.
    pub(crate) fn is_full(&self) -> bool {
        self.held.len() == self.held.capacity()
    }

    pub(crate) fn push(&mut self, frame: Frame<'_>) {
        self.payloads.extend_from_slice(frame.payload);
        let Frame { sequence, timestamp, marker, .. } = frame;
        self.held.push(Held { sequence, timestamp, marker, end: self.payloads.len() });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Frame<'_>> {
        let mut begin = 0;
        self.held.iter().map(move |held| {
            let payload = self.payloads.get(begin..held.end).unwrap_or_default();
            begin = held.end;
            Frame { sequence: held.sequence, timestamp: held.timestamp, marker: held.marker, payload }
        })
    }

    pub(crate) fn clear(&mut self) {
        self.held.clear();
        self.payloads.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_in_order_with_their_own_payloads() {
        let payloads: [&'static [u8]; 4] = [&[1, 2, 3], &[], &[4; 400], &[5]];
        let frame = |n: u32| Frame {
            sequence: 7 + u64::from(n),
            timestamp: n * 960,
            marker: n == 0,
            payload: payloads[n as usize],
        };
        let mut frames = Frames::with_room(4, 10);
        for _ in 0..2 {
            assert!(frames.is_empty());
            (0..4).for_each(|n| frames.push(frame(n)));
            assert!(frames.is_full());
            assert_eq!(frames.iter().count(), 4);
            (0..4).zip(frames.iter()).for_each(|(n, held)| assert_eq!(held, frame(n)));
            frames.clear();
        }
    }
}
