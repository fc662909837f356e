//! The digits of a pin as they come in. They are shown to nobody.

use std::{fmt, time::Duration};
use trunkline_types::{Pii, RoomSid, limits};

/// How a pin is asked for.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// How long the caller may think about the next digit.
    pub timeout: Duration,
    /// How often it may be entered.
    pub tries: u8,
    /// Where media keeps the leg until the caller has a room: no room of anybody's.
    pub lobby: RoomSid,
}

/// What has been entered so far.
#[derive(Default)]
pub(crate) struct Entry {
    digits: String,
    too_long: bool,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry")
    }
}

/// What was submitted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Submitted {
    /// A pin to be looked up; empty for `#` alone.
    Pin(Pii<String>),
    /// More digits than any pin has.
    TooLong,
}

impl Entry {
    /// Takes a key; `#` submits.
    pub(crate) fn key(&mut self, key: char) -> Option<Submitted> {
        if key == '#' {
            let entered = std::mem::take(self);
            return Some(match entered.too_long {
                true => Submitted::TooLong,
                false => Submitted::Pin(Pii(entered.digits)),
            });
        }
        if self.digits.len() >= limits::PIN_DIGITS {
            self.too_long = true;
        } else {
            self.digits.push(key);
        }
        None
    }

    /// Forgets what was entered.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(keys: &str) -> Option<Submitted> {
        let mut entry = Entry::default();
        keys.chars().fold(None, |last, key| entry.key(key).or(last))
    }

    #[test]
    fn hash_submits_what_was_entered() {
        assert_eq!(enter("1234"), None);
        assert_eq!(enter("1234#"), Some(Submitted::Pin(Pii("1234".into()))));
        assert_eq!(enter("#"), Some(Submitted::Pin(Pii(String::new()))));
        assert_eq!(enter("12#34#"), Some(Submitted::Pin(Pii("34".into()))));
    }

    #[test]
    fn sixteen_digits_are_a_pin_and_seventeen_are_none() {
        assert_eq!(enter("1234567890123456#"), Some(Submitted::Pin(Pii("1234567890123456".into()))));
        assert_eq!(enter("12345678901234567#"), Some(Submitted::TooLong));
        assert_eq!(enter("12345678901234567#1#"), Some(Submitted::Pin(Pii("1".into()))));
    }

    #[test]
    fn what_was_entered_is_not_shown() {
        let (mut entry, mut other) = (Entry::default(), Entry::default());
        entry.key('7');
        other.key('7');
        assert!(!format!("{other:?} {:?}", entry.key('#')).contains('7'));
    }
}
