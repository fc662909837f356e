//! Sixty-four places for packets, each with its own bytes, found by sequence number.

use trunkline_types::Time;

/// Places.
pub(super) const SLOTS: usize = 64;
/// The longest payload: 60 ms of 16-bit audio at 8 kHz fit, and any Opus frame of 20 ms.
pub(super) const SLOT_BYTES: usize = 1_280;
/// Payload bytes of one place: 20 ms of speech in Opus or G.711. What is longer lies elsewhere.
const SMALL: usize = 192;

/// What is known of the packet in a place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// Extended sequence number.
    pub(super) sequence: i64,
    /// Extended timestamp.
    pub(super) timestamp: i64,
    /// When the fastest packets would have come, in samples of the local clock.
    pub(super) ideal: i64,
    /// When it came.
    pub(super) arrived: Time,
    /// Its length in samples.
    pub(super) samples: i64,
    /// First of a talkspurt.
    pub(super) marker: bool,
    /// Payload bytes.
    pub(super) length: usize,
    /// Whether it waits for its turn.
    pub(super) waiting: bool,
    /// Whether a packet has ever been here.
    pub(super) used: bool,
}

/// See the module.
pub(super) struct Ring {
    slots: Box<[Slot; SLOTS]>,
    bytes: Box<[u8]>,
    /// For payloads longer than [`SMALL`]; made with the first of them.
    large: Box<[u8]>,
    waiting: usize,
    samples: i64,
}

fn place(sequence: i64) -> usize {
    usize::try_from(sequence.rem_euclid(SLOTS as i64)).unwrap_or(0)
}

impl Ring {
    pub(super) fn new() -> Self {
        Self {
            slots: Box::new([Slot::default(); SLOTS]),
            bytes: vec![0; SLOTS * SMALL].into_boxed_slice(),
            large: Box::default(),
            waiting: 0,
            samples: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        *self.slots = [Slot::default(); SLOTS];
        self.waiting = 0;
        self.samples = 0;
    }

    /// Where what is known of that number lies, and where its payload, if it is a short one.
    pub(super) fn place_of(&self, sequence: i64) -> (Option<&Slot>, &[u8]) {
        let place = place(sequence);
        let bytes = self.bytes.get(place * SMALL..(place + 1) * SMALL);
        (self.slots.get(place), bytes.unwrap_or_default())
    }

    /// How many packets wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How long the waiting packets are.
    pub(super) fn samples(&self) -> i64 {
        self.samples
    }

    /// The packet of that number, if it waits.
    pub(super) fn get(&self, sequence: i64) -> Option<Slot> {
        self.slots.get(place(sequence)).copied().filter(|slot| slot.waiting && slot.sequence == sequence)
    }

    /// Whether the packet of that number waits or has been here not long ago.
    pub(super) fn has_seen(&self, sequence: i64) -> bool {
        self.slots.get(place(sequence)).is_some_and(|slot| slot.used && slot.sequence == sequence)
    }

    /// The first waiting packet from `sequence` on.
    pub(super) fn first_from(&self, sequence: i64) -> Option<Slot> {
        if self.waiting == 0 {
            return None;
        }
        (0..SLOTS as i64).find_map(|ahead| self.get(sequence.checked_add(ahead)?))
    }

    /// The bytes of the place of that number, whether it still waits or not.
    pub(super) fn payload(&self, sequence: i64, length: usize) -> &[u8] {
        let (bytes, size) = if length > SMALL { (&self.large, SLOT_BYTES) } else { (&self.bytes, SMALL) };
        let start = place(sequence) * size;
        bytes.get(start..start.saturating_add(length.min(size))).unwrap_or_default()
    }

    /// Puts a packet into its place, over whatever was there.
    pub(super) fn put(&mut self, slot: Slot, payload: &[u8]) {
        self.take(slot.sequence);
        let index = place(slot.sequence);
        let payload = payload.get(..SLOT_BYTES).unwrap_or(payload);
        if payload.len() > SMALL && self.large.is_empty() {
            self.large = vec![0; SLOTS * SLOT_BYTES].into_boxed_slice();
        }
        let (bytes, size) =
            if payload.len() > SMALL { (&mut self.large, SLOT_BYTES) } else { (&mut self.bytes, SMALL) };
        let start = index * size;
        let Some(held) = self.slots.get_mut(index) else { return };
        let Some(bytes) = bytes.get_mut(start..start.saturating_add(payload.len())) else { return };
        bytes.copy_from_slice(payload);
        *held = Slot { length: payload.len(), waiting: true, used: true, ..slot };
        self.waiting = self.waiting.saturating_add(1);
        self.samples = self.samples.saturating_add(slot.samples);
    }

    /// The packet in the place of that number waits no longer; its bytes stay.
    pub(super) fn take(&mut self, sequence: i64) {
        if let Some(slot) = self.slots.get_mut(place(sequence)).filter(|slot| slot.waiting) {
            slot.waiting = false;
            self.waiting = self.waiting.saturating_sub(1);
            self.samples = self.samples.saturating_sub(slot.samples);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_of_every_length_come_back_whole() {
        let mut ring = Ring::new();
        for (sequence, length) in (0..=SLOT_BYTES).enumerate() {
            let payload: Vec<u8> = (0..length).map(|at| (at ^ sequence) as u8).collect();
            let sequence = sequence as i64;
            ring.put(Slot { sequence, ..Slot::default() }, &payload);
            let slot = ring.get(sequence).expect("it waits");
            assert_eq!(ring.payload(sequence, slot.length), payload);
        }
        assert_eq!(ring.waiting(), SLOTS);
    }

    #[test]
    fn a_long_payload_does_not_touch_its_short_neighbours() {
        let mut ring = Ring::new();
        ring.put(Slot { sequence: 1, ..Slot::default() }, &[1; SMALL]);
        ring.put(Slot { sequence: 2, ..Slot::default() }, &[2; SLOT_BYTES + 9]);
        ring.put(Slot { sequence: 3, ..Slot::default() }, &[3; 1]);
        assert_eq!(ring.payload(1, SMALL), [1; SMALL]);
        assert_eq!(
            (ring.payload(2, SLOT_BYTES), ring.get(2).map(|s| s.length)),
            (&[2; SLOT_BYTES][..], Some(SLOT_BYTES))
        );
        assert_eq!(ring.payload(3, 1), [3]);
    }
}
