//! Whether media is encrypted, and with which keys.

use crate::{CryptoLine, Error, Media, crypto::SUITES};
use std::fmt;

/// Whether media is encrypted (LiveKit's `SIPMediaEncryption`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Never: keys of others are passed over, RTP/SAVP is refused.
    #[default]
    Off,
    /// When the far end can; offered as RTP/AVP with keys, so that others can answer without.
    Allow,
    /// Always: what has no usable key is refused.
    Require,
}

/// Bytes of [`KeyMaterial`]: the longest key and salt for each suite.
pub const KEY_MATERIAL_BYTES: usize = SUITES.len() * SLOT;
const SLOT: usize = 46;

/// Our keys of one call, one for each suite. Made of random bytes; its `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyMaterial([u8; KEY_MATERIAL_BYTES]);

impl KeyMaterial {
    /// From bytes nobody can guess, fresh for each leg: `Random::bytes`.
    pub const fn new(random: [u8; KEY_MATERIAL_BYTES]) -> Self {
        Self(random)
    }

    fn key(&self, suite: usize) -> Vec<u8> {
        let bytes = SUITES.get(suite).map_or(0, |(_, bytes)| *bytes);
        self.0.chunks_exact(SLOT).nth(suite).and_then(|slot| slot.get(..bytes)).unwrap_or_default().to_vec()
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial")
    }
}

/// What our side wants of encryption, and its keys. The keys stay the same for the whole leg: a
/// new offer does not change them, as RFC 4568 §6.4 would have the far end begin anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    encryption: Encryption,
    keys: Option<Box<KeyMaterial>>,
}

impl Security {
    /// Never encrypted.
    pub const OFF: Self = Self { encryption: Encryption::Off, keys: None };

    /// A policy with the keys to follow it.
    pub fn new(encryption: Encryption, keys: KeyMaterial) -> Self {
        Self { encryption, keys: Some(Box::new(keys)) }
    }

    /// The policy.
    pub fn encryption(&self) -> Encryption {
        self.encryption
    }

    fn key(&self, suite: usize) -> Option<Vec<u8>> {
        self.keys.as_ref().map(|keys| keys.key(suite))
    }

    /// The lines of an offer of ours, tags from 1.
    pub(crate) fn offered(&self) -> Vec<CryptoLine> {
        if self.encryption == Encryption::Off {
            return Vec::new();
        }
        let lines = SUITES.iter().enumerate().zip(1..).filter_map(|((at, (suite, _)), tag)| {
            Some(CryptoLine { tag, suite: (*suite).into(), key: self.key(at)?, mki: Vec::new() })
        });
        lines.collect()
    }

    /// The profile of an offer of ours.
    pub(crate) fn profile(&self) -> &'static str {
        if self.encryption == Encryption::Require { "RTP/SAVP" } else { "RTP/AVP" }
    }

    /// What an m-line of an offer comes to.
    pub(crate) fn answer(&self, offered: &Media, is_secure: bool) -> Result<Option<Crypto>, Error> {
        self.judge(is_secure, || {
            let mut known: Vec<_> = offered.crypto.iter().filter_map(|line| Some((line.known()?, line))).collect();
            known.sort_by_key(|((place, _), _)| *place);
            let ((place, suite), line) = *known.first()?;
            Some(Crypto {
                tag: line.tag,
                suite,
                local: self.key(place)?,
                remote: line.key.clone(),
                remote_mki: line.mki.clone(),
            })
        })
    }

    /// What the answer to an m-line of ours comes to.
    pub(crate) fn answered(&self, offered: &Media, answer: &Media, is_secure: bool) -> Result<Option<Crypto>, Error> {
        self.judge(is_secure, || {
            answer.crypto.iter().find_map(|line| {
                let (_, suite) = line.known()?;
                let ours = offered.crypto.iter().find(|o| o.tag == line.tag && o.suite == suite)?;
                Some(Crypto {
                    tag: line.tag,
                    suite,
                    local: ours.key.clone(),
                    remote: line.key.clone(),
                    remote_mki: line.mki.clone(),
                })
            })
        })
    }

    fn judge(&self, is_secure: bool, found: impl FnOnce() -> Option<Crypto>) -> Result<Option<Crypto>, Error> {
        match (self.encryption, is_secure) {
            (Encryption::Off, false) => Ok(None),
            (Encryption::Off, true) => Err(Error::EncryptionOff),
            (Encryption::Allow, false) => Ok(found()),
            (Encryption::Allow, true) | (Encryption::Require, _) => found().map(Some).ok_or(Error::NoCommonCrypto),
        }
    }
}

/// The keys both sides use. Its `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Crypto {
    /// The tag of the line that was picked.
    pub tag: u32,
    /// The registered name of the suite.
    pub suite: &'static str,
    /// Key and salt of what we send.
    pub local: Vec<u8>,
    /// Key and salt of what we receive.
    pub remote: Vec<u8>,
    /// The key identifier in what we receive; empty for none, as always in what we send.
    pub remote_mki: Vec<u8>,
}

impl fmt::Debug for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crypto").field("tag", &self.tag).field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl Crypto {
    /// The line of an answer of ours.
    pub(crate) fn line(&self) -> CryptoLine {
        CryptoLine { tag: self.tag, suite: self.suite.into(), key: self.local.clone(), mki: Vec::new() }
    }
}
