//! SIP as text, written apart from the stack that it talks to.

use super::codec::Codec;
use std::net::{IpAddr, SocketAddr};

/// What all messages of a call have in common.
pub(crate) struct Dialog {
    pub(crate) index: u32,
    pub(crate) local: SocketAddr,
    pub(crate) server: SocketAddr,
    pub(crate) to: String,
    pub(crate) to_tag: String,
    /// Tells this run from others with the same server.
    pub(crate) run: u32,
}

impl Dialog {
    /// A request of this dialog, with a body if it is an offer.
    pub(crate) fn request(&self, method: &str, cseq: u32, sdp: &str) -> String {
        let Self { index, local, server, to, to_tag, run } = self;
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:{to}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{method}{index}x{run};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+1777{index:07}@{local}>;tag=c{index}\r\nTo: <sip:{to}@{server}>{tag}\r\n\
             Call-ID: caller-{index}-{run}\r\nCSeq: {cseq} {method}\r\nContact: <sip:caller@{local}>\r\n{kind}\
             Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    }
}

/// The call a message belongs to.
pub(crate) fn call_of(text: &str, run: u32) -> Option<u32> {
    let id = header(text, "Call-ID")?.strip_prefix("caller-")?;
    let (index, of) = id.split_once('-')?;
    if of.parse() == Ok(run) { index.parse().ok() } else { None }
}

/// An offer of one codec and telephone events.
pub(crate) fn offer(rtp: SocketAddr, rtcp_port: u16, codec: Codec) -> String {
    let (payload_type, attributes) = (codec.payload_type(), codec.attributes());
    let ip = rtp.ip();
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP {payload_type} 101\r\n\
         {attributes}a=rtpmap:101 telephone-event/8000\r\na=rtcp:{rtcp_port}\r\na=ptime:20\r\n",
        rtp.port()
    )
}

/// Where the far end wants its RTP, from its answer.
pub(crate) fn media_address(text: &str) -> Option<SocketAddr> {
    let line = |prefix: &str| text.lines().find_map(|l| l.strip_prefix(prefix));
    let ip: IpAddr = line("c=IN IP4 ").or_else(|| line("c=IN IP6 "))?.trim().parse().ok()?;
    let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
    (port != 0).then(|| SocketAddr::new(ip, port))
}

/// A header's value.
pub(crate) fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|l| !l.is_empty()).find_map(|line| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// 200 to a request.
pub(crate) fn ok(request: &str) -> String {
    let mut text = String::from("SIP/2.0 200 OK\r\n");
    for line in request.lines().skip(1).take_while(|l| !l.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if ["via", "from", "to", "call-id", "cseq"].contains(&name.as_str()) {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    text.push_str("Content-Length: 0\r\n\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_call_and_an_answer_its_address() {
        let local: SocketAddr = "127.0.0.1:5070".parse().unwrap();
        let dialog = Dialog { index: 7, local, server: local, to: "+1".into(), to_tag: "x".into(), run: 9 };
        let text = dialog.request("INVITE", 1, &offer(local, 6_000, Codec::Pcmu));
        assert_eq!(call_of(&text, 9), Some(7));
        assert_eq!(call_of(&text, 8), None);
        assert_eq!(media_address(&text), Some(local));
        assert!(ok(&text).contains("CSeq: 1 INVITE\r\n"));
    }
}
