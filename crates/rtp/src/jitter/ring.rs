//! Sixty-four places for packets, each with its own bytes, found by sequence number.

/// Places.
pub(super) const SLOTS: usize = 64;
/// Payload bytes of one place: 60 ms of 16-bit audio at 8 kHz fit, and any Opus frame of 20 ms.
pub(super) const SLOT_BYTES: usize = 1_280;

/// What is known of the packet in a place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// Extended sequence number.
    pub(super) sequence: i64,
    /// Extended timestamp.
    pub(super) timestamp: i64,
    /// When the fastest packets would have come, in samples of the local clock.
    pub(super) ideal: i64,
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
    slots: [Slot; SLOTS],
    bytes: Box<[u8]>,
    waiting: usize,
    samples: i64,
}

fn place(sequence: i64) -> usize {
    usize::try_from(sequence.rem_euclid(SLOTS as i64)).unwrap_or(0)
}

impl Ring {
    pub(super) fn new() -> Self {
        Self {
            slots: [Slot::default(); SLOTS],
            bytes: vec![0; SLOTS * SLOT_BYTES].into_boxed_slice(),
            waiting: 0,
            samples: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots = [Slot::default(); SLOTS];
        self.waiting = 0;
        self.samples = 0;
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
        let start = place(sequence) * SLOT_BYTES;
        self.bytes.get(start..start.saturating_add(length.min(SLOT_BYTES))).unwrap_or_default()
    }

    /// Puts a packet into its place, over whatever was there.
    pub(super) fn put(&mut self, slot: Slot, payload: &[u8]) {
        self.take(slot.sequence);
        let index = place(slot.sequence);
        let start = index * SLOT_BYTES;
        let Some(held) = self.slots.get_mut(index) else { return };
        let Some(bytes) = self.bytes.get_mut(start..start.saturating_add(payload.len().min(SLOT_BYTES))) else {
            return;
        };
        for (to, from) in bytes.iter_mut().zip(payload) {
            *to = *from;
        }
        *held = Slot { length: bytes.len(), waiting: true, used: true, ..slot };
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
