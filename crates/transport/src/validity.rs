//! From when until when a certificate holds (RFC 5280 §4.1.2.5).

use crate::Error;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::path::Path;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The explicit tag of the version, which may be absent.
const VERSION: u8 = 0xa0;

/// The validity of every certificate in a PEM file: first and last second, as Unix time.
///
/// # Errors
/// It cannot be read, or something in it is no certificate.
pub fn certificate_validity(path: &Path) -> Result<Vec<(i64, i64)>, Error> {
    let bad = |why: String| Error::Certificate { path: path.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| bad(error.to_string()))?;
    let read = |certificate: &CertificateDer<'_>| validity(certificate).ok_or_else(|| bad("no certificate".into()));
    chain.iter().map(read).collect()
}

/// The validity in a certificate's DER.
fn validity(der: &[u8]) -> Option<(i64, i64)> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut fields, _) = element(certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        fields = any(fields)?.2;
    }
    // Serial number, algorithm and issuer come before it.
    for _ in 0..3 {
        fields = any(fields)?.2;
    }
    let (times, _) = element(fields, SEQUENCE)?;
    let (kind, from, rest) = any(times)?;
    let from = time(kind, from)?;
    let (kind, until, _) = any(rest)?;
    Some((from, time(kind, until)?))
}

/// The content of an element of this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    any(der).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// Tag and content of the first element (X.690 §8.1), and what follows it.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, first, rest @ ..] = der else { return None };
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (bytes.iter().fold(0, |length: usize, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or, with four digits for the year, a generalized time.
fn time(kind: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = text.split_at_checked(if kind == GENERALIZED_TIME { 4 } else { 2 })?;
    let year: i64 = year.parse().ok()?;
    let year = match kind {
        GENERALIZED_TIME => year,
        UTC_TIME if year >= 50 => 1_900 + year,
        UTC_TIME => 2_000 + year,
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    let seconds = part(4)? * 3_600 + part(6)? * 60 + part(8)?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || seconds >= 90_000 {
        return None;
    }
    // Days since 1970-01-01 in a year that begins in March, so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len() as u16;
        [&[tag, 0x82][..], &length.to_be_bytes(), content].concat()
    }

    fn certificate(from: &str, until: &str) -> Vec<u8> {
        let kind = |text: &str| if text.len() == 13 { UTC_TIME } else { GENERALIZED_TIME };
        let times = [wrapped(kind(from), from.as_bytes()), wrapped(kind(until), until.as_bytes())].concat();
        let fields = [
            wrapped(VERSION, &[2, 1, 2]),
            wrapped(2, &[7]),
            wrapped(SEQUENCE, &[]),
            wrapped(SEQUENCE, &[5, 0]),
            wrapped(SEQUENCE, &times),
            wrapped(SEQUENCE, b"subject"),
        ];
        wrapped(SEQUENCE, &wrapped(SEQUENCE, &fields.concat()))
    }

    #[test]
    fn both_kinds_of_time_are_read() {
        let der = certificate("991231235959Z", "20500101000000Z");
        assert_eq!(validity(&der), Some((946_684_799, 2_524_608_000)));
        assert_eq!(time(UTC_TIME, b"240229120000Z"), Some(1_709_208_000));
        assert_eq!(time(GENERALIZED_TIME, b"19700101000000Z"), Some(0));
    }

    #[test]
    fn what_is_cut_or_flipped_is_no_certificate_and_does_not_panic() {
        let whole = certificate("240101000000Z", "20500101000000Z");
        for end in 0..whole.len() {
            assert_eq!(validity(&whole[..end]), None);
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                let _ = validity(&flipped);
            }
        }
    }
}
