//! The Reason header (RFC 3326).

use crate::{Message, address::split_list, number::number, parameters::Parameters};
use std::fmt;

/// Values looked at.
const MOST: usize = 16;

/// One value: why a request was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850` or another, as written.
    pub protocol: String,
    /// A SIP status or a Q.850 cause.
    pub cause: Option<u16>,
    /// For humans.
    pub text: Option<String>,
}

impl Reason {
    /// All values of one header line; at most 16.
    pub fn parse(value: &str) -> Vec<Self> {
        let values = split_list(value).into_iter().filter(|v| !v.is_empty()).take(MOST);
        values
            .map(|value| {
                let read = Parameters::read(value);
                let cause = read.get("cause").and_then(|c| number(c, u64::from(u16::MAX)));
                Self {
                    protocol: read.value.to_owned(),
                    cause: cause.and_then(|c| u16::try_from(c).ok()),
                    text: read.get("text").map(crate::address::unquoted),
                }
            })
            .collect()
    }

    /// All values of a message.
    pub fn of(message: &Message) -> Vec<Self> {
        message.find("Reason").take(MOST).flat_map(Self::parse).take(MOST).collect()
    }

    /// Of the protocol of this name, without case.
    pub fn is(&self, protocol: &str) -> bool {
        self.protocol.eq_ignore_ascii_case(protocol)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        let Some(text) = &self.text else { return Ok(()) };
        f.write_str(";text=\"")?;
        for c in text.chars().filter(|c| !c.is_control()) {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_with_commas_and_quotes_are_read() {
        let text = r#"SIP ;cause=200 ;text="Call completed, \"elsewhere\"; really", q.850;cause=16"#;
        let read = Reason::parse(text);
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].protocol.as_str(), read[0].cause), ("SIP", Some(200)));
        assert_eq!(read[0].text.as_deref(), Some("Call completed, \"elsewhere\"; really"));
        assert!(read[1].is("Q.850") && read[1].cause == Some(16) && read[1].text.is_none());
        assert_eq!(Reason::parse(&read[0].to_string()), read[..1]);
    }

    #[test]
    fn odd_values_are_no_harm() {
        assert!(Reason::parse("").is_empty());
        assert_eq!(Reason::parse("X;cause=99999999999")[0].cause, None);
        assert_eq!(Reason::parse(&"SIP;cause=1,".repeat(100)).len(), MOST);
        let split = Reason { protocol: "SIP".into(), cause: None, text: Some("a\r\nVia: b".into()) };
        assert_eq!(split.to_string(), "SIP;text=\"aVia: b\"");
    }
}
