//! Protecting and unprotecting packets under one master key, each packet once.

use super::{
    Suite,
    error::Error,
    layout::{RTCP_INDEX, rtp_header},
    stream::{Streams, rtp_index},
    transform::{MKI_BYTES, Mki, RtcpTransform, RtpTransform},
};
use crate::packet::u32_at;

/// Bytes by which a packet grows at most: tag, RTCP index and key identifier.
pub const MAX_OVERHEAD: usize = 16 + RTCP_INDEX + MKI_BYTES;

/// The state of one master key: one session for what we send under our key, another for what
/// comes under the far end's (RFC 3711 §3.2). Nothing is allocated per packet.
///
/// State changes only after a packet has been authenticated. State of 32 sources is kept; packets
/// of further ones are refused until there is a new key.
#[derive(Debug)]
pub struct Session {
    rtp: RtpTransform,
    rtcp: RtcpTransform,
    rtp_sent: Streams,
    rtp_received: Streams,
    rtcp_sent: Streams,
    rtcp_received: Streams,
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
        let mki = Mki::new(mki)?;
        let rtp = RtpTransform::with_mki(suite, key_and_salt, mki)?;
        Ok(Self::of(rtp, RtcpTransform::with_mki(suite, key_and_salt, mki)?))
    }

    pub(super) fn of(rtp: RtpTransform, rtcp: RtcpTransform) -> Self {
        Self {
            rtp,
            rtcp,
            rtp_sent: Streams::default(),
            rtp_received: Streams::default(),
            rtcp_sent: Streams::default(),
            rtcp_received: Streams::default(),
        }
    }

    /// Its suite.
    pub fn suite(&self) -> Suite {
        self.rtp.suite()
    }

    /// Protects the RTP packet in the first `length` bytes; the new length. The buffer needs
    /// [`MAX_OVERHEAD`] bytes more.
    ///
    /// # Errors
    /// No RTP, no room, a sequence number that is not above all before it, or too many packets.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        let header = buffer.get(..length).ok_or(Error::NoRoom).map(rtp_header)?.ok_or(Error::Malformed)?;
        let window = self.rtp_sent.window(header.ssrc)?;
        let index = rtp_index(&window, header.sequence).ok_or(Error::Exhausted)?;
        // A keystream used twice gives both packets away.
        if window.highest().is_some_and(|highest| index <= highest) {
            return Err(Error::Replayed);
        }
        let end = self.rtp.protect(buffer, length, index)?;
        self.rtp_sent.note(header.ssrc, index);
        Ok(end)
    }

    /// Authenticates and decrypts an SRTP packet in place; the length of the RTP packet.
    ///
    /// # Errors
    /// No SRTP, forged, replayed, or of one source too many. Then no state has changed, and the
    /// bytes mean nothing.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Error> {
        let header = rtp_header(packet).ok_or(Error::Malformed)?;
        let window = self.rtp_received.window(header.ssrc)?;
        let index = rtp_index(&window, header.sequence).ok_or(Error::Exhausted)?;
        if !window.is_new(index) {
            return Err(Error::Replayed);
        }
        let end = self.rtp.unprotect(packet, index)?;
        self.rtp_received.note(header.ssrc, index);
        Ok(end)
    }

    /// Protects the compound RTCP packet in the first `length` bytes; the new length. The buffer
    /// needs [`MAX_OVERHEAD`] bytes more.
    ///
    /// # Errors
    /// No RTCP, no room, or too many packets.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Error> {
        self.rtcp.end(buffer, length)?;
        let ssrc = buffer.get(..length).and_then(|packet| u32_at(packet, 4)).ok_or(Error::Malformed)?;
        let index = self.rtcp_sent.window(ssrc)?.highest().map_or(Some(1), |highest| highest.checked_add(1));
        let index = index.ok_or(Error::Exhausted)?;
        let end = self.rtcp.protect(buffer, length, index)?;
        self.rtcp_sent.note(ssrc, index);
        Ok(end)
    }

    /// Authenticates and decrypts an SRTCP packet in place; the length of the RTCP packet.
    ///
    /// # Errors
    /// As [`Session::unprotect_rtp`]. A packet that is authentic but not encrypted is refused too:
    /// no suite here leaves RTCP readable.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Error> {
        let (ssrc, index) = self.rtcp.claims(packet)?;
        if !self.rtcp_received.window(ssrc)?.is_new(index) {
            return Err(Error::Replayed);
        }
        let end = self.rtcp.unprotect(packet)?;
        self.rtcp_received.note(ssrc, index);
        Ok(end)
    }
}
