//! The SDP part of a multipart body (RFC 2046), within limits of depth and number.

use crate::find::find;
use bytes::Bytes;

const DEPTH: usize = 2;
const PARTS: usize = 8;

/// The SDP in a body of that type.
pub(crate) fn sdp(kind: &str, body: &Bytes, depth: usize) -> Option<Bytes> {
    let media_type = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type == "application/sdp" {
        return Some(body.clone());
    }
    if !media_type.starts_with("multipart/") || depth >= DEPTH {
        return None;
    }
    let boundary = kind.split(';').skip(1).find_map(|p| {
        let (name, value) = p.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    let delimiter = format!("--{boundary}");
    let mut at = find(body, delimiter.as_bytes())?.checked_add(delimiter.len())?;
    for _ in 0..PARTS {
        let rest = body.get(at..)?;
        if rest.starts_with(b"--") {
            return None;
        }
        let length = find(rest, delimiter.as_bytes())?;
        let part = rest.get(..length)?;
        let head_end = find(part, b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(part.get(..head_end)?).into_owned();
        let kind = head
            .lines()
            .find_map(|l| l.split_once(':').filter(|(n, _)| n.trim().eq_ignore_ascii_case("content-type")))
            .map_or("text/plain", |(_, v)| v.trim());
        let begin = at.checked_add(head_end)?.checked_add(4)?;
        let end = at.checked_add(length)?.checked_sub(2)?.max(begin);
        if let Some(found) = sdp(kind, &body.slice(begin..end), depth.saturating_add(1)) {
            return Some(found);
        }
        at = at.checked_add(length)?.checked_add(delimiter.len())?;
    }
    None
}
