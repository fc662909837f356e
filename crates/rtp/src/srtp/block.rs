//! AES in counter mode.

use aes::{Aes128, Aes256, cipher::KeyInit};
use ctr::cipher::{InnerIvInit, StreamCipher, StreamCipherCoreWrapper};

/// An expanded AES key for counter mode.
#[derive(Clone)]
pub(super) enum BlockKey {
    Aes128(Box<Aes128>),
    Aes256(Box<Aes256>),
}

type Counter<'a, C> = StreamCipherCoreWrapper<ctr::CtrCore<&'a C, ctr::flavors::Ctr128BE>>;

impl BlockKey {
    /// From 16 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128::new_from_slice(key).ok().map(|key| Self::Aes128(Box::new(key))),
            32 => Aes256::new_from_slice(key).ok().map(|key| Self::Aes256(Box::new(key))),
            _ => None,
        }
    }

    /// XORs the keystream that begins at `iv` onto the bytes.
    pub(super) fn apply_counter_mode(&self, iv: [u8; 16], bytes: &mut [u8]) {
        let iv = iv.into();
        match self {
            Self::Aes128(key) => {
                let core = ctr::CtrCore::inner_iv_init(&**key, &iv);
                Counter::<'_, Aes128>::from_core(core).apply_keystream(bytes);
            }
            Self::Aes256(key) => {
                let core = ctr::CtrCore::inner_iv_init(&**key, &iv);
                Counter::<'_, Aes256>::from_core(core).apply_keystream(bytes);
            }
        }
    }
}
