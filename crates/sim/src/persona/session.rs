//! Session descriptions of a persona: what the other side wants, and what it is told.

use crate::callers::Codec;
use std::net::{IpAddr, SocketAddr};

/// The suite a persona encrypts with.
pub(crate) const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
/// The payload type under which a persona offers telephone events.
const EVENT: u8 = 101;

/// What the other side has said of its audio.
#[derive(Clone, Debug, Default)]
pub(crate) struct Described {
    /// Where it wants RTP; `None` for nowhere.
    pub(crate) address: Option<SocketAddr>,
    /// The codecs a persona knows, in the order given, with their numbers.
    pub(crate) codecs: Vec<(u8, Codec)>,
    pub(crate) event: Option<u8>,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub(crate) direction: String,
    /// The tag and the key of the suite we know.
    pub(crate) crypto: Option<(String, Vec<u8>)>,
    /// The `m=` lines, of which that many come before the one that is meant.
    media: Vec<String>,
    chosen: usize,
}

/// Reads a description; of several audio lines the first that can be used.
pub(crate) fn read(body: &str, encrypts: bool) -> Option<Described> {
    let lines: Vec<&str> = body.lines().map(str::trim_end).collect();
    let begins: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("m=")).collect();
    let media: Vec<String> = begins.iter().map(|at| lines[*at].to_owned()).collect();
    let session = &lines[..*begins.first()?];
    for (chosen, begin) in begins.iter().enumerate() {
        let end = begins.get(chosen + 1).copied().unwrap_or(lines.len());
        if let Some(mut found) = section(session, &lines[*begin..end], encrypts) {
            (found.media, found.chosen) = (media, chosen);
            return Some(found);
        }
    }
    None
}

fn section(session: &[&str], lines: &[&str], encrypts: bool) -> Option<Described> {
    let mut parts = lines.first()?.strip_prefix("m=audio ")?.split(' ');
    let port: u16 = parts.next()?.parse().ok()?;
    let is_secure = parts.next()?.starts_with("RTP/SAVP");
    let numbers: Vec<u8> = parts.filter_map(|n| n.parse().ok()).collect();
    let crypto = lines.iter().find_map(|line| {
        let mut parts = line.strip_prefix("a=crypto:")?.split(' ');
        let (tag, suite, key) = (parts.next()?, parts.next()?, parts.next()?);
        let key = key.strip_prefix("inline:")?.split('|').next()?;
        let key = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, key).ok()?;
        (suite == SUITE).then(|| (tag.to_owned(), key))
    });
    if port == 0 || (is_secure && (crypto.is_none() || !encrypts)) {
        return None;
    }
    let ip = |lines: &[&str]| -> Option<IpAddr> {
        lines.iter().find_map(|l| l.strip_prefix("c=IN IP4 ").or(l.strip_prefix("c=IN IP6 "))?.parse().ok())
    };
    let ip = ip(lines).or_else(|| ip(session))?;
    let map = |number: u8| {
        lines.iter().find_map(|line| {
            let (held, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            (held.parse() == Ok(number)).then(|| name.to_ascii_lowercase())
        })
    };
    let codec = |number: u8| match (map(number).as_deref(), number) {
        (Some("pcmu/8000"), _) | (None, 0) => Some(Codec::Pcmu),
        (Some("pcma/8000"), _) | (None, 8) => Some(Codec::Pcma),
        (Some("g722/8000"), _) | (None, 9) => Some(Codec::G722),
        (Some("opus/48000/2"), _) => Some(Codec::Opus),
        _ => None,
    };
    let directions = ["sendrecv", "sendonly", "recvonly", "inactive"];
    let direction = |lines: &[&str]| {
        lines.iter().find_map(|l| l.strip_prefix("a=").filter(|d| directions.contains(d)).map(str::to_owned))
    };
    Some(Described {
        address: (!ip.is_unspecified()).then(|| SocketAddr::new(ip, port)),
        codecs: numbers.iter().filter_map(|n| Some((*n, codec(*n)?))).collect(),
        event: numbers.iter().copied().find(|n| map(*n).is_some_and(|name| name.starts_with("telephone-event/"))),
        direction: direction(lines).or_else(|| direction(session)).unwrap_or_else(|| "sendrecv".into()),
        crypto: crypto.filter(|_| is_secure),
        ..Described::default()
    })
}

/// What a persona says of itself.
pub(crate) struct Own<'a> {
    pub(crate) rtp: SocketAddr,
    pub(crate) version: u32,
    pub(crate) direction: &'a str,
    /// The key of SRTP, if it is spoken.
    pub(crate) key: Option<&'a [u8]>,
}

impl Own<'_> {
    fn head(&self) -> String {
        let ip = self.rtp.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let (id, version) = (self.rtp.port(), self.version);
        format!("v=0\r\no=persona {id} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n")
    }

    fn tail(&self, tag: &str) -> String {
        let crypto = self.key.map_or_else(String::new, |key| {
            let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key);
            format!("a=crypto:{tag} {SUITE} inline:{key}\r\n")
        });
        format!("a=ptime:20\r\n{crypto}a={}\r\n", self.direction)
    }

    /// An offer of these codecs.
    pub(crate) fn offer(&self, codecs: &[Codec]) -> String {
        let profile = if self.key.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
        let mut text = format!("{}m=audio {} {profile}", self.head(), self.rtp.port());
        for codec in codecs {
            text.push_str(&format!(" {}", codec.payload_type()));
        }
        text.push_str(&format!(" {EVENT}\r\n"));
        for codec in codecs {
            text.push_str(&rtpmap(codec.payload_type(), *codec));
        }
        text.push_str(&format!("a=rtpmap:{EVENT} telephone-event/8000\r\na=fmtp:{EVENT} 0-15\r\n"));
        text + &self.tail("1")
    }

    /// An answer with one codec of the offer.
    pub(crate) fn answer(&self, offer: &Described, number: u8, codec: Codec) -> String {
        let mut text = self.head();
        for (at, line) in offer.media.iter().enumerate() {
            let mut parts = line.split(' ');
            let (kind, _, profile) = (parts.next().unwrap_or_default(), parts.next(), parts.next().unwrap_or_default());
            if at != offer.chosen {
                text.push_str(&format!("{kind} 0 {profile} {}\r\n", parts.next().unwrap_or("0")));
                continue;
            }
            let event = offer.event.map_or_else(String::new, |event| format!(" {event}"));
            text.push_str(&format!(
                "{kind} {} {profile} {number}{event}\r\n{}",
                self.rtp.port(),
                rtpmap(number, codec)
            ));
            if let Some(event) = offer.event {
                let clock = if codec == Codec::Opus { "48000" } else { "8000" };
                text.push_str(&format!("a=rtpmap:{event} telephone-event/{clock}\r\na=fmtp:{event} 0-15\r\n"));
            }
            text.push_str(&self.tail(offer.crypto.as_ref().map_or("1", |(tag, _)| tag)));
        }
        text
    }
}

fn rtpmap(number: u8, codec: Codec) -> String {
    let name = match codec {
        Codec::Pcmu => "PCMU/8000",
        Codec::Pcma => "PCMA/8000",
        Codec::G722 => "G722/8000",
        Codec::Opus => "opus/48000/2",
    };
    format!("a=rtpmap:{number} {name}\r\n")
}

/// The direction that answers an offered one (RFC 3264 §6.1), given the one that we want.
pub(crate) fn answering(offered: &str, wanted: &str) -> &'static str {
    let (they_send, they_receive) =
        (matches!(offered, "sendrecv" | "sendonly"), matches!(offered, "sendrecv" | "recvonly"));
    let (we_send, we_receive) = (matches!(wanted, "sendrecv" | "sendonly"), matches!(wanted, "sendrecv" | "recvonly"));
    match (they_receive && we_send, they_send && we_receive) {
        (true, true) => "sendrecv",
        (true, false) => "sendonly",
        (false, true) => "recvonly",
        (false, false) => "inactive",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read_and_answered() {
        let own = Own { rtp: "127.0.0.1:4000".parse().unwrap(), version: 1, direction: "sendrecv", key: None };
        let offer = own.offer(&[Codec::G722, Codec::Opus]);
        let read_back = read(&offer, true).unwrap();
        assert_eq!(read_back.codecs, [(9, Codec::G722), (111, Codec::Opus)]);
        assert_eq!((read_back.event, read_back.address), (Some(101), "127.0.0.1:4000".parse().ok()));
        let answer = own.answer(&read_back, 111, Codec::Opus);
        assert_eq!(read(&answer, true).unwrap().codecs, [(111, Codec::Opus)]);
    }

    #[test]
    fn of_two_lines_the_one_that_can_be_used_is_answered_and_the_other_refused() {
        let body = "v=0\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:3 AES_256_CM_HMAC_SHA1_80 inline:AAAA\r\n\
                    m=audio 4002 RTP/AVP 8\r\na=sendonly\r\n";
        let found = read(body, true).unwrap();
        assert_eq!((found.address.map(|a| a.port()), found.direction.as_str()), (Some(4_002), "sendonly"));
        let direction = answering(&found.direction, "sendrecv");
        let own = Own { rtp: "127.0.0.1:5000".parse().unwrap(), version: 1, direction, key: None };
        let answer = own.answer(&found, 8, Codec::Pcma);
        assert!(answer.contains("m=audio 0 RTP/SAVP 0\r\nm=audio 5000 RTP/AVP 8\r\n"), "{answer}");
        assert!(answer.contains("a=recvonly"));
    }
}
