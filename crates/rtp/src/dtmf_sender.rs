//! Sending telephone events (RFC 4733 §2.5): a packet every 20 ms, the end three times.

use std::collections::VecDeque;

/// Packets that say how long the key is held: 13 of 20 ms; the last of them is the first end.
const HELD: u16 = 13;
/// Packets that only repeat the end.
const REPEATED: u16 = 2;
/// Ticks between two digits.
const BETWEEN: u16 = 12;
/// Ticks of a `w`: 500 ms.
const WAIT: u16 = 25;
/// Digits that wait at most.
const WAITING: usize = 64;
/// −10 dBm0.
const VOLUME: u8 = 10;

/// An event packet to be sent instead of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtmfPacket {
    /// The marker bit: set on the first packet of a digit.
    pub marker: bool,
    /// The RTP timestamp, the same for all packets of a digit.
    pub timestamp: u32,
    /// The payload (RFC 4733 §2.3).
    pub payload: [u8; 4],
}

/// What a tick of 20 ms is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtmfTick {
    /// Nothing to send: audio flows.
    Idle,
    /// Between two digits, or a `w`: audio flows, digits still wait.
    Pause,
    /// Send this in place of audio; the stream's timestamp goes on by 20 ms all the same.
    Event(DtmfPacket),
}

#[derive(Clone, Copy, Debug)]
enum Current {
    Digit { code: u8, sent: u16, timestamp: u32 },
    Pause { left: u16 },
}

/// The digits that one leg shall still send.
#[derive(Clone, Debug)]
pub struct DtmfSender {
    /// Samples of 20 ms.
    step: u16,
    waiting: VecDeque<Option<u8>>,
    current: Option<Current>,
}

impl DtmfSender {
    /// A sender for events under an RTP clock of that many Hz, up to 192 kHz. Nothing is allocated
    /// later.
    pub fn new(clock_rate: u32) -> Self {
        Self { step: step(clock_rate), waiting: VecDeque::with_capacity(WAITING), current: None }
    }

    /// The clock is another one from now on; the digits stay.
    pub fn set_clock(&mut self, clock_rate: u32) {
        self.step = step(clock_rate);
    }

    /// Queues digits: `0-9*#A-Da-d` are held for 260 ms, with 240 ms after each; `w` waits for
    /// 500 ms. Other characters are passed over. How many were taken: at most 64 wait.
    pub fn press(&mut self, digits: &str) -> usize {
        let mut taken = 0_usize;
        for digit in digits.chars() {
            if self.waiting.len() >= WAITING {
                break;
            }
            let code = "0123456789*#ABCD".find(digit.to_ascii_uppercase()).and_then(|at| u8::try_from(at).ok());
            if code.is_some() || digit.eq_ignore_ascii_case(&'w') {
                self.waiting.push_back(code);
                taken = taken.saturating_add(1);
            }
        }
        taken
    }

    /// Whether nothing is left to be sent.
    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    /// Forgets all digits.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.current = None;
    }

    /// What to send now; to be called every 20 ms with the stream's timestamp.
    pub fn tick(&mut self, timestamp: u32) -> DtmfTick {
        let current = match (self.current, self.waiting.is_empty()) {
            (Some(current), _) => current,
            (None, true) => return DtmfTick::Idle,
            (None, false) => match self.waiting.pop_front().flatten() {
                Some(code) => Current::Digit { code, sent: 0, timestamp },
                None => Current::Pause { left: WAIT },
            },
        };
        match current {
            Current::Pause { left } => {
                let left = left.saturating_sub(1);
                self.current = (left > 0).then_some(Current::Pause { left });
                DtmfTick::Pause
            }
            Current::Digit { code, sent, timestamp } => {
                let now = sent.saturating_add(1);
                self.current = Some(if now < HELD + REPEATED {
                    Current::Digit { code, sent: now, timestamp }
                } else {
                    Current::Pause { left: BETWEEN }
                });
                let [d0, d1] = now.min(HELD).saturating_mul(self.step).to_be_bytes();
                let end = u8::from(now >= HELD) << 7;
                DtmfTick::Event(DtmfPacket { marker: now == 1, timestamp, payload: [code, end | VOLUME, d0, d1] })
            }
        }
    }
}

fn step(clock_rate: u32) -> u16 {
    u16::try_from(clock_rate.min(192_000) / 50).unwrap_or(160)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DtmfReceiver, digit_of};

    fn run(sender: &mut DtmfSender, step: u32) -> Vec<DtmfTick> {
        let mut ticks = Vec::new();
        let mut timestamp = u32::MAX - 1_000;
        while !sender.is_idle() {
            ticks.push(sender.tick(timestamp));
            timestamp = timestamp.wrapping_add(step);
        }
        ticks
    }

    #[test]
    fn a_digit_is_thirteen_packets_and_two_more_ends() {
        let mut sender = DtmfSender::new(8_000);
        assert_eq!(sender.tick(0), DtmfTick::Idle);
        assert_eq!(sender.press("5"), 1);
        let ticks = run(&mut sender, 160);
        let events: Vec<_> =
            ticks.iter().filter_map(|t| if let DtmfTick::Event(packet) = t { Some(*packet) } else { None }).collect();
        assert_eq!(events.len(), 15);
        assert_eq!(ticks.len(), 15 + 12);
        for (n, packet) in events.iter().enumerate() {
            assert_eq!(packet.timestamp, u32::MAX - 1_000);
            assert_eq!(packet.marker, n == 0);
            let duration = (n as u16 + 1).min(13) * 160;
            let end = if n >= 12 { 0x80 } else { 0 };
            assert_eq!(packet.payload, [5, end | 10, (duration >> 8) as u8, duration as u8]);
        }
        assert_eq!(sender.tick(0), DtmfTick::Idle);
    }

    #[test]
    fn a_receiver_hears_what_was_pressed_with_the_pauses_between() {
        let mut sender = DtmfSender::new(48_000);
        assert_eq!(sender.press("1w*?dD#"), 6);
        let mut receiver = DtmfReceiver::default();
        let mut heard = String::new();
        let ticks = run(&mut sender, 960);
        for tick in &ticks {
            if let DtmfTick::Event(packet) = tick {
                heard.extend(receiver.receive(packet.timestamp, &packet.payload).and_then(digit_of));
            }
        }
        assert_eq!(heard, "1*DD#");
        assert_eq!(ticks.len(), 5 * 27 + 25);
    }

    #[test]
    fn so_many_digits_wait_and_no_more() {
        let mut sender = DtmfSender::new(8_000);
        assert_eq!(sender.press(&"1".repeat(100)), 64);
        assert_eq!(sender.press("2"), 0);
        sender.clear();
        assert!(sender.is_idle());
    }
}
