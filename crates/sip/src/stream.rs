//! Cutting a stream into messages (RFC 3261 §18.3): Content-Length decides.

use crate::{
    Malformed, Message,
    message::{fault, find, long_name},
    salvage,
};
use bytes::{Bytes, BytesMut};
use trunkline_types::limits;

/// A message cut out of a stream: its bytes, and what they say.
pub type Framed = (Bytes, Result<Message, Malformed>);

/// The reader of one connection.
#[derive(Debug, Default)]
pub struct StreamReader {
    buffer: BytesMut,
    pings: usize,
}

impl StreamReader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes; gives the messages that are complete.
    ///
    /// # Errors
    /// Framing is lost: answer if there is an answer, then close.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Framed>, Malformed> {
        self.buffer.extend_from_slice(bytes);
        let mut messages = Vec::new();
        loop {
            self.strip_keep_alives();
            let Some(head) = find(&self.buffer, b"\r\n\r\n") else { break };
            let body = self.content_length(head)?;
            let whole = head.saturating_add(4).saturating_add(body);
            if whole > limits::SIP_MESSAGE_BYTES {
                return Err(salvage::malformed(&self.buffer, fault(513, "the message is too large")));
            }
            if self.buffer.len() < whole {
                break;
            }
            let raw = self.buffer.split_to(whole).freeze();
            messages.push((raw.clone(), Message::parse(raw)));
        }
        if self.buffer.len() > limits::SIP_MESSAGE_BYTES {
            return Err(salvage::malformed(&self.buffer, fault(513, "the message is too large")));
        }
        Ok(messages)
    }

    /// Whether a message has begun and is not complete.
    pub fn pending(&self) -> bool {
        // A lone CRLF is a keep-alive, not the beginning of a message.
        self.buffer.iter().any(|b| !matches!(b, b'\r' | b'\n'))
    }

    /// How many double CRLFs came, each to be answered with one CRLF (RFC 5626 §3.5.1).
    pub fn take_pings(&mut self) -> usize {
        std::mem::take(&mut self.pings)
    }

    fn strip_keep_alives(&mut self) {
        loop {
            if self.buffer.starts_with(b"\r\n\r\n") {
                self.pings = self.pings.saturating_add(1);
                let _ = self.buffer.split_to(4);
            } else if self.buffer.starts_with(b"\r\n") && self.buffer.len() > 2 && self.buffer.get(2) != Some(&b'\r') {
                let _ = self.buffer.split_to(2);
            } else {
                return;
            }
        }
    }

    fn content_length(&self, head: usize) -> Result<usize, Malformed> {
        let text = String::from_utf8_lossy(self.buffer.get(..head).unwrap_or_default());
        let mut length = None;
        for (name, value) in text.split("\r\n").filter_map(|l| l.split_once(':')) {
            if !long_name(name.trim()).eq_ignore_ascii_case("Content-Length") {
                continue;
            }
            let value = value.trim();
            let stated = Some(value)
                .filter(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|v| v.parse::<usize>().ok());
            match (stated, length) {
                (Some(stated), None) => length = Some(stated),
                (Some(stated), Some(held)) if stated == held => {}
                _ => return Err(salvage::malformed(&self.buffer, fault(400, "Content-Length cannot be used"))),
            }
        }
        length.ok_or_else(|| salvage::malformed(&self.buffer, fault(400, "Content-Length is missing on a stream")))
    }
}
