//! The one place that builds custom headers for a message of ours, and writes their receipts.
//!
//! Which message carries what: the 200 to INVITE the trunk's `headers` and the mapped attributes;
//! our BYE and CANCEL the mapped attributes; the 200 to the far end's BYE the mapped attributes if the
//! options say so; a REFER the mapped attributes and the headers given with the transfer; our BYE,
//! CANCEL and a refusal also the headers given with `lk.sip.EndCall`. An explicit header wins over a mapped attribute, which wins over a trunk's own
//! header; names compare without case; the order is that of the attribute names.

use crate::{
    Facts,
    record::{Delivery, Receipt},
};
use std::borrow::Cow;
use trunkline_sip::HeaderList;
use trunkline_types::{Time, is_reserved_header, limits};

/// A message of ours that carries custom headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// 200 to the INVITE.
    Answer,
    /// Our BYE.
    Bye,
    /// 200 to the far end's BYE.
    AnswerToBye,
    /// A final refusal of the INVITE.
    Refusal,
    /// CANCEL of our INVITE.
    Cancel,
    /// REFER.
    Refer,
}

impl Carrier {
    /// As receipts name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "200",
            Self::Bye => "BYE",
            Self::AnswerToBye => "200 to BYE",
            Self::Refusal => "refusal",
            Self::Cancel => "CANCEL",
            Self::Refer => "REFER",
        }
    }
}

/// Builds the custom headers of `carrier` from the facts of this moment. With `send` false nothing
/// is built and the receipts say why not.
pub(crate) fn build(facts: &mut Facts, carrier: Carrier, send: Result<(), &str>, now: Time) -> HeaderList {
    let mut headers: HeaderList = Vec::new();
    let own = facts.record.receipts.len();
    if carrier == Carrier::Answer {
        for (name, value) in &facts.setup.answer_headers {
            if !is_reserved_header(name) {
                headers.push((name.clone(), value.clone()));
            }
        }
    }
    let mapped = match carrier {
        Carrier::Refusal => Default::default(),
        Carrier::Answer | Carrier::Bye | Carrier::AnswerToBye | Carrier::Refer | Carrier::Cancel => {
            facts.setup.attributes_to_headers.clone()
        }
    };
    for (attribute, header) in mapped {
        let Some(held) = facts.attributes.get(&attribute) else { continue };
        let cleaned = clean(&held.value);
        let delivery = match (send, &cleaned) {
            (Err(why), _) => Delivery::NotSent { why: why.into() },
            _ if is_reserved_header(&header) => {
                Delivery::NotSent { why: format!("{header} belongs to the dialog and cannot be a mapping's target") }
            }
            _ if header.len() + cleaned.len() + 4 > limits::SIP_HEADER_BYTES => {
                Delivery::NotSent { why: format!("longer than a header line of {} bytes", limits::SIP_HEADER_BYTES) }
            }
            (Ok(()), Cow::Borrowed(_)) => Delivery::Sent,
            (Ok(()), Cow::Owned(_)) => Delivery::Changed { how: how_cleaned(&held.value) },
        };
        let sent = !matches!(delivery, Delivery::NotSent { .. });
        if sent {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&header));
            headers.push((header.clone(), cleaned.clone().into_owned()));
        }
        facts.record.receipts.push(Receipt {
            attribute,
            header,
            value: cleaned.into_owned(),
            set_at_ms: held.set_at.unix_millis(),
            message: carrier.as_str().into(),
            sent_at_ms: sent.then(|| now.unix_millis()),
            acknowledged_by: None,
            acknowledged_at_ms: None,
            delivery,
        });
    }
    if matches!(carrier, Carrier::Bye | Carrier::Refusal | Carrier::Refer | Carrier::Cancel) {
        add_explicit(facts, carrier, own, &mut headers, now);
    }
    headers
}

/// Headers that somebody gave for this very message, whose receipts begin at `own`; they were
/// validated when they came.
fn add_explicit(facts: &mut Facts, carrier: Carrier, own: usize, headers: &mut HeaderList, now: Time) {
    for (header, value) in std::mem::take(&mut facts.last_headers) {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&header));
        let mut index = 0;
        facts.record.receipts.retain(|receipt| {
            index += 1;
            index <= own || !receipt.header.eq_ignore_ascii_case(&header)
        });
        facts.record.receipts.push(Receipt {
            attribute: String::new(),
            header: header.clone(),
            value: value.clone(),
            set_at_ms: now.unix_millis(),
            message: carrier.as_str().into(),
            sent_at_ms: Some(now.unix_millis()),
            acknowledged_by: None,
            acknowledged_at_ms: None,
            delivery: Delivery::Sent,
        });
        headers.push((header, value));
    }
}

/// Writes the acknowledgement of `carrier` into its receipts: `status` 0 for an ACK.
pub(crate) fn acknowledged(facts: &mut Facts, carrier: Carrier, status: u16, now: Time) {
    for receipt in &mut facts.record.receipts {
        if receipt.message == carrier.as_str() && receipt.sent_at_ms.is_some() && receipt.acknowledged_by.is_none() {
            receipt.acknowledged_by = Some(status);
            receipt.acknowledged_at_ms = Some(now.unix_millis());
        }
    }
}

/// An attribute's value as a header can carry it: each run of line breaks, with the white space
/// around it, becomes one space; other control characters but the tab go.
fn clean(value: &str) -> Cow<'_, str> {
    if !value.chars().any(|c| c.is_control() && c != '\t') && value.trim() == value {
        return Cow::Borrowed(value);
    }
    let mut text = String::with_capacity(value.len());
    let mut rest = value.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\r' || c == '\n' {
            text.truncate(text.trim_end_matches([' ', '\t']).len());
            while rest.next_if(|next| matches!(next, '\r' | '\n' | ' ' | '\t')).is_some() {}
            text.push(' ');
        } else if !c.is_control() || c == '\t' {
            text.push(c);
        }
    }
    Cow::Owned(text.trim().to_owned())
}

/// What [`clean`] did to a value, for its receipt.
fn how_cleaned(value: &str) -> String {
    let mut done = Vec::new();
    if value.contains(['\r', '\n']) {
        done.push("line breaks and the white space around them became one space");
    }
    if value.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\r' | '\n')) {
        done.push("control characters were dropped");
    }
    if value.trim() != value {
        done.push("white space at the ends was cut");
    }
    done.join("; ")
}

#[cfg(test)]
mod tests {
    use super::{clean, how_cleaned};
    use std::borrow::Cow;

    #[test]
    fn a_value_without_line_breaks_is_left_alone() {
        for value in ["", "SKILL_TRANSFER", "{\"a\":1,\"b\":\"c;d, e\"}", "a\tb", "grün %0A"] {
            assert!(matches!(clean(value), Cow::Borrowed(v) if v == value), "{value}");
        }
    }

    #[test]
    fn pretty_printed_json_becomes_one_line() {
        assert_eq!(clean("{\n  \"a\": 1,\r\n  \"b\": 2\n}"), "{ \"a\": 1, \"b\": 2 }");
        assert_eq!(clean("a\u{0}b\u{7f}c"), "abc");
        assert_eq!(clean("a\r\nVia: evil"), "a Via: evil");
    }

    #[test]
    fn the_receipt_says_what_was_done() {
        assert_eq!(how_cleaned("a\n b"), "line breaks and the white space around them became one space");
        assert_eq!(how_cleaned("a\u{0}b"), "control characters were dropped");
        assert_eq!(how_cleaned(" a"), "white space at the ends was cut");
    }
}
