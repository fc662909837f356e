//! Telephone events (RFC 4733): one digit per RTP timestamp, whatever is lost or late.

/// Receives events of one leg.
#[derive(Debug, Default)]
pub struct DtmfReceiver {
    recent: [Option<u32>; 4],
    next: usize,
}

impl DtmfReceiver {
    /// Takes the payload of an event packet; the event code the first time its timestamp is seen.
    pub fn receive(&mut self, timestamp: u32, payload: &[u8]) -> Option<u8> {
        let [code, _, _, _, ..] = payload else { return None };
        // A late packet of the digit before must not fire it again.
        if self.recent.contains(&Some(timestamp)) {
            return None;
        }
        if let Some(slot) = self.recent.get_mut(self.next) {
            *slot = Some(timestamp);
        }
        self.next = self.next.wrapping_add(1) % self.recent.len();
        Some(*code)
    }
}

/// The digit of an event code; `None` for flash (16) and what is no key.
pub fn digit_of(code: u8) -> Option<char> {
    b"0123456789*#ABCD".get(usize::from(code)).map(|digit| char::from(*digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_tail_never_fires_again() {
        let mut receiver = DtmfReceiver::default();
        let event = |code| [code, 0x80, 0, 160];
        assert_eq!(receiver.receive(100, &event(5)), Some(5));
        assert_eq!(receiver.receive(100, &event(5)), None);
        assert_eq!(receiver.receive(900, &event(6)), Some(6));
        assert_eq!(receiver.receive(100, &event(5)), None);
        assert_eq!(receiver.receive(1_700, &[1, 2]), None);
        assert_eq!((digit_of(10), digit_of(15), digit_of(16)), (Some('*'), Some('D'), None));
    }
}
