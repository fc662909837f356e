//! `a=crypto` (RFC 4568): key and salt of SRTP inside the description.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use std::fmt;

/// Some peers leave the padding away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Lines of one m-line that are looked at.
pub(crate) const LINES: usize = 16;
/// The longest key identifier we can carry, bytes.
const MKI_BYTES: u8 = 8;

/// The suites we speak, the preferred one first, and the bytes of key and salt (RFC 4568 §6.2,
/// RFC 6188 §4, RFC 7714 §14.2). The order is LiveKit's; it has no GCM.
pub(crate) const SUITES: [(&str, usize); 6] = [
    ("AES_CM_128_HMAC_SHA1_80", 30),
    ("AES_CM_128_HMAC_SHA1_32", 30),
    ("AES_256_CM_HMAC_SHA1_80", 46),
    ("AES_256_CM_HMAC_SHA1_32", 46),
    ("AEAD_AES_128_GCM", 28),
    ("AEAD_AES_256_GCM", 44),
];

/// One usable `a=crypto` line. Its `Debug` does not show the key.
#[derive(Clone, PartialEq, Eq)]
pub struct CryptoLine {
    /// Tag, by which an answer names the line it has picked.
    pub tag: u32,
    /// Name of the suite, as it was written.
    pub suite: String,
    /// Master key and master salt.
    pub key: Vec<u8>,
    /// The master key identifier that packets under this key carry; empty for none.
    pub mki: Vec<u8>,
}

impl fmt::Debug for CryptoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoLine").field("tag", &self.tag).field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl CryptoLine {
    /// Reads the value of the attribute; `None` for a line we cannot serve: several keys, session
    /// parameters (which an end that does not know them must not accept, RFC 4568 §6.3), an
    /// identifier of more than eight bytes.
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split_whitespace();
        let (tag, suite, parameters) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || tag.len() > 9 || !tag.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (method, key) = parameters.split_once(':')?;
        if !method.eq_ignore_ascii_case("inline") || key.contains(';') {
            return None;
        }
        let mut key = key.split('|');
        let line = Self {
            tag: tag.parse().ok()?,
            suite: suite.into(),
            key: BASE64.decode(key.next()?).ok()?,
            mki: Vec::new(),
        };
        match (key.next(), key.next(), key.next()) {
            (None, ..) => Some(line),
            (Some(one), None, _) if one.contains(':') => Some(Self { mki: mki(one)?, ..line }),
            (Some(one), None, _) => is_lifetime(one).then_some(line),
            (Some(one), Some(two), None) if is_lifetime(one) => Some(Self { mki: mki(two)?, ..line }),
            _ => None,
        }
    }

    /// The value of the attribute.
    pub fn print(&self) -> String {
        let key = BASE64.encode(&self.key);
        if self.mki.is_empty() {
            return format!("{} {} inline:{key}", self.tag, self.suite);
        }
        let value = self.mki.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        format!("{} {} inline:{key}|{value}:{}", self.tag, self.suite, self.mki.len())
    }

    /// The place among our suites and its name, when we speak it and the key has its length.
    pub(crate) fn known(&self) -> Option<(usize, &'static str)> {
        let at = SUITES.iter().position(|(name, _)| name.eq_ignore_ascii_case(&self.suite))?;
        let (name, bytes) = SUITES.get(at)?;
        (self.key.len() == *bytes).then_some((at, name))
    }
}

/// `2^n` or a number of packets: read and let go, as the end that made the key keeps to it.
fn is_lifetime(text: &str) -> bool {
    let digits = text.strip_prefix("2^").unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn mki(text: &str) -> Option<Vec<u8>> {
    let (value, length) = text.split_once(':')?;
    let length = length.parse::<u8>().ok().filter(|length| (1..=MKI_BYTES).contains(length))?;
    let bytes = value.parse::<u64>().ok()?.to_be_bytes();
    let (unused, used) = bytes.split_at_checked(bytes.len().checked_sub(length.into())?)?;
    unused.iter().all(|byte| *byte == 0).then(|| used.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    #[test]
    fn the_lines_of_the_rfc_and_their_variants_are_read() {
        let whole = CryptoLine::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4")).unwrap();
        assert_eq!((whole.tag, whole.key.len(), &whole.mki[..]), (1, 30, &[0, 0, 0, 1][..]));
        assert_eq!(whole.known(), Some((0, "AES_CM_128_HMAC_SHA1_80")));
        assert_eq!(CryptoLine::parse(&whole.print()), Some(whole.clone()));
        for tail in ["", "|2^31", "|1048576"] {
            let line = CryptoLine::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 INLINE:{KEY}{tail}")).unwrap();
            assert_eq!((line.key, line.mki), (whole.key.clone(), Vec::new()));
        }
        assert!(!format!("{whole:?}").contains("key"));
    }

    #[test]
    fn padding_may_be_missing() {
        for key in ["A".repeat(59) + "=", "A".repeat(62) + "==", "A".repeat(62)] {
            let line = CryptoLine::parse(&format!("3 AES_256_CM_HMAC_SHA1_80 inline:{key}"));
            assert_eq!(line.is_some_and(|l| l.known().is_some()), key.len() >= 62, "{key}");
        }
    }

    #[test]
    fn what_we_cannot_serve_is_passed_over() {
        for value in [
            "",
            "1 AES_CM_128_HMAC_SHA1_80",
            "x AES_CM_128_HMAC_SHA1_80 inline:KEY",
            "1234567890 AES_CM_128_HMAC_SHA1_80 inline:KEY",
            "1 AES_CM_128_HMAC_SHA1_80 uri:KEY",
            "1 AES_CM_128_HMAC_SHA1_80 inline:!!!",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY UNENCRYPTED_SRTP",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY;inline:KEY",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:9",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|256:1",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|1:4|2^20",
        ] {
            assert_eq!(CryptoLine::parse(&value.replace("KEY", KEY)), None, "{value}");
        }
        let short = CryptoLine::parse("1 AES_CM_128_HMAC_SHA1_80 inline:AAAA").unwrap();
        assert_eq!(short.known(), None);
        let strange = CryptoLine::parse(&format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}")).unwrap();
        assert_eq!(strange.known(), None);
    }
}
