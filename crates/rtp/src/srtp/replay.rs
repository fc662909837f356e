//! Which indices of a source have been seen (RFC 3711 §3.3.2).

/// The last 128 indices of a source.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayWindow {
    highest: Option<u64>,
    /// Bit n: `highest - n` has been seen.
    seen: u128,
}

impl ReplayWindow {
    /// The highest index seen.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Whether an index is new. Changes nothing.
    pub fn is_new(&self, index: u64) -> bool {
        let Some(highest) = self.highest else { return true };
        match highest.checked_sub(index) {
            None => true,
            Some(age) => age < 128 && self.seen & (1 << age) == 0,
        }
    }

    /// Takes note of an authentic packet.
    pub fn note(&mut self, index: u64) {
        let Some(highest) = self.highest else {
            self.highest = Some(index);
            self.seen = 1;
            return;
        };
        if let Some(ahead) = index.checked_sub(highest).filter(|ahead| *ahead > 0) {
            self.seen = u32::try_from(ahead).ok().and_then(|by| self.seen.checked_shl(by)).unwrap_or(0) | 1;
            self.highest = Some(index);
        } else if let Some(age) = highest.checked_sub(index).filter(|age| *age < 128) {
            self.seen |= 1 << age;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ReplayWindow;

    #[test]
    fn each_index_is_new_once_and_never_when_too_old() {
        let mut window = ReplayWindow::default();
        for index in [1_000, 1_001, 1_005, 1_003, 1_132] {
            assert!(window.is_new(index));
            window.note(index);
            assert!(!window.is_new(index));
        }
        assert!(!window.is_new(1_004), "128 behind the highest");
        assert!(!window.is_new(1_005));
        assert!(window.is_new(1_006));
        window.note(u64::MAX);
        assert!(!window.is_new(1_132) && !window.is_new(u64::MAX) && window.is_new(u64::MAX - 1));
    }
}
