//! Headers of session timers (RFC 4028).

use crate::{number::number, parameters::Parameters};
use std::fmt;

/// Who refreshes: a role in the transaction that carries the header, not in the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// Whoever sent the request.
    Uac,
    /// Whoever answers it.
    Uas,
}

/// Session-Expires (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval, seconds.
    pub seconds: u32,
    /// Who refreshes, if it says.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads the value; `None` if its number cannot be read. Other parameters are ignored.
    pub fn parse(value: &str) -> Option<Self> {
        let read = Parameters::read(value);
        let refresher = match read.get("refresher").map(str::to_ascii_lowercase).as_deref() {
            Some("uac") => Some(Refresher::Uac),
            Some("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Some(Self { seconds: seconds(read.value)?, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

/// Min-SE (RFC 4028 §5): the least interval, seconds; `None` if it cannot be read.
pub fn min_se(value: &str) -> Option<u32> {
    seconds(Parameters::read(value).value)
}

fn seconds(text: &str) -> Option<u32> {
    number(text, u64::from(u32::MAX)).and_then(|n| u32::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_refreshers_are_read_and_written() {
        let uas = SessionExpires { seconds: 1800, refresher: Some(Refresher::Uas) };
        assert_eq!(SessionExpires::parse("1800 ; Refresher = UAS;x=y"), Some(uas));
        assert_eq!(uas.to_string(), "1800;refresher=uas");
        assert_eq!(SessionExpires::parse("90"), Some(SessionExpires { seconds: 90, refresher: None }));
        assert_eq!(min_se("120;x"), Some(120));
        for text in ["", "-1", "+90", "4294967296", "9 0", "x"] {
            assert_eq!((SessionExpires::parse(text), min_se(text)), (None, None), "{text}");
        }
    }
}
