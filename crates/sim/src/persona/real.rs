//! The clock and the dice of the far ends.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::Instant,
};

#[expect(clippy::disallowed_methods, reason = "a far end of its own, with its own clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A key of SRTP: 16 bytes and 14 of salt.
pub(crate) fn key() -> Vec<u8> {
    (0..4).flat_map(|_| random().to_be_bytes()).take(30).collect()
}
