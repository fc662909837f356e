//! A Five9 IVR: it calls with its call variables as X-Call… headers, speaks, listens, and reads
//! the route back from the headers of the BYE. It writes its few SIP lines itself, apart from the
//! stack it talks to.

use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};
use trunkline_audio::g711;

/// See the module.
#[derive(Clone, Debug)]
pub struct Five9 {
    /// The server's SIP address.
    pub server: SocketAddr,
    /// The caller.
    pub from: String,
    /// The number called.
    pub to: String,
    /// Headers of the INVITE.
    pub headers: Vec<(String, String)>,
    /// Hang up this long after the answer; `None`: wait for the BYE.
    pub hang_up_after: Option<Duration>,
    /// How long the whole call may take.
    pub limit: Duration,
}

impl Five9 {
    /// With the headers of Five9's guide.
    pub fn new(server: SocketAddr) -> Self {
        let headers = [
            ("X-CallANI", "5550100001"),
            ("X-CallDNIS", "5551234567"),
            ("X-CallID", "300000001234567"),
            ("X-CallSessionID", "E3A8C1F2-77B0"),
            ("X-CallCampaign", "Inbound Sales"),
            ("X-CallStartTimestamp", "20260607113552517"),
            ("X-CallDomainID", "131872"),
        ];
        Self {
            server,
            from: "+15550100001".into(),
            to: "+15551234567".into(),
            headers: headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            hang_up_after: None,
            limit: Duration::from_secs(60),
        }
    }
}

/// A message as the persona saw it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Since the INVITE.
    pub at: Duration,
    /// The persona sent it.
    pub sent: bool,
    /// The first line.
    pub start_line: String,
}

/// What the persona saw and heard.
#[derive(Clone, Debug, Default)]
pub struct CallResult {
    /// In order.
    pub ladder: Vec<Step>,
    /// The final status of the INVITE.
    pub status: Option<u16>,
    /// The BYE as it came, byte for byte.
    pub bye: Option<String>,
    /// RTP packets heard.
    pub rtp_packets: u64,
    /// The loudest sample.
    pub peak: i16,
}

/// Why a call could not be played.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum Error {
    #[error("a socket failed: {0}")]
    Socket(#[from] std::io::Error),
    #[error("the call did not come to its end within {0:?}")]
    TooLong(Duration),
}

struct Line {
    sip: UdpSocket,
    rtp: UdpSocket,
    begun: Instant,
    result: CallResult,
    persona: Five9,
    call_id: String,
    to_tag: String,
    remote_rtp: Option<SocketAddr>,
}

/// Plays the call to its end.
///
/// # Errors
/// A socket fails, or the call takes longer than the persona's limit.
#[expect(clippy::disallowed_methods, reason = "a far end of its own, with its own clock")]
pub fn call(persona: &Five9) -> Result<CallResult, Error> {
    let any = if persona.server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let (sip, rtp) = (UdpSocket::bind(any)?, UdpSocket::bind(any)?);
    sip.connect(persona.server)?;
    sip.set_read_timeout(Some(Duration::from_millis(5)))?;
    rtp.set_nonblocking(true)?;
    let begun = Instant::now();
    let call_id = format!("five9-{}-{}", sip.local_addr()?.port(), rtp.local_addr()?.port());
    let mut line = Line {
        sip,
        rtp,
        begun,
        result: CallResult::default(),
        persona: persona.clone(),
        call_id,
        to_tag: String::new(),
        remote_rtp: None,
    };
    line.play()?;
    Ok(line.result)
}

impl Line {
    fn play(&mut self) -> Result<(), Error> {
        let invite = self.invite()?;
        self.send(&invite)?;
        let (mut repeat_at, mut interval) = (Duration::from_millis(500), Duration::from_millis(500));
        let mut next_voice = Duration::ZERO;
        let mut hang_up_at = None;
        let mut sequence = 0u16;
        let mut buffer = vec![0; 65_535];
        loop {
            let at = self.begun.elapsed();
            if at > self.persona.limit {
                return Err(Error::TooLong(self.persona.limit));
            }
            if self.result.ladder.len() == 1 && at >= repeat_at {
                self.sip.send(invite.as_bytes())?;
                interval *= 2;
                repeat_at += interval;
            }
            match self.sip.recv(&mut buffer) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    if self.received(&text)? {
                        return Ok(());
                    }
                    if self.result.status == Some(200) && hang_up_at.is_none() {
                        hang_up_at = self.persona.hang_up_after.map(|after| self.begun.elapsed() + after);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
            self.listen(&mut buffer);
            if let Some(remote) = self.remote_rtp
                && at >= next_voice
            {
                self.speak(remote, sequence)?;
                sequence = sequence.wrapping_add(1);
                next_voice = next_voice.max(at.saturating_sub(Duration::from_millis(40))) + Duration::from_millis(20);
            }
            if hang_up_at.is_some_and(|due| at >= due) {
                hang_up_at = None;
                let bye = self.request("BYE", 2, "", "");
                self.send(&bye)?;
            }
        }
    }

    /// Takes a message; `true` when the call is over.
    fn received(&mut self, text: &str) -> Result<bool, Error> {
        let start_line = text.lines().next().unwrap_or_default().to_owned();
        self.result.ladder.push(Step { at: self.begun.elapsed(), sent: false, start_line: start_line.clone() });
        let Some(status) = start_line.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok())
        else {
            let mut answer = String::from("SIP/2.0 200 OK\r\n");
            for line in text.lines().skip(1).take_while(|l| !l.is_empty()) {
                let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                if ["via", "from", "to", "call-id", "cseq"].contains(&name.as_str()) {
                    answer.push_str(line);
                    answer.push_str("\r\n");
                }
            }
            answer.push_str("Content-Length: 0\r\n\r\n");
            self.send(&answer)?;
            let is_bye = start_line.starts_with("BYE ");
            if is_bye {
                self.result.bye = Some(text.to_owned());
            }
            return Ok(is_bye);
        };
        if header(text, "CSeq").is_some_and(|c| c.ends_with("BYE")) {
            return Ok(status >= 200);
        }
        if let Some(tag) = header(text, "To").and_then(|to| to.split(";tag=").nth(1)) {
            self.to_tag = tag.to_owned();
        }
        if status < 200 {
            return Ok(false);
        }
        self.result.status = Some(status);
        let ack = self.request("ACK", 1, "", "");
        self.send(&ack)?;
        if status == 200 {
            let port = text.lines().find_map(|l| l.strip_prefix("m=audio ")?.split(' ').next()?.parse().ok());
            let ip =
                text.lines().find_map(|l| l.strip_prefix("c=IN IP4 ").or(l.strip_prefix("c=IN IP6 "))?.parse().ok());
            self.remote_rtp = ip.zip(port).map(|(ip, port)| SocketAddr::new(ip, port));
        }
        Ok(status >= 300)
    }

    fn listen(&mut self, buffer: &mut [u8]) {
        while let Ok((length, _)) = self.rtp.recv_from(buffer) {
            self.result.rtp_packets += 1;
            for byte in buffer.get(12..length).unwrap_or_default() {
                self.result.peak = self.result.peak.max(g711::decode_ulaw(*byte).saturating_abs());
            }
        }
    }

    /// One packet of a tone.
    fn speak(&self, remote: SocketAddr, sequence: u16) -> Result<(), Error> {
        let mut packet = [0u8; 172];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(b"FIV9");
        for (n, slot) in packet[12..].iter_mut().enumerate() {
            let at = (usize::from(sequence) * 160 + n) as f32 / 8_000.0;
            *slot = g711::encode_ulaw(((std::f32::consts::TAU * 440.0 * at).sin() * 8_000.0) as i16);
        }
        self.rtp.send_to(&packet, remote)?;
        Ok(())
    }

    fn send(&mut self, text: &str) -> Result<(), Error> {
        let start_line = text.lines().next().unwrap_or_default().to_owned();
        self.result.ladder.push(Step { at: self.begun.elapsed(), sent: true, start_line });
        self.sip.send(text.as_bytes())?;
        Ok(())
    }

    fn invite(&self) -> Result<String, Error> {
        let (ip, port) = (self.sip.local_addr()?.ip(), self.rtp.local_addr()?.port());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let sdp = format!(
            "v=0\r\no=five9 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
        );
        let mut headers = String::new();
        for (name, value) in &self.persona.headers {
            headers.push_str(&format!("{name}: {value}\r\n"));
        }
        headers.push_str("Content-Type: application/sdp\r\n");
        Ok(self.request("INVITE", 1, &headers, &sdp))
    }

    fn request(&self, method: &str, cseq: u32, headers: &str, body: &str) -> String {
        let Five9 { server, from, to, .. } = &self.persona;
        let local = self.sip.local_addr().map(|a| a.to_string()).unwrap_or_default();
        let tag = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        let accepted = self.result.status.is_none_or(|s| s < 300);
        let branch = if method == "ACK" && !accepted { "INVITE" } else { method };
        let call_id = &self.call_id;
        format!(
            "{method} sip:{to}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{branch}{call_id};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{from}@{local}>;tag=five9\r\nTo: <sip:{to}@{server}>{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:five9@{local}>\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|l| !l.is_empty()).find_map(|line| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
