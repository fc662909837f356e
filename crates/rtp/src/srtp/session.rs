//! Protecting and unprotecting packets under one master key.

use super::{
    Suite,
    cipher::{Cipher, GCM_TAG},
    error::Error,
    key::{Purpose, derive},
    layout::{RTCP_CLEAR, RTCP_ENCRYPTED, RTCP_INDEX, put, rtp_header},
    stream::{MAX_RTCP_INDEX, Streams, rtp_index},
};
use crate::packet::u32_at;
use subtle::ConstantTimeEq;

/// Bytes by which a packet grows at most: tag, RTCP index and key identifier.
pub const MAX_OVERHEAD: usize = 16 + RTCP_INDEX + MKI_BYTES;
/// The longest key identifier.
const MKI_BYTES: usize = 8;

/// The state of one master key: one session for what we send under our key, another for what
/// comes under the far end's (RFC 3711 §3.2). Nothing is allocated per packet.
///
/// State changes only after a packet has been authenticated. State of 32 sources is kept; packets
/// of further ones are refused until there is a new key.
pub struct Session {
    suite: Suite,
    rtp: Cipher,
    rtcp: Cipher,
    mki: [u8; MKI_BYTES],
    mki_length: usize,
    rtp_sent: Streams,
    rtp_received: Streams,
    rtcp_sent: Streams,
    rtcp_received: Streams,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl Session {
    /// A session of master key and master salt, one after the other as an `inline:` key has them.
    ///
    /// # Errors
    /// [`Error::KeyLength`] when they have not the suite's length.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Result<Self, Error> {
        Self::with_mki(suite, key_and_salt, &[])
    }

    /// As [`Session::new`], with the key identifier that each packet carries (RFC 3711 §3.1).
    ///
    /// # Errors
    /// Also [`Error::MkiLength`] for one of more than eight bytes.
    pub fn with_mki(suite: Suite, key_and_salt: &[u8], mki: &[u8]) -> Result<Self, Error> {
        let cipher = |purpose| {
            let keys = derive(suite, key_and_salt, purpose)?;
            Cipher::new(suite, &keys).ok_or(Error::KeyLength { expected: suite.key_and_salt_bytes() })
        };
        let mut held = [0; MKI_BYTES];
        put(&mut held, 0, mki).ok_or(Error::MkiLength)?;
        Ok(Self {
            suite,
            rtp: cipher(Purpose::Rtp)?,
            rtcp: cipher(Purpose::Rtcp)?,
            mki: held,
            mki_length: mki.len(),
            rtp_sent: Streams::default(),
            rtp_received: Streams::default(),
            rtcp_sent: Streams::default(),
            rtcp_received: Streams::default(),
        })
    }

    #[cfg(test)]
    pub(super) fn from_ciphers(suite: Suite, rtp: Cipher, rtcp: Cipher) -> Result<Self, Error> {
        let empty = Self::new(suite, &[0; 46][..suite.key_and_salt_bytes()])?;
        Ok(Self { rtp, rtcp, ..empty })
    }

    /// Its suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    fn mki(&self) -> &[u8] {
        self.mki.get(..self.mki_length).unwrap_or_default()
    }

    /// Protects the RTP packet in the first `length` bytes; the new length. The buffer needs
    /// [`MAX_OVERHEAD`] bytes more.
    ///
    /// # Errors
    /// No RTP, no room, a sequence number that is not above all before it, or too many packets.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        let end = length.checked_add(self.suite.rtp_tag_bytes() + self.mki_length).ok_or(Error::NoRoom)?;
        if buffer.len() < end {
            return Err(Error::NoRoom);
        }
        let packet = buffer.get_mut(..length).ok_or(Error::NoRoom)?;
        let header = rtp_header(packet).ok_or(Error::Malformed)?;
        let window = self.rtp_sent.window(header.ssrc)?;
        let index = rtp_index(&window, header.sequence).ok_or(Error::Exhausted)?;
        // A keystream used twice gives both packets away.
        if window.highest().is_some_and(|highest| index <= highest) {
            return Err(Error::Replayed);
        }
        let (clear, payload) = packet.split_at_mut_checked(header.length).ok_or(Error::Malformed)?;
        match &self.rtp {
            Cipher::CounterMode(cipher) => {
                cipher.apply(header.ssrc, index, payload);
                let tag = cipher.tag(packet, &roll_over(index));
                let tag = tag.get(..self.suite.rtp_tag_bytes()).unwrap_or_default();
                let at = put(buffer, length, self.mki()).ok_or(Error::NoRoom)?;
                put(buffer, at, tag).ok_or(Error::NoRoom)?;
            }
            Cipher::Galois(cipher) => {
                let tag = cipher.seal(header.ssrc, index, clear, payload).ok_or(Error::Malformed)?;
                let at = put(buffer, length, &tag).ok_or(Error::NoRoom)?;
                put(buffer, at, self.mki()).ok_or(Error::NoRoom)?;
            }
        }
        self.rtp_sent.note(header.ssrc, index);
        Ok(end)
    }

    /// Authenticates and decrypts an SRTP packet in place; the length of the RTP packet.
    ///
    /// # Errors
    /// No SRTP, forged, replayed, or of one source too many. Then no state has changed, and the
    /// bytes mean nothing.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Error> {
        let tag_bytes = self.suite.rtp_tag_bytes();
        let end = packet.len().checked_sub(tag_bytes + self.mki_length).ok_or(Error::Malformed)?;
        let (inner, trailer) = packet.split_at_mut_checked(end).ok_or(Error::Malformed)?;
        let header = rtp_header(inner).ok_or(Error::Malformed)?;
        let window = self.rtp_received.window(header.ssrc)?;
        let index = rtp_index(&window, header.sequence).ok_or(Error::Exhausted)?;
        if !window.is_new(index) {
            return Err(Error::Replayed);
        }
        let tag = self.tag_of(trailer, tag_bytes)?;
        let authentic = match &self.rtp {
            Cipher::CounterMode(cipher) => {
                let authentic = cipher.is_tag(inner, &roll_over(index), tag);
                if authentic && let Some(payload) = inner.get_mut(header.length..) {
                    cipher.apply(header.ssrc, index, payload);
                }
                authentic
            }
            Cipher::Galois(cipher) => {
                let (clear, payload) = inner.split_at_mut_checked(header.length).ok_or(Error::Malformed)?;
                cipher.open(header.ssrc, index, clear, payload, tag)
            }
        };
        if !authentic {
            return Err(Error::NotAuthentic);
        }
        self.rtp_received.note(header.ssrc, index);
        Ok(end)
    }

    /// Protects the compound RTCP packet in the first `length` bytes; the new length. The buffer
    /// needs [`MAX_OVERHEAD`] bytes more.
    ///
    /// # Errors
    /// No RTCP, no room, or too many packets.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        let grown = self.suite.rtcp_tag_bytes() + RTCP_INDEX + self.mki_length;
        let end = length.checked_add(grown).filter(|end| *end <= buffer.len()).ok_or(Error::NoRoom)?;
        let packet = buffer.get_mut(..length).ok_or(Error::NoRoom)?;
        let ssrc = u32_at(packet, 4).ok_or(Error::Malformed)?;
        let index = match self.rtcp_sent.window(ssrc)?.highest() {
            None => 1,
            Some(highest) => highest.checked_add(1).filter(|i| *i <= MAX_RTCP_INDEX).ok_or(Error::Exhausted)?,
        };
        let word = (u32::try_from(index).map_err(|_| Error::Exhausted)? | RTCP_ENCRYPTED).to_be_bytes();
        let (clear, payload) = packet.split_at_mut_checked(RTCP_CLEAR).ok_or(Error::Malformed)?;
        match &self.rtcp {
            Cipher::CounterMode(cipher) => {
                cipher.apply(ssrc, index, payload);
                let tag = cipher.tag(packet, &word);
                let tag = tag.get(..self.suite.rtcp_tag_bytes()).unwrap_or_default();
                let at = put(buffer, length, &word).ok_or(Error::NoRoom)?;
                let at = put(buffer, at, self.mki()).ok_or(Error::NoRoom)?;
                put(buffer, at, tag).ok_or(Error::NoRoom)?;
            }
            Cipher::Galois(cipher) => {
                let associated = associated(clear, word);
                let tag = cipher.seal(ssrc, index, &associated, payload).ok_or(Error::Malformed)?;
                let at = put(buffer, length, &tag).ok_or(Error::NoRoom)?;
                let at = put(buffer, at, &word).ok_or(Error::NoRoom)?;
                put(buffer, at, self.mki()).ok_or(Error::NoRoom)?;
            }
        }
        self.rtcp_sent.note(ssrc, index);
        Ok(end)
    }

    /// Authenticates and decrypts an SRTCP packet in place; the length of the RTCP packet.
    ///
    /// # Errors
    /// As [`Session::unprotect_rtp`]. A packet that is authentic but not encrypted is refused too:
    /// no suite here leaves RTCP readable.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Error> {
        let tag_bytes = self.suite.rtcp_tag_bytes();
        let grown = tag_bytes + RTCP_INDEX + self.mki_length;
        let end = packet.len().checked_sub(grown).filter(|end| *end >= RTCP_CLEAR).ok_or(Error::Malformed)?;
        let (inner, trailer) = packet.split_at_mut_checked(end).ok_or(Error::Malformed)?;
        // Counter mode: index, identifier, tag. GCM: tag, index, identifier.
        let word_at = if self.suite.is_aead() { GCM_TAG } else { 0 };
        let word = u32_at(trailer, word_at).ok_or(Error::Malformed)?;
        let ssrc = u32_at(inner, 4).ok_or(Error::Malformed)?;
        let index = u64::from(word & !RTCP_ENCRYPTED);
        if word & RTCP_ENCRYPTED == 0 {
            return Err(Error::NotAuthentic);
        }
        if !self.rtcp_received.window(ssrc)?.is_new(index) {
            return Err(Error::Replayed);
        }
        let word = word.to_be_bytes();
        let authentic = match &self.rtcp {
            Cipher::CounterMode(cipher) => {
                let tag = self.tag_of(trailer.get(RTCP_INDEX..).unwrap_or_default(), tag_bytes)?;
                let authentic = cipher.is_tag(inner, &word, tag);
                if authentic && let Some(payload) = inner.get_mut(RTCP_CLEAR..) {
                    cipher.apply(ssrc, index, payload);
                }
                authentic
            }
            Cipher::Galois(cipher) => {
                let (tag, rest) = trailer.split_at_checked(GCM_TAG).ok_or(Error::Malformed)?;
                if !bool::from(rest.get(RTCP_INDEX..).unwrap_or_default().ct_eq(self.mki())) {
                    return Err(Error::NotAuthentic);
                }
                let (clear, payload) = inner.split_at_mut_checked(RTCP_CLEAR).ok_or(Error::Malformed)?;
                cipher.open(ssrc, index, &associated(clear, word), payload, tag)
            }
        };
        if !authentic {
            return Err(Error::NotAuthentic);
        }
        self.rtcp_received.note(ssrc, index);
        Ok(end)
    }

    /// The tag in what follows a packet, when the identifier beside it is ours.
    fn tag_of<'a>(&self, trailer: &'a [u8], tag_bytes: usize) -> Result<&'a [u8], Error> {
        let (mki, tag) = if self.suite.is_aead() {
            let (tag, mki) = trailer.split_at_checked(tag_bytes).ok_or(Error::Malformed)?;
            (mki, tag)
        } else {
            trailer.split_at_checked(self.mki_length).ok_or(Error::Malformed)?
        };
        if bool::from(mki.ct_eq(self.mki())) { Ok(tag) } else { Err(Error::NotAuthentic) }
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
