//! What a room must know of a WebRTC description: which section sends which track (RFC 8830
//! `msid`), and the text of an answer that names the tracks it carries.
//!
//! The WebRTC stack makes the answers; what it cannot say, the `msid` of a section the far end
//! created, is written into the text here. Lines are taken as they are: a description that is not
//! understood in full is still carried.

use crate::Error;
use std::collections::{BTreeMap, BTreeSet};

/// A description, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// m-lines of a description.
pub const MAX_SECTIONS: usize = 64;
/// A mid, in bytes.
const MAX_MID: usize = 64;
/// Formats of an m-line that are looked at.
const MAX_FORMATS: usize = 128;

/// What an m-line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `m=audio`.
    Audio,
    /// `m=video`.
    Video,
    /// `m=application` and whatever else there is.
    Other,
}

/// One m-line with its attributes, from the point of view of whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// `a=mid` (RFC 5888).
    pub mid: String,
    /// What it is for.
    pub kind: Kind,
    /// Its writer sends.
    pub sends: bool,
    /// Its writer receives.
    pub receives: bool,
    /// The track part of `a=msid`; in Plan B style descriptions that of `a=ssrc:… msid`.
    pub track_id: Option<String>,
    /// MIME types of its codecs, the preferred one first, without those that carry no media.
    pub codecs: Vec<String>,
}

/// The track an answered section carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The stream part of `a=msid`.
    pub stream: String,
    /// The track part.
    pub track: String,
}

/// The sections of a description, in order.
///
/// # Errors
/// Too long, too many sections, or two with the same mid.
pub fn sections(sdp: &str) -> Result<Vec<Section>, Error> {
    if sdp.len() > MAX_BYTES {
        return Err(Error::TooLong { limit: MAX_BYTES });
    }
    let mut sections: Vec<Draft> = Vec::new();
    for line in sdp.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            if sections.len() == MAX_SECTIONS {
                return Err(Error::TooMany { what: "m-lines", limit: MAX_SECTIONS });
            }
            sections.push(Draft::new(media));
        } else if let (Some(section), Some(attribute)) = (sections.last_mut(), line.strip_prefix("a=")) {
            section.attribute(attribute);
        }
    }
    let mut mids = BTreeSet::new();
    for (at, section) in sections.iter().enumerate() {
        if section.mid.is_empty() || section.mid.len() > MAX_MID || !mids.insert(section.mid.as_str()) {
            return Err(Error::Malformed { line: at, why: "a section's mid is missing, too long or used twice" });
        }
    }
    Ok(sections.into_iter().map(Draft::done).collect())
}

struct Draft<'a> {
    mid: String,
    kind: Kind,
    rejected: bool,
    bundle_only: bool,
    direction: &'a str,
    msid: Option<&'a str>,
    ssrc_msid: Option<&'a str>,
    payloads: Vec<&'a str>,
    names: BTreeMap<&'a str, &'a str>,
}

impl<'a> Draft<'a> {
    fn new(media: &'a str) -> Self {
        let mut words = media.split_whitespace();
        let kind = match words.next() {
            Some("audio") => Kind::Audio,
            Some("video") => Kind::Video,
            _ => Kind::Other,
        };
        Self {
            mid: String::new(),
            kind,
            rejected: words.next() == Some("0"),
            bundle_only: false,
            direction: "sendrecv",
            msid: None,
            ssrc_msid: None,
            payloads: words.skip(1).take(MAX_FORMATS).collect(),
            names: BTreeMap::new(),
        }
    }

    fn attribute(&mut self, attribute: &'a str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "mid" => self.mid = value.trim().to_owned(),
            "sendrecv" | "sendonly" | "recvonly" | "inactive" => self.direction = name,
            "bundle-only" => self.bundle_only = true,
            "msid" if self.msid.is_none() => self.msid = Some(value),
            "ssrc" => self.ssrc_msid = self.ssrc_msid.or_else(|| value.split_once(" msid:").map(|(_, msid)| msid)),
            "rtpmap" => {
                if let Some((payload, name)) = value.split_once(' ') {
                    self.names.insert(payload, name.split('/').next().unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    fn done(self) -> Section {
        let rejected = self.rejected && !self.bundle_only;
        let track_id = self.msid.or(self.ssrc_msid).and_then(|msid| msid.split_whitespace().nth(1)).map(str::to_owned);
        Section {
            codecs: self.codecs(),
            mid: self.mid,
            kind: self.kind,
            sends: !rejected && matches!(self.direction, "sendrecv" | "sendonly"),
            receives: !rejected && matches!(self.direction, "sendrecv" | "recvonly"),
            track_id,
        }
    }

    fn codecs(&self) -> Vec<String> {
        let kind = match self.kind {
            Kind::Audio => "audio",
            Kind::Video => "video",
            Kind::Other => return Vec::new(),
        };
        let mut codecs: Vec<String> = Vec::new();
        for payload in &self.payloads {
            // RFC 3551 §6: the static payload types need no rtpmap.
            let name = self.names.get(payload).copied().or(match *payload {
                "0" => Some("PCMU"),
                "8" => Some("PCMA"),
                "9" => Some("G722"),
                _ => None,
            });
            let Some(name) = name else { continue };
            let carries_media = !["rtx", "red", "ulpfec", "flexfec-03", "telephone-event", "CN"]
                .iter()
                .any(|other| name.eq_ignore_ascii_case(other));
            let mime = format!("{kind}/{name}");
            if carries_media && !codecs.contains(&mime) {
                codecs.push(mime);
            }
        }
        codecs
    }
}

/// Writes into a description of ours which track each section carries to the client: an assigned section says
/// so by `a=msid` and is `a=sendonly`; one that would send but is not assigned becomes
/// `a=inactive` and loses its `a=ssrc` lines. Sections that the client sends on, and data, stay;
/// with `max_playback_rate`, in Hz, a client is told that nobody hears more of its Opus (RFC 7587
/// §6.1), so that it need not send more.
pub fn rewrite(sdp: &str, assigned: &BTreeMap<String, Assigned>, max_playback_rate: Option<u32>) -> String {
    let mut out = String::with_capacity(sdp.len() + assigned.len() * 128);
    let mut section: Vec<&str> = Vec::new();
    for line in sdp.lines().filter(|l| !l.is_empty()) {
        if line.starts_with("m=") {
            write_section(&section, assigned, max_playback_rate, &mut out);
            section.clear();
        }
        section.push(line);
    }
    write_section(&section, assigned, max_playback_rate, &mut out);
    out
}

/// What is asked of a publisher whose bandwidth is narrowed, bit/s (`maxaveragebitrate`, RFC 7587
/// §6.1). Left to itself, libwebrtc takes 20,000 for wideband, and losses can then not be repaired
/// well: what repeats the packet before is taken from the same bits.
const NARROWED_BITRATE: u32 = 32_000;

fn write_section(lines: &[&str], assigned: &BTreeMap<String, Assigned>, rate: Option<u32>, out: &mut String) {
    let is_media = lines.first().is_some_and(|l| l.starts_with("m=audio") || l.starts_with("m=video"));
    let mid = lines.iter().find_map(|l| l.strip_prefix("a=mid:")).map(str::trim);
    let track = mid.and_then(|mid| assigned.get(mid)).filter(|_| is_media);
    let carries_ours = lines.iter().any(|l| matches!(*l, "a=sendonly" | "a=sendrecv")) && track.is_some();
    let hears_client = lines.contains(&"a=recvonly");
    let opus = lines.iter().find_map(|l| l.strip_prefix("a=rtpmap:")?.strip_suffix(" opus/48000/2"));
    for line in lines {
        if let (true, Some(rate), Some(pt)) = (hears_client, rate, opus)
            && line.strip_prefix("a=fmtp:").and_then(|l| l.strip_prefix(pt)).is_some_and(|l| l.starts_with(' '))
        {
            push(out, &format!("{line};maxplaybackrate={rate};maxaveragebitrate={NARROWED_BITRATE}"));
            continue;
        }
        if is_media {
            let is_msid = line.starts_with("a=msid:") || (line.starts_with("a=ssrc:") && line.contains(" msid:"));
            let is_ssrc = line.starts_with("a=ssrc:") || line.starts_with("a=ssrc-group:");
            if is_msid || (is_ssrc && !carries_ours) {
                continue;
            }
            match (*line, track) {
                ("a=sendonly" | "a=sendrecv", Some(track)) => {
                    push(out, "a=sendonly");
                    push(out, &format!("a=msid:{} {}", track.stream, track.track));
                    continue;
                }
                ("a=sendonly", None) => {
                    push(out, "a=inactive");
                    continue;
                }
                ("a=sendrecv", None) => {
                    push(out, "a=recvonly");
                    continue;
                }
                _ => {}
            }
        }
        push(out, line);
    }
}

/// A description whose audio takes no part in congestion control for the whole transport
/// (`transport-wide-cc`, `abs-send-time`). Voices have no other rate to go to, and bookkeeping for
/// every packet on both sides costs more than they do.
pub fn without_audio_feedback(sdp: &str) -> String {
    let mut out = String::with_capacity(sdp.len());
    let mut is_audio = false;
    for line in sdp.lines().filter(|l| !l.is_empty()) {
        if line.starts_with("m=") {
            is_audio = line.starts_with("m=audio");
        }
        let names = |word: &str| line.contains(word);
        let extension = line.starts_with("a=extmap:") && (names("transport-wide-cc") || names("abs-send-time"));
        let feedback = line.starts_with("a=rtcp-fb:") && line.ends_with(" transport-cc");
        if !(is_audio && (extension || feedback)) {
            push(&mut out, line);
        }
    }
    out
}

/// A description of ours that names our candidates over TCP (RFC 6544) and no others; unchanged where
/// there is none over TCP, for a client has to reach us somehow.
pub fn over_tcp_alone(sdp: &str) -> String {
    // Foundation, component, transport (RFC 8839 §5.1).
    let transport = |line: &str| line.strip_prefix("a=candidate:")?.split_whitespace().nth(2).map(str::to_owned);
    let is_tcp = |line: &str| transport(line).map(|name| name.eq_ignore_ascii_case("tcp"));
    if !sdp.lines().any(|line| is_tcp(line) == Some(true)) {
        return sdp.to_owned();
    }
    let mut out = String::with_capacity(sdp.len());
    sdp.lines().filter(|line| !line.is_empty() && is_tcp(line) != Some(false)).for_each(|line| push(&mut out, line));
    out
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\no=str0m-0.25.0 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        a=group:BUNDLE 0 1 2 3 7\r\na=msid-semantic: WMS xyz\r\na=ice-lite\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n\
        a=rtpmap:111 opus/48000/2\r\na=msid:xyz abc\r\n\
        a=ssrc:2083005773 cname:pR3Gv01U3yYlrH8PIoCP\r\na=ssrc:2083005773 msid:xyz abc\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendonly\r\n\
        a=rtpmap:111 opus/48000/2\r\na=msid:xyz def\r\na=ssrc:17 cname:q\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=inactive\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=ssrc:18 cname:q\r\na=ssrc-group:FID 18 19\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\na=sctp-port:5000\r\n\
        a=max-message-size:262144\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:7\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n";

    const WANTED: &str = "v=0\r\no=str0m-0.25.0 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        a=group:BUNDLE 0 1 2 3 7\r\na=msid-semantic: WMS xyz\r\na=ice-lite\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n\
        a=msid:PA_82965f16a6ff|TR_AM9fdfd381c9 TR_AM9fdfd381c9\r\na=rtcp-mux\r\n\
        a=rtpmap:111 opus/48000/2\r\na=ssrc:2083005773 cname:pR3Gv01U3yYlrH8PIoCP\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n\
        a=rtpmap:111 opus/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=inactive\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\na=sctp-port:5000\r\n\
        a=max-message-size:262144\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:7\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n";

    #[test]
    fn an_answer_names_the_assigned_track_and_silences_the_rest() {
        let track = Assigned { stream: "PA_82965f16a6ff|TR_AM9fdfd381c9".into(), track: "TR_AM9fdfd381c9".into() };
        assert_eq!(rewrite(ANSWER, &[("0".to_owned(), track)].into(), None), WANTED);
    }

    #[test]
    fn what_the_client_sends_is_left_alone_and_no_section_of_its_own_is_taken() {
        let track = Assigned { stream: "s".into(), track: "t".into() };
        let both = [("3".to_owned(), track.clone()), ("7".to_owned(), track)].into();
        let out = rewrite(ANSWER, &both, None);
        assert!(!out.contains("msid:s t"));
        assert!(out.contains("a=mid:7\r\na=recvonly"));
    }

    #[test]
    fn candidates_over_tcp_are_left_alone_if_there_are_any() {
        let udp = "a=candidate:1 1 udp 2130706175 127.0.0.1 7882 typ host\r\n";
        let tcp = "a=candidate:2 1 TCP 1671430143 127.0.0.1 7881 typ host tcptype passive\r\n";
        let with = |lines: &str| ANSWER.replacen("a=rtcp-mux\r\n", &format!("a=rtcp-mux\r\n{lines}"), 1);
        assert_eq!(over_tcp_alone(&with(&format!("{udp}{tcp}{udp}"))), with(tcp));
        assert_eq!(over_tcp_alone(&with(udp)), with(udp));
        assert_eq!(over_tcp_alone("a=candidate:\r\na=candidate:1 1\r\n"), "a=candidate:\r\na=candidate:1 1\r\n");
    }

    #[test]
    fn sections_are_read() {
        let offer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 126\r\na=mid:7\r\na=sendonly\r\n\
            a=msid:- 8f3c\r\na=rtpmap:63 red/48000/2\r\na=rtpmap:111 opus/48000/2\r\n\
            m=video 0 UDP/TLS/RTP/SAVPF 97 96\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:6\r\n";
        let read = sections(offer).unwrap();
        let audio = Section {
            mid: "7".into(),
            kind: Kind::Audio,
            sends: true,
            receives: false,
            track_id: Some("8f3c".into()),
            codecs: ["audio/opus", "audio/G722", "audio/PCMU", "audio/PCMA"].map(str::to_owned).into(),
        };
        assert_eq!(read[0], audio);
        assert!(!read[1].sends && !read[1].receives, "port 0 is a refused section");
        assert_eq!(read[1].codecs, ["video/VP8"]);
        assert_eq!(read[2].kind, Kind::Other);
    }

    #[test]
    fn bounds_hold_at_the_limit_and_one_past_it() {
        let offer = |n: usize| (0..n).map(|i| format!("m=audio 9 X 111\r\na=mid:{i}\r\n")).collect::<String>();
        assert_eq!(sections(&offer(MAX_SECTIONS)).unwrap().len(), MAX_SECTIONS);
        assert!(sections(&offer(MAX_SECTIONS + 1)).is_err());
        assert!(sections(&" ".repeat(MAX_BYTES)).is_ok());
        assert!(sections(&" ".repeat(MAX_BYTES + 1)).is_err());
        assert!(sections("m=audio 9 X 1\r\na=mid:0\r\nm=audio 9 X 1\r\na=mid:0\r\n").is_err());
        assert!(sections("m=audio 9 X 1\r\n").is_err());
    }

    #[test]
    fn no_cut_or_flipped_description_panics() {
        for at in 0..ANSWER.len() {
            let mut bytes = ANSWER.as_bytes().to_vec();
            let _ = sections(&ANSWER[..at]);
            let _ = rewrite(&ANSWER[..at], &BTreeMap::new(), None);
            bytes[at] ^= 0x5f;
            let text = String::from_utf8_lossy(&bytes);
            let _ = sections(&text);
            let _ = rewrite(&text, &BTreeMap::new(), None);
        }
    }

    #[test]
    fn audio_loses_its_feedback_and_video_keeps_it() {
        let of = |kind: &str| {
            format!(
                "m={kind} 9 X 1\r\na=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
                 a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\na=rtcp-fb:1 transport-cc\r\n"
            )
        };
        let rest = "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=rtcp-fb:1 nack\r\n";
        let offer = format!("v=0\r\n{}{rest}{}", of("audio"), of("video"));
        assert_eq!(without_audio_feedback(&offer), format!("v=0\r\nm=audio 9 X 1\r\n{rest}{}", of("video")));
    }

    #[test]
    fn a_client_that_only_phones_hear_is_told_so() {
        let answer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n\
                      a=fmtp:111 minptime=10;useinbandfec=1\r\n\
                      m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=inactive\r\na=rtpmap:111 opus/48000/2\r\n\
                      a=fmtp:111 minptime=10;useinbandfec=1\r\n";
        let rewritten = rewrite(answer, &BTreeMap::new(), Some(16_000));
        let (first, second) = rewritten.split_once("a=mid:1").unwrap();
        assert!(
            first.contains("a=fmtp:111 minptime=10;useinbandfec=1;maxplaybackrate=16000;maxaveragebitrate=32000\r\n"),
            "{rewritten}"
        );
        assert!(!second.contains("maxplaybackrate"), "{rewritten}");
    }
}
