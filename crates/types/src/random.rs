//! Randomness as an argument: one seeded generator, so that a run replays from its seed.

use crate::id::ALPHABET;
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{RngCore, SeedableRng},
};

/// A cryptographically strong generator. The server seeds it from the operating system, the
/// simulator from a number.
#[derive(Clone, Debug)]
pub struct Random(ChaCha12Rng);

impl Random {
    /// A generator with a full seed of 32 bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// A generator that replays from one number.
    pub fn from_number(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// The next 64 bits.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.u64() % bound }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// `prefix` and twelve characters of LiveKit's id alphabet.
    pub fn id(&mut self, prefix: &str) -> String {
        let mut text = String::with_capacity(prefix.len() + 12);
        text.push_str(prefix);
        for _ in 0..12 {
            let at = self.below(ALPHABET.len() as u64) as usize;
            text.push(char::from(ALPHABET[at]));
        }
        text
    }

    /// `digits` lower-case hexadecimal digits.
    pub fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits);
        for _ in 0..digits {
            text.push(char::from(b"0123456789abcdef"[self.below(16) as usize]));
        }
        text
    }

    /// A generator of its own for a part of the machine, derived from this one.
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.bytes())
    }
}
