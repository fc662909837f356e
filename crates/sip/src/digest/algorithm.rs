//! Hashes and header syntax that both roles share (RFC 7616 §3.3, RFC 8760 §2).

use crate::address::split_list;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use std::{collections::BTreeMap, fmt::Write};

/// The stronger is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Algorithm {
    Md5,
    Sha256,
    Sha512_256,
}

impl Algorithm {
    /// By its token, without case; an empty one is MD5. The second value is whether it is the
    /// `-sess` form.
    pub(super) fn by_name(name: &str) -> Option<(Self, bool)> {
        let upper = name.to_ascii_uppercase();
        let (base, session) = upper.strip_suffix("-SESS").map_or((upper.as_str(), false), |base| (base, true));
        let algorithm = match base {
            "" | "MD5" => Self::Md5,
            "SHA-256" => Self::Sha256,
            "SHA-512-256" => Self::Sha512_256,
            _ => return None,
        };
        Some((algorithm, session))
    }

    pub(super) fn hash(self, text: impl AsRef<[u8]>) -> String {
        match self {
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Sha512_256 => hex(&Sha512_256::digest(text)),
            Self::Md5 => hex(&Md5::digest(text)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What stands between the quotes of a quoted string, or the token itself.
pub(super) fn inner(value: &str) -> &str {
    let value = value.trim();
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value)
}

/// Escapes undone.
pub(super) fn unescaped(inner: &str) -> String {
    let mut plain = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        plain.extend(if c == '\\' { rest.next() } else { Some(c) });
    }
    plain
}

/// Escapes done.
pub(super) fn escaped(plain: &str) -> String {
    let mut text = String::with_capacity(plain.len());
    for c in plain.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// The parameters of every `Digest` entry of a header line: names lower-cased, values as they stand
/// between their quotes. Entries of other schemes are left out.
pub(super) fn entries(line: &str) -> Vec<BTreeMap<String, String>> {
    let mut found: Vec<(bool, BTreeMap<String, String>)> = Vec::new();
    for part in split_list(line) {
        // `Scheme name=value` begins an entry, `name=value` goes on with it.
        let head = part.split('=').next().unwrap_or_default().trim_end();
        let parameter = match head.split_once([' ', '\t']) {
            Some((scheme, _)) => {
                found.push((scheme.eq_ignore_ascii_case("Digest"), BTreeMap::new()));
                part.get(scheme.len()..).unwrap_or_default()
            }
            None => part,
        };
        if let (Some((_, entry)), Some((name, value))) = (found.last_mut(), parameter.split_once('=')) {
            entry.entry(name.trim().to_ascii_lowercase()).or_insert_with(|| inner(value).to_owned());
        }
    }
    found.into_iter().filter_map(|(is_digest, entry)| is_digest.then_some(entry)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_apart_and_quotes_hold_commas() {
        let line = r#"Digest realm="a \"q\", b", qop="auth,auth-int", Basic realm="x", digest realm=y, stale=TRUE"#;
        let read = entries(line);
        assert_eq!(read.len(), 2);
        assert_eq!(read[0]["realm"], r#"a \"q\", b"#);
        assert_eq!(unescaped(&read[0]["realm"]), r#"a "q", b"#);
        assert_eq!(read[0]["qop"], "auth,auth-int");
        assert_eq!((read[1]["realm"].as_str(), read[1]["stale"].as_str()), ("y", "TRUE"));
        for odd in ["", ",", "Digest", "=", "Digest =", "Digest \u{fc}=\"", "x=y"] {
            assert!(entries(odd).iter().all(|e| e.values().all(|v| v.len() < 8)), "{odd}");
        }
    }
}
