//! Cutting a stream into messages (RFC 3261 §18.3): Content-Length decides.

use crate::{
    Malformed, Message,
    fault::{Fault, unframed},
    find::find,
    header_lines::{content_length, header_lines},
    salvage,
};
use bytes::{Bytes, BytesMut};
use trunkline_types::limits;

/// A message cut out of a stream: its bytes, and what they say.
pub type Framed = (Bytes, Result<Message, Malformed>);

/// The end of a header section.
const END: &[u8] = b"\r\n\r\n";

/// The reader of one connection.
#[derive(Debug, Default)]
pub struct StreamReader {
    buffer: BytesMut,
    /// So many bytes hold no beginning of [`END`].
    scanned: usize,
    /// The length of the message at the front, once its header section is complete.
    whole: Option<usize>,
    pings: usize,
    lost: bool,
}

impl StreamReader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes; gives the messages that are complete. If the framing is lost behind some of
    /// them, the last entry is what it was lost at, with `close`. Nothing is read after that.
    ///
    /// # Errors
    /// The framing is lost and there was no message before: answer if there is an answer, then
    /// close.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Framed>, Malformed> {
        let mut messages = Vec::new();
        if self.lost {
            return Ok(messages);
        }
        self.buffer.extend_from_slice(bytes);
        loop {
            match self.next() {
                Ok(Some(raw)) => messages.push((raw.clone(), Message::parse(raw))),
                Ok(None) => return Ok(messages),
                Err(fault) => {
                    self.lost = true;
                    let raw = std::mem::take(&mut self.buffer).freeze();
                    let malformed = salvage::malformed(&raw, fault);
                    if messages.is_empty() {
                        return Err(malformed);
                    }
                    messages.push((raw, Err(malformed)));
                    return Ok(messages);
                }
            }
        }
    }

    /// The bytes of the next whole message.
    fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        let whole = match self.whole {
            Some(whole) => whole,
            None => match self.measure()? {
                Some(whole) => whole,
                None => return Ok(None),
            },
        };
        self.whole = Some(whole);
        if self.buffer.len() < whole {
            return Ok(None);
        }
        (self.whole, self.scanned) = (None, 0);
        Ok(Some(self.buffer.split_to(whole).freeze()))
    }

    /// The length of the message at the front; `None` until its header section is complete.
    fn measure(&mut self) -> Result<Option<usize>, Fault> {
        if self.scanned == 0 {
            self.strip_keep_alives();
        }
        let found = find(self.buffer.get(self.scanned..).unwrap_or_default(), END);
        let Some(head) = found.map(|at| at.saturating_add(self.scanned)) else {
            if self.buffer.len() > limits::SIP_MESSAGE_BYTES {
                return Err(unframed(513, "the message is too large"));
            }
            // The last bytes may be the beginning of the end.
            self.scanned = self.buffer.len().saturating_sub(END.len().saturating_sub(1));
            return Ok(None);
        };
        let text = String::from_utf8_lossy(self.buffer.get(..head).unwrap_or_default());
        // The same reading as the message's: what were a header here and none there would smuggle.
        let headers = header_lines(text.split("\r\n").skip(1)).map_err(|f| Fault { unframed: true, ..f })?;
        let body = content_length(&headers)?.ok_or_else(|| unframed(400, "Content-Length is missing on a stream"))?;
        let whole = head.saturating_add(END.len()).saturating_add(body);
        if whole > limits::SIP_MESSAGE_BYTES {
            return Err(unframed(513, "the message is too large"));
        }
        Ok(Some(whole))
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
            if self.buffer.starts_with(END) {
                self.pings = self.pings.saturating_add(1);
                let _ = self.buffer.split_to(4);
            } else if self.buffer.starts_with(b"\r\n") && self.buffer.len() > 2 && self.buffer.get(2) != Some(&b'\r') {
                let _ = self.buffer.split_to(2);
            } else {
                return;
            }
        }
    }
}
