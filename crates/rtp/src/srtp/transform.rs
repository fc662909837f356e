//! What turns packets into protected ones and back, for who keeps count of them himself.

use super::{
    Suite,
    cipher::{Cipher, GCM_TAG},
    error::Error,
    key::{Purpose, derive},
    layout::{RTCP_CLEAR, RTCP_ENCRYPTED, RTCP_INDEX, put, rtp_header},
    stream::MAX_RTCP_INDEX,
};
use crate::packet::u32_at;
use subtle::ConstantTimeEq;

/// The longest key identifier.
pub(super) const MKI_BYTES: usize = 8;

/// The key identifier that each packet carries, if any (RFC 3711 §3.1).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mki {
    bytes: [u8; MKI_BYTES],
    length: usize,
}

impl Mki {
    pub(super) fn new(mki: &[u8]) -> Result<Self, Error> {
        let mut bytes = [0; MKI_BYTES];
        put(&mut bytes, 0, mki).ok_or(Error::MkiLength)?;
        Ok(Self { bytes, length: mki.len() })
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn is(&self, bytes: &[u8]) -> Result<(), Error> {
        if bool::from(bytes.ct_eq(self.as_slice())) { Ok(()) } else { Err(Error::NotAuthentic) }
    }
}

fn cipher(suite: Suite, key_and_salt: &[u8], purpose: Purpose) -> Result<Cipher, Error> {
    let keys = derive(suite, key_and_salt, purpose)?;
    Cipher::new(suite, &keys).ok_or(Error::KeyLength { expected: suite.key_and_salt_bytes() })
}

/// RTP under one master key, without memory: each packet comes with its index, the sequence number
/// extended by the roll-over counter (RFC 3711 §3.3.1). Nothing is allocated.
///
/// Who protects two packets of one source with one index gives both of them away; who unprotects
/// keeps a [`ReplayWindow`](super::ReplayWindow) for each source.
#[derive(Clone)]
pub struct RtpTransform {
    suite: Suite,
    cipher: Cipher,
    mki: Mki,
}

impl std::fmt::Debug for RtpTransform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtpTransform").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl RtpTransform {
    /// From master key and master salt, one after the other.
    ///
    /// # Errors
    /// [`Error::KeyLength`] when they have not the suite's length.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Result<Self, Error> {
        Self::with_mki(suite, key_and_salt, Mki::default())
    }

    pub(super) fn with_mki(suite: Suite, key_and_salt: &[u8], mki: Mki) -> Result<Self, Error> {
        Ok(Self { suite, cipher: cipher(suite, key_and_salt, Purpose::Rtp)?, mki })
    }

    #[cfg(test)]
    pub(super) fn from_cipher(suite: Suite, cipher: Cipher) -> Self {
        Self { suite, cipher, mki: Mki::default() }
    }

    pub(super) fn suite(&self) -> Suite {
        self.suite
    }

    /// Protects the packet in the first `length` bytes; the new length. The buffer needs
    /// [`MAX_OVERHEAD`](super::MAX_OVERHEAD) bytes more.
    ///
    /// # Errors
    /// No RTP, or no room.
    pub fn protect(&self, buffer: &mut [u8], length: usize, index: u64) -> Result<usize, Error> {
        let end = length.checked_add(self.suite.rtp_tag_bytes() + self.mki.length).ok_or(Error::NoRoom)?;
        if buffer.len() < end {
            return Err(Error::NoRoom);
        }
        let packet = buffer.get_mut(..length).ok_or(Error::NoRoom)?;
        let header = rtp_header(packet).ok_or(Error::Malformed)?;
        let (clear, payload) = packet.split_at_mut_checked(header.length).ok_or(Error::Malformed)?;
        match &self.cipher {
            Cipher::CounterMode(cipher) => {
                cipher.apply(header.ssrc, index, payload);
                let tag = cipher.tag(packet, &roll_over(index));
                let tag = tag.get(..self.suite.rtp_tag_bytes()).unwrap_or_default();
                let at = put(buffer, length, self.mki.as_slice()).ok_or(Error::NoRoom)?;
                put(buffer, at, tag).ok_or(Error::NoRoom)?;
            }
            Cipher::Galois(cipher) => {
                let tag = cipher.seal(header.ssrc, index, clear, payload).ok_or(Error::Malformed)?;
                let at = put(buffer, length, &tag).ok_or(Error::NoRoom)?;
                put(buffer, at, self.mki.as_slice()).ok_or(Error::NoRoom)?;
            }
        }
        Ok(end)
    }

    /// Authenticates and decrypts a packet in place; the length of the RTP packet.
    ///
    /// # Errors
    /// No SRTP, or forged. Then the bytes mean nothing.
    pub fn unprotect(&self, packet: &mut [u8], index: u64) -> Result<usize, Error> {
        let tag_bytes = self.suite.rtp_tag_bytes();
        let end = packet.len().checked_sub(tag_bytes + self.mki.length).ok_or(Error::Malformed)?;
        let (inner, trailer) = packet.split_at_mut_checked(end).ok_or(Error::Malformed)?;
        let header = rtp_header(inner).ok_or(Error::Malformed)?;
        let authentic = match &self.cipher {
            Cipher::CounterMode(cipher) => {
                let (mki, tag) = trailer.split_at_checked(self.mki.length).ok_or(Error::Malformed)?;
                self.mki.is(mki)?;
                let authentic = cipher.is_tag(inner, &roll_over(index), tag);
                if authentic && let Some(payload) = inner.get_mut(header.length..) {
                    cipher.apply(header.ssrc, index, payload);
                }
                authentic
            }
            Cipher::Galois(cipher) => {
                let (tag, mki) = trailer.split_at_checked(tag_bytes).ok_or(Error::Malformed)?;
                self.mki.is(mki)?;
                let (clear, payload) = inner.split_at_mut_checked(header.length).ok_or(Error::Malformed)?;
                cipher.open(header.ssrc, index, clear, payload, tag)
            }
        };
        if authentic { Ok(end) } else { Err(Error::NotAuthentic) }
    }
}

/// RTCP under one master key, without memory, as [`RtpTransform`] is for RTP.
#[derive(Clone)]
pub struct RtcpTransform {
    suite: Suite,
    cipher: Cipher,
    mki: Mki,
}

impl std::fmt::Debug for RtcpTransform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtcpTransform").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl RtcpTransform {
    /// From master key and master salt, one after the other.
    ///
    /// # Errors
    /// [`Error::KeyLength`] when they have not the suite's length.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Result<Self, Error> {
        Self::with_mki(suite, key_and_salt, Mki::default())
    }

    pub(super) fn with_mki(suite: Suite, key_and_salt: &[u8], mki: Mki) -> Result<Self, Error> {
        Ok(Self { suite, cipher: cipher(suite, key_and_salt, Purpose::Rtcp)?, mki })
    }

    #[cfg(test)]
    pub(super) fn from_cipher(suite: Suite, cipher: Cipher) -> Self {
        Self { suite, cipher, mki: Mki::default() }
    }

    /// Protects the compound packet in the first `length` bytes; the new length. The buffer needs
    /// [`MAX_OVERHEAD`](super::MAX_OVERHEAD) bytes more.
    ///
    /// # Errors
    /// No RTCP, no room, or an index of more than 31 bits.
    pub fn protect(&self, buffer: &mut [u8], length: usize, index: u64) -> Result<usize, Error> {
        let end = self.end(buffer, length)?;
        if index > MAX_RTCP_INDEX {
            return Err(Error::Exhausted);
        }
        let packet = buffer.get_mut(..length).ok_or(Error::NoRoom)?;
        let ssrc = u32_at(packet, 4).ok_or(Error::Malformed)?;
        let word = (u32::try_from(index).map_err(|_| Error::Exhausted)? | RTCP_ENCRYPTED).to_be_bytes();
        let (clear, payload) = packet.split_at_mut_checked(RTCP_CLEAR).ok_or(Error::Malformed)?;
        match &self.cipher {
            Cipher::CounterMode(cipher) => {
                cipher.apply(ssrc, index, payload);
                let tag = cipher.tag(packet, &word);
                let tag = tag.get(..self.suite.rtcp_tag_bytes()).unwrap_or_default();
                let at = put(buffer, length, &word).ok_or(Error::NoRoom)?;
                let at = put(buffer, at, self.mki.as_slice()).ok_or(Error::NoRoom)?;
                put(buffer, at, tag).ok_or(Error::NoRoom)?;
            }
            Cipher::Galois(cipher) => {
                let associated = associated(clear, word);
                let tag = cipher.seal(ssrc, index, &associated, payload).ok_or(Error::Malformed)?;
                let at = put(buffer, length, &tag).ok_or(Error::NoRoom)?;
                let at = put(buffer, at, &word).ok_or(Error::NoRoom)?;
                put(buffer, at, self.mki.as_slice()).ok_or(Error::NoRoom)?;
            }
        }
        Ok(end)
    }

    fn overhead(&self) -> usize {
        self.suite.rtcp_tag_bytes() + RTCP_INDEX + self.mki.length
    }

    /// Where the packet in the first `length` bytes will end once it is protected.
    pub(super) fn end(&self, buffer: &[u8], length: usize) -> Result<usize, Error> {
        length.checked_add(self.overhead()).filter(|end| *end <= buffer.len()).ok_or(Error::NoRoom)
    }

    /// Whose a protected packet is, and its index, neither of them authentic yet.
    ///
    /// # Errors
    /// No SRTCP, or one that is not encrypted: no suite here leaves RTCP readable.
    pub fn claims(&self, packet: &[u8]) -> Result<(u32, u64), Error> {
        let end = self.inner_length(packet)?;
        // Counter mode: index, identifier, tag. GCM: tag, index, identifier.
        let word_at = end + if self.suite.is_aead() { GCM_TAG } else { 0 };
        let word = u32_at(packet, word_at).ok_or(Error::Malformed)?;
        if word & RTCP_ENCRYPTED == 0 {
            return Err(Error::NotAuthentic);
        }
        Ok((u32_at(packet, 4).ok_or(Error::Malformed)?, u64::from(word & !RTCP_ENCRYPTED)))
    }

    fn inner_length(&self, packet: &[u8]) -> Result<usize, Error> {
        packet.len().checked_sub(self.overhead()).filter(|end| *end >= RTCP_CLEAR).ok_or(Error::Malformed)
    }

    /// Authenticates and decrypts a packet in place; the length of the RTCP packet.
    ///
    /// # Errors
    /// Those of [`RtcpTransform::claims`], or forged. Then the bytes mean nothing.
    pub fn unprotect(&self, packet: &mut [u8]) -> Result<usize, Error> {
        let (ssrc, index) = self.claims(packet)?;
        let end = self.inner_length(packet)?;
        let word = (u32::try_from(index).map_err(|_| Error::Malformed)? | RTCP_ENCRYPTED).to_be_bytes();
        let (inner, trailer) = packet.split_at_mut_checked(end).ok_or(Error::Malformed)?;
        let authentic = match &self.cipher {
            Cipher::CounterMode(cipher) => {
                let rest = trailer.get(RTCP_INDEX..).unwrap_or_default();
                let (mki, tag) = rest.split_at_checked(self.mki.length).ok_or(Error::Malformed)?;
                self.mki.is(mki)?;
                let authentic = cipher.is_tag(inner, &word, tag);
                if authentic && let Some(payload) = inner.get_mut(RTCP_CLEAR..) {
                    cipher.apply(ssrc, index, payload);
                }
                authentic
            }
            Cipher::Galois(cipher) => {
                let (tag, rest) = trailer.split_at_checked(GCM_TAG).ok_or(Error::Malformed)?;
                self.mki.is(rest.get(RTCP_INDEX..).unwrap_or_default())?;
                let (clear, payload) = inner.split_at_mut_checked(RTCP_CLEAR).ok_or(Error::Malformed)?;
                cipher.open(ssrc, index, &associated(clear, word), payload, tag)
            }
        };
        if authentic { Ok(end) } else { Err(Error::NotAuthentic) }
    }
}

/// The roll-over counter of an index, as the tag covers it.
fn roll_over(index: u64) -> [u8; 4] {
    u32::try_from(index >> 16).unwrap_or(u32::MAX).to_be_bytes()
}

/// What GCM authenticates beside the encrypted part of an RTCP packet (RFC 7714 §9.2).
fn associated(clear: &[u8], word: [u8; 4]) -> [u8; RTCP_CLEAR + RTCP_INDEX] {
    let mut bytes = [0; RTCP_CLEAR + RTCP_INDEX];
    for (to, from) in bytes.iter_mut().zip(clear.iter().chain(&word)) {
        *to = *from;
    }
    bytes
}
