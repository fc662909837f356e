//! Session keys from the master key (RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11); key derivation
//! rate 0.

use super::{Suite, block::BlockKey, error::Error};

/// Bytes of the HMAC key.
pub(super) const AUTH_KEY_BYTES: usize = 20;

/// What a key is derived for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Rtp,
    Rtcp,
}

/// The keys of one purpose.
#[derive(Clone)]
pub(super) struct SessionKeys {
    /// AES key; the first [`Suite::key_bytes`] count.
    pub(super) encryption: [u8; 32],
    /// Salt; the first [`Suite::salt_bytes`] count.
    pub(super) salt: [u8; 14],
    /// HMAC key; unused by AEAD suites.
    pub(super) authentication: [u8; AUTH_KEY_BYTES],
}

/// Derives the keys.
pub(super) fn derive(suite: Suite, key_and_salt: &[u8], purpose: Purpose) -> Result<SessionKeys, Error> {
    let wrong = Error::KeyLength { expected: suite.key_and_salt_bytes() };
    if key_and_salt.len() != suite.key_and_salt_bytes() {
        return Err(wrong);
    }
    let (key, master_salt) = key_and_salt.split_at_checked(suite.key_bytes()).ok_or(wrong)?;
    let master = BlockKey::new(key).ok_or(wrong)?;
    let mut salt = [0; 14];
    for (to, from) in salt.iter_mut().zip(master_salt) {
        *to = *from;
    }
    let first = if purpose == Purpose::Rtp { 0 } else { 3 };
    let (mut encryption, mut session_salt) = ([0; 32], [0; 14]);
    let mut authentication = [0; AUTH_KEY_BYTES];
    let (used, _) = encryption.split_at_mut_checked(suite.key_bytes()).ok_or(wrong)?;
    stream(&master, salt, first, used);
    stream(&master, salt, first + 1, &mut authentication);
    let (used, _) = session_salt.split_at_mut_checked(suite.salt_bytes()).ok_or(wrong)?;
    stream(&master, salt, first + 2, used);
    Ok(SessionKeys { encryption, salt: session_salt, authentication })
}

fn stream(master: &BlockKey, mut salt: [u8; 14], label: u8, out: &mut [u8]) {
    if let Some(byte) = salt.get_mut(7) {
        *byte ^= label;
    }
    let mut iv = [0; 16];
    for (to, from) in iv.iter_mut().zip(salt) {
        *to = from;
    }
    out.fill(0);
    master.apply_counter_mode(iv, out);
}
