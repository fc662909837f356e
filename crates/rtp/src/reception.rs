//! What is received of one source: loss and jitter (RFC 3550 appendix A).

/// Statistics of one source.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    base: Option<u32>,
    highest: u32,
    /// Packets received.
    pub received: u64,
    transit: Option<i64>,
    jitter: f64,
    /// Packets expected and received when the last fraction was taken.
    reported: (u64, u64),
}

impl Reception {
    /// Takes note of a packet; `arrival` in units of the RTP clock.
    pub fn packet(&mut self, sequence: u16, timestamp: u32, arrival: u32) {
        let extended = match self.base {
            None => u32::from(sequence),
            Some(_) => {
                let delta = sequence.wrapping_sub(self.highest as u16) as i16;
                self.highest.saturating_add_signed(delta.into())
            }
        };
        if self.base.is_none() {
            self.base = Some(extended);
        }
        self.highest = self.highest.max(extended);
        self.received = self.received.saturating_add(1);
        let transit = i64::from(arrival.wrapping_sub(timestamp) as i32);
        if let Some(before) = self.transit.replace(transit) {
            let difference = transit.saturating_sub(before).unsigned_abs() as f64;
            self.jitter += (difference - self.jitter) / 16.0;
        }
    }

    /// Another codec counts time differently: the next packet is compared with none before it.
    pub fn clock_changed(&mut self) {
        self.transit = None;
    }

    /// Packets that never came.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    fn expected(&self) -> u64 {
        self.base.map_or(0, |base| u64::from(self.highest.saturating_sub(base)).saturating_add(1))
    }

    /// The share of packets lost since the last call, in 256ths (RFC 3550 appendix A.3).
    pub fn fraction_lost(&mut self) -> u8 {
        let now = (self.expected(), self.received);
        let (expected_before, received_before) = std::mem::replace(&mut self.reported, now);
        let expected = now.0.saturating_sub(expected_before);
        let lost = expected.saturating_sub(now.1.saturating_sub(received_before));
        let fraction = lost.saturating_mul(256).checked_div(expected).unwrap_or(0);
        u8::try_from(fraction).unwrap_or(u8::MAX)
    }

    /// Interarrival jitter in units of the RTP clock.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// The highest sequence number, extended.
    pub fn highest(&self) -> u32 {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn losses_are_counted_across_the_wrap() {
        let mut reception = super::Reception::default();
        for (n, sequence) in [65_533u16, 65_534, 0, 1, 3].into_iter().enumerate() {
            reception.packet(sequence, n as u32 * 160, n as u32 * 160);
        }
        assert_eq!(reception.lost(), 2);
        assert!(reception.jitter().abs() < f64::EPSILON);
    }

    #[test]
    fn the_fraction_is_that_of_the_interval() {
        let mut reception = super::Reception::default();
        assert_eq!(reception.fraction_lost(), 0);
        for sequence in (0..100).filter(|n| n % 4 != 1) {
            reception.packet(sequence, 0, 0);
        }
        assert_eq!(reception.fraction_lost(), 64);
        for sequence in 100..200 {
            reception.packet(sequence, 0, 0);
        }
        assert_eq!(reception.fraction_lost(), 0);
        reception.packet(9_999, 0, 0);
        assert_eq!(reception.fraction_lost(), 255);
    }
}
