//! A header section as lines: unfolded, counted, and how long the body is that follows it.

use crate::{
    address,
    fault::{Fault, fault, unframed},
    header_name::long_name,
    number::number,
};
use trunkline_types::limits;

/// The headers of a header section without its first line.
pub(crate) fn header_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<(String, String)>, Fault> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.len() > limits::SIP_HEADER_BYTES {
            return Err(fault(400, "a header line is too long"));
        }
        if line.contains(['\r', '\n']) {
            // Others take a bare CR or LF for the end of a line, and would read other headers.
            return Err(fault(400, "a header line has a bare CR or LF"));
        }
        if line.starts_with([' ', '\t']) {
            let Some((_, value)) = headers.last_mut() else {
                return Err(fault(400, "the first header line is folded"));
            };
            let folded = trimmed(line);
            if value.len().saturating_add(folded.len()) > limits::SIP_HEADER_BYTES {
                return Err(fault(400, "a header line is too long"));
            }
            if !value.is_empty() && !folded.is_empty() {
                value.push(' ');
            }
            value.push_str(folded);
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| fault(400, "a header line has no colon"))?;
        let name = name.trim_end_matches([' ', '\t']);
        if name.is_empty() || !name.bytes().all(address::is_token) {
            return Err(fault(400, "a header's name is not a token"));
        }
        if headers.len() >= limits::SIP_HEADERS {
            return Err(fault(400, "there are too many headers"));
        }
        headers.push((name.into(), trimmed(value).into()));
    }
    Ok(headers)
}

/// White space of SIP; others' white space is part of the value.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// What Content-Length says, if it is there: for datagrams and streams the same reading.
pub(crate) fn content_length(headers: &[(String, String)]) -> Result<Option<usize>, Fault> {
    let mut length = None;
    for (_, value) in headers.iter().filter(|(n, _)| long_name(n).eq_ignore_ascii_case("Content-Length")) {
        let stated = number(value, u64::MAX)
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| unframed(400, "Content-Length is not a number"))?;
        if length.is_some_and(|held| held != stated) {
            return Err(unframed(400, "two values of Content-Length differ"));
        }
        length = Some(stated);
    }
    Ok(length)
}
