//! Counter mode with its HMAC, and GCM: bytes in place, nothing allocated.

use super::{Suite, block::BlockKey, key::SessionKeys};
use aes_gcm::{AeadInPlace, Aes128Gcm, Aes256Gcm, KeyInit};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// Counter mode with HMAC-SHA1 (RFC 3711 §4.1.1 and §4.2.1).
#[derive(Clone)]
pub(super) struct CounterMode {
    block: BlockKey,
    salt: [u8; 14],
    mac: Hmac<Sha1>,
}

impl CounterMode {
    fn new(suite: Suite, keys: &SessionKeys) -> Option<Self> {
        Some(Self {
            block: BlockKey::new(keys.encryption.get(..suite.key_bytes())?)?,
            salt: keys.salt,
            mac: <Hmac<Sha1> as Mac>::new_from_slice(&keys.authentication).ok()?,
        })
    }

    /// Encrypts or decrypts the packet with that index of that source.
    pub(super) fn apply(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        let iv = (u128::from(ssrc) << 64) ^ (u128::from(index) << 16);
        let mut iv = iv.to_be_bytes();
        for (byte, salt) in iv.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        self.block.apply_counter_mode(iv, bytes);
    }

    /// The tag over these bytes and what follows them.
    pub(super) fn tag(&self, bytes: &[u8], more: &[u8]) -> [u8; 20] {
        let mut mac = self.mac.clone();
        mac.update(bytes);
        mac.update(more);
        mac.finalize().into_bytes().into()
    }

    /// Whether a tag, cut to its length, is right; takes the same time for each that is wrong.
    pub(super) fn is_tag(&self, bytes: &[u8], more: &[u8], tag: &[u8]) -> bool {
        let right = self.tag(bytes, more);
        right.get(..tag.len()).is_some_and(|right| bool::from(right.ct_eq(tag)))
    }
}

/// GCM (RFC 7714).
#[derive(Clone)]
pub(super) struct Galois {
    key: GcmKey,
    salt: [u8; 12],
}

#[derive(Clone)]
enum GcmKey {
    Aes128(Box<Aes128Gcm>),
    Aes256(Box<Aes256Gcm>),
}

/// Bytes of its tag.
pub(super) const GCM_TAG: usize = 16;

impl Galois {
    fn new(suite: Suite, keys: &SessionKeys) -> Option<Self> {
        let key = keys.encryption.get(..suite.key_bytes())?;
        let key = match suite.key_bytes() {
            16 => GcmKey::Aes128(Box::new(Aes128Gcm::new_from_slice(key).ok()?)),
            _ => GcmKey::Aes256(Box::new(Aes256Gcm::new_from_slice(key).ok()?)),
        };
        Some(Self { key, salt: keys.salt.get(..12)?.try_into().ok()? })
    }

    /// Of an RTP packet: SSRC, roll-over counter and sequence number (RFC 7714 §8.1); of an RTCP
    /// packet: SSRC and index (§9.1).
    fn nonce(&self, ssrc: u32, index: u64) -> [u8; 12] {
        let value = (u128::from(ssrc) << 48) | u128::from(index & 0xffff_ffff_ffff);
        let mut nonce = self.salt;
        for (byte, value) in nonce.iter_mut().zip(value.to_be_bytes().into_iter().skip(4)) {
            *byte ^= value;
        }
        nonce
    }

    /// Encrypts in place; the tag.
    pub(super) fn seal(&self, ssrc: u32, index: u64, associated: &[u8], bytes: &mut [u8]) -> Option<[u8; GCM_TAG]> {
        let nonce = self.nonce(ssrc, index).into();
        let sealed = match &self.key {
            GcmKey::Aes128(key) => key.encrypt_in_place_detached(&nonce, associated, bytes),
            GcmKey::Aes256(key) => key.encrypt_in_place_detached(&nonce, associated, bytes),
        };
        sealed.ok().map(Into::into)
    }

    /// Decrypts in place what is authentic; whether it is.
    pub(super) fn open(&self, ssrc: u32, index: u64, associated: &[u8], bytes: &mut [u8], tag: &[u8]) -> bool {
        let Ok(tag) = <[u8; GCM_TAG]>::try_from(tag) else { return false };
        let nonce = self.nonce(ssrc, index).into();
        match &self.key {
            GcmKey::Aes128(key) => key.decrypt_in_place_detached(&nonce, associated, bytes, &tag.into()),
            GcmKey::Aes256(key) => key.decrypt_in_place_detached(&nonce, associated, bytes, &tag.into()),
        }
        .is_ok()
    }
}

/// The transform of a suite for RTP or for RTCP.
#[derive(Clone)]
pub(super) enum Cipher {
    CounterMode(CounterMode),
    Galois(Galois),
}

impl Cipher {
    /// `None` when the keys have not the suite's lengths.
    pub(super) fn new(suite: Suite, keys: &SessionKeys) -> Option<Self> {
        if suite.is_aead() {
            Galois::new(suite, keys).map(Self::Galois)
        } else {
            CounterMode::new(suite, keys).map(Self::CounterMode)
        }
    }
}
