//! Many who are called, on one UDP socket: each rings, answers, and hangs up at once or, if it is asked
//! to, goes where a REFER points.

use std::{
    collections::HashMap,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    time::{Duration, Instant},
};

/// How long the socket is waited at before it is looked whether to stop, and what to say again.
const PATIENCE: Duration = Duration::from_millis(20);
/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
/// How long the last calls may take to end.
const LAST_CALLS: Duration = Duration::from_secs(10);
/// How often something is said that nobody answers.
const TRIES: u32 = 7;

/// One of them was called.
#[derive(Clone, Debug)]
pub struct Called {
    /// The number.
    pub to: String,
    /// When the INVITE was here.
    pub at: Instant,
}

/// See the module.
#[derive(Debug)]
pub struct Callees {
    socket: UdpSocket,
    local: SocketAddr,
    /// They stay and wait to be transferred.
    stay: bool,
    /// What is said again, by Call-ID, until it is answered: a 200 by ACK, a request by its response.
    open: HashMap<String, Said>,
    /// Where the callers of the calls that have not ended are reached, by Call-ID (their Contact).
    callers: HashMap<String, String>,
}

/// A message that nobody has answered.
#[derive(Debug)]
struct Said {
    text: String,
    to: SocketAddr,
    /// The method that answers it, or whose response does.
    until: &'static str,
    again: Instant,
    tries: u32,
}

impl Callees {
    /// On any port of this machine.
    ///
    /// # Errors
    /// The socket cannot be had.
    pub fn bind(stay: bool) -> std::io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local, stay, open: HashMap::new(), callers: HashMap::new() })
    }

    /// Where they are called.
    pub fn address(&self) -> SocketAddr {
        self.local
    }

    /// Answers until `stop` is set and every call is over, at most for a while; how many were not over then.
    ///
    /// # Errors
    /// The socket fails.
    #[expect(clippy::disallowed_methods, reason = "it measures the real clock")]
    pub fn serve(mut self, told: &SyncSender<Called>, stop: &AtomicBool) -> std::io::Result<usize> {
        let mut buffer = vec![0; 65_535];
        let mut until = None;
        loop {
            let now = Instant::now();
            if stop.load(Ordering::Relaxed)
                && (self.callers.is_empty() || now >= *until.get_or_insert(now + LAST_CALLS))
            {
                return Ok(self.callers.len());
            }
            self.say_again(now)?;
            match self.socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    let at = Instant::now();
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    let method = text.split(' ').next().unwrap_or_default().to_owned();
                    let to = header(&text, "To").and_then(user).unwrap_or_default();
                    self.received(&method, &text, from, at)?;
                    if method == "INVITE" {
                        // Repetitions may find no room, and nobody listens at the end of a measurement.
                        let _ = told.try_send(Called { to, at });
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn received(&mut self, method: &str, text: &str, from: SocketAddr, now: Instant) -> std::io::Result<()> {
        let call_id = header(text, "Call-ID").unwrap_or_default().to_owned();
        let answered = if method == "SIP/2.0" { header(text, "CSeq").unwrap_or_default() } else { method };
        if self.open.get(&call_id).is_some_and(|said| answered.ends_with(said.until)) {
            self.open.remove(&call_id);
        }
        let accepted = method == "SIP/2.0" && text.starts_with("SIP/2.0 2");
        if method == "BYE" || (accepted && answered.ends_with("BYE")) {
            self.callers.remove(&call_id);
        }
        match method {
            "INVITE" => {
                let contact = header(text, "Contact").unwrap_or_default();
                self.callers.insert(call_id.clone(), contact.trim_matches(['<', '>']).to_owned());
                self.send(&self.response(text, "180 Ringing", ""), from)?;
                let sdp =
                    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
                let answer = self.response(text, "200 OK", sdp);
                self.say(call_id, answer, from, "ACK", now)
            }
            "ACK" if !self.stay => {
                let bye = self.request(text, "BYE", 2, "", "");
                self.say(call_id, bye, from, "BYE", now)
            }
            "REFER" => {
                self.send(&self.response(text, "202 Accepted", ""), from)?;
                let more = "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n\
                            Content-Type: message/sipfrag;version=2.0\r\n";
                let notify = self.request(text, "NOTIFY", 2, more, "SIP/2.0 200 OK\r\n");
                self.say(call_id, notify, from, "NOTIFY", now)
            }
            "BYE" | "INFO" | "OPTIONS" | "UPDATE" => self.send(&self.response(text, "200 OK", ""), from),
            _ => Ok(()),
        }
    }

    /// Says it, and again until `until` comes.
    fn say(
        &mut self,
        call_id: String,
        text: String,
        to: SocketAddr,
        until: &'static str,
        now: Instant,
    ) -> std::io::Result<()> {
        self.send(&text, to)?;
        self.open.insert(call_id, Said { text, to, until, again: now + T1, tries: 1 });
        Ok(())
    }

    fn say_again(&mut self, now: Instant) -> std::io::Result<()> {
        let mut due = Vec::new();
        self.open.retain(|_, said| said.tries < TRIES);
        for said in self.open.values_mut().filter(|said| said.again <= now) {
            said.again = now + T1 * 2u32.pow(said.tries.min(3));
            said.tries += 1;
            due.push((said.text.clone(), said.to));
        }
        due.into_iter().try_for_each(|(text, to)| self.send(&text, to))
    }

    /// A response; the tag is the same for all of a call.
    fn response(&self, request: &str, status: &str, sdp: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for line in request.lines().skip(1).take_while(|l| !l.is_empty()) {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            if !["via", "from", "to", "call-id", "cseq"].contains(&name.as_str()) {
                continue;
            }
            text.push_str(line);
            if name == "to" && !line.contains(";tag=") {
                text.push_str(";tag=callee");
            }
            text.push_str("\r\n");
        }
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let contact = format!("Contact: <sip:callee@{}>\r\n", self.local);
        text + &contact + kind + &format!("Content-Length: {}\r\n\r\n{sdp}", sdp.len())
    }

    /// A request in the dialog of theirs.
    fn request(&self, theirs: &str, method: &str, cseq: u32, more: &str, body: &str) -> String {
        let value = |name: &str| header(theirs, name).unwrap_or_default();
        let call_id = value("Call-ID");
        let target = self.callers.get(call_id).map_or("", String::as_str);
        let branch = call_id.split('@').next().unwrap_or_default();
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{method}{branch}\r\nMax-Forwards: 70\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:callee@{}>\r\n{more}\
             Content-Length: {}\r\n\r\n{body}",
            self.local,
            value("To"),
            value("From"),
            self.local,
            body.len()
        )
    }

    fn send(&self, text: &str, to: SocketAddr) -> std::io::Result<()> {
        match self.socket.send_to(text.as_bytes(), to) {
            Ok(_) => Ok(()),
            // A full buffer loses a datagram, as any network may.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|l| !l.is_empty()).find_map(|line| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The user part of a name-addr.
fn user(value: &str) -> Option<String> {
    let (_, uri) = value.split_once("sip:")?;
    Some(uri.split(['@', '>', ';']).next()?.to_owned())
}
