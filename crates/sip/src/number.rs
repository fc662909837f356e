//! Numbers of headers: digits only, and within their range.

/// The value of `text` if it is digits and not above `most`. Leading zeros are legal (RFC 4475
/// §3.1.1.1); signs, spaces and digits of other scripts are not.
pub(crate) fn number(text: &str, most: u64) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|n| *n <= most)
}

/// A port: 1 to 65535.
pub(crate) fn port(text: &str) -> Option<u16> {
    number(text, 65_535).and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0)
}
