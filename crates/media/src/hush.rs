//! What is silent is not decoded twice: who is silent and, without DTX, sends on, sends the same few
//! packets over and over.

use trunkline_audio::gate::Gate;

/// A packet that holds silence is no longer than this, in bytes.
const BYTES: usize = 16;
/// So many different ones are known: encoders go round a few seeds (RFC 6716 §4.2.7.7).
const KNOWN: usize = 4;

/// See the module. One for each decoder.
pub(crate) struct Hush {
    gate: Gate,
    /// Packets that have been decoded into silence since the last sound; the first byte is the length.
    known: [[u8; 1 + BYTES]; KNOWN],
    next: usize,
    /// What was heard last is silence.
    silent: bool,
}

impl Hush {
    /// For a decoder to PCM at `rate` Hz.
    pub(crate) fn new(rate: u32) -> Self {
        Self { gate: Gate::new(rate), known: [[0; 1 + BYTES]; KNOWN], next: 0, silent: false }
    }

    /// Whether the packet goes on with a silence and is one that was silent in it before.
    pub(crate) fn is_known(&self, packet: &[u8]) -> bool {
        entry(packet).is_some_and(|entry| self.known.contains(&entry))
    }

    /// What a packet was decoded into.
    pub(crate) fn heard(&mut self, packet: &[u8], pcm: &[i16]) {
        let silent = self.gate.is_silent(pcm);
        if !silent {
            self.interrupted();
        } else if let Some(entry) = entry(packet).filter(|entry| !self.known.contains(entry)) {
            self.known[self.next] = entry;
            self.next = (self.next + 1) % KNOWN;
        }
        self.silent = silent;
    }

    /// Something else than a silent packet was played.
    pub(crate) fn interrupted(&mut self) {
        self.known = [[0; 1 + BYTES]; KNOWN];
        self.silent = false;
    }

    /// Whether what was heard last is silence, and was for 200 ms.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }
}

/// A packet as it is known; `None` for one that is empty or too long.
fn entry(packet: &[u8]) -> Option<[u8; 1 + BYTES]> {
    let length = u8::try_from(packet.len()).ok().filter(|length| *length > 0)?;
    let mut entry = [0; 1 + BYTES];
    entry[0] = length;
    entry.get_mut(1..=packet.len())?.copy_from_slice(packet);
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_silent_in_this_silence_is_known() {
        let mut hush = Hush::new(8_000);
        let (silence, loud) = ([0; 160], [9_000; 160]);
        for n in 0..11 {
            assert!(!hush.is_known(&[1, 2]), "frame {n}");
            hush.heard(&[1, 2], &silence);
        }
        assert!(hush.is_known(&[1, 2]) && hush.is_silent());
        assert!(!hush.is_known(&[1]) && !hush.is_known(&[1, 2, 0]) && !hush.is_known(&[]));
        hush.heard(&[7; BYTES], &silence);
        hush.heard(&[8; BYTES + 1], &silence);
        assert!(hush.is_known(&[7; BYTES]) && !hush.is_known(&[8; BYTES + 1]));
        for seed in 10..10 + KNOWN as u8 {
            hush.heard(&[seed], &silence);
        }
        assert!(!hush.is_known(&[1, 2]) && hush.is_known(&[13]));
        hush.heard(&[13, 13], &loud);
        assert!(!hush.is_known(&[13]) && !hush.is_silent());
    }
}
