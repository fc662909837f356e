//! A careful SIP caller on the virtual network, written apart from the stack it tests: it builds
//! its few messages as text and retransmits by the timers of RFC 3261.

use std::{net::SocketAddr, time::Duration};
use trunkline_types::Time;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);

/// What a caller is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Inviting,
    Ringing,
    Answered,
    HangingUp,
    Over,
}

/// See the module.
#[derive(Debug)]
pub struct Caller {
    call_id: String,
    address: SocketAddr,
    server: SocketAddr,
    from: String,
    to: String,
    hang_up_after: Option<Duration>,
    stage: Stage,
    to_tag: String,
    repeat: Option<(Time, Duration, String)>,
    give_up: Option<Time>,
    hang_up_at: Option<Time>,
    /// The distinct final statuses of the INVITE.
    pub finals: Vec<u16>,
    /// The distinct To-tags seen.
    pub tags: Vec<String>,
    /// The BYE received, as text.
    pub bye: Option<String>,
    /// It gave up on an answer that never came.
    pub gave_up: bool,
}

impl Caller {
    pub(crate) fn new(
        index: usize,
        address: SocketAddr,
        server: SocketAddr,
        from: &str,
        to: &str,
        hang_up_after: Option<Duration>,
    ) -> Self {
        Self {
            call_id: format!("caller-{index}@sim"),
            address,
            server,
            from: from.into(),
            to: to.into(),
            hang_up_after,
            stage: Stage::Idle,
            to_tag: String::new(),
            repeat: None,
            give_up: None,
            hang_up_at: None,
            finals: Vec::new(),
            tags: Vec::new(),
            bye: None,
            gave_up: false,
        }
    }

    /// Its Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether its call came to its end.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Answered | Stage::HangingUp | Stage::Over) && self.finals == [200]
    }

    pub(crate) fn waits_for_far_end(&self) -> bool {
        self.hang_up_after.is_none()
    }

    pub(crate) fn next_timer(&self) -> Option<Time> {
        let repeat = self.repeat.as_ref().map(|(at, ..)| *at);
        repeat.into_iter().chain(self.give_up).chain(self.hang_up_at).min()
    }

    pub(crate) fn timed_out(&mut self, now: Time, out: &mut Vec<String>) {
        if self.stage == Stage::Idle {
            self.stage = Stage::Inviting;
            let invite = self.invite();
            self.give_up = Some(now + T1 * 64);
            self.begin(invite, now, out);
            return;
        }
        if self.give_up.is_some_and(|at| at <= now) {
            self.gave_up = true;
            self.stage = Stage::Over;
            (self.repeat, self.give_up, self.hang_up_at) = (None, None, None);
            return;
        }
        if self.hang_up_at.is_some_and(|at| at <= now) {
            self.hang_up_at = None;
            self.stage = Stage::HangingUp;
            self.give_up = Some(now + T1 * 64);
            let bye = self.request("BYE", 2, "bye");
            self.begin(bye, now, out);
            return;
        }
        if let Some((at, interval, text)) = self.repeat.take() {
            if at <= now {
                out.push(text.clone());
                let next = if self.stage == Stage::Inviting { interval * 2 } else { (interval * 2).min(T2) };
                self.repeat = Some((now + next, next, text));
            } else {
                self.repeat = Some((at, interval, text));
            }
        }
    }

    pub(crate) fn received(&mut self, text: &str, now: Time, out: &mut Vec<String>) {
        match text.strip_prefix("SIP/2.0 ") {
            Some(rest) => {
                let status = rest.get(..3).and_then(|s| s.parse().ok()).unwrap_or(0);
                self.answered(status, text, now, out);
            }
            None if text.starts_with("BYE ") => {
                self.bye.get_or_insert_with(|| text.to_owned());
                if matches!(self.stage, Stage::Answered | Stage::HangingUp) {
                    self.stage = Stage::Over;
                    (self.repeat, self.give_up, self.hang_up_at) = (None, None, None);
                }
                out.push(response_to(text, "200 OK"));
            }
            None => {}
        }
    }

    fn answered(&mut self, status: u16, text: &str, now: Time, out: &mut Vec<String>) {
        let is_bye = header(text, "CSeq").is_some_and(|c| c.ends_with("BYE"));
        if is_bye {
            if self.stage == Stage::HangingUp && status >= 200 {
                self.stage = Stage::Over;
                (self.repeat, self.give_up) = (None, None);
            }
            return;
        }
        if status > 100
            && let Some(tag) = header(text, "To").and_then(|to| to.split(";tag=").nth(1).map(str::to_owned))
        {
            if !self.tags.contains(&tag) {
                self.tags.push(tag.clone());
            }
            self.to_tag = tag;
        }
        match status {
            100..=199 => {
                if self.stage == Stage::Inviting {
                    self.stage = Stage::Ringing;
                    (self.repeat, self.give_up) = (None, None);
                }
            }
            200..=299 => {
                self.final_answer(status);
                if matches!(self.stage, Stage::Inviting | Stage::Ringing) {
                    self.stage = Stage::Answered;
                    (self.repeat, self.give_up) = (None, None);
                    self.hang_up_at = self.hang_up_after.map(|after| now + after);
                }
                out.push(self.request("ACK", 1, "ack"));
            }
            _ => {
                self.final_answer(status);
                self.stage = Stage::Over;
                (self.repeat, self.give_up) = (None, None);
                out.push(self.request("ACK", 1, "invite"));
            }
        }
    }

    fn final_answer(&mut self, status: u16) {
        if !self.finals.contains(&status) {
            self.finals.push(status);
        }
    }

    fn begin(&mut self, text: String, now: Time, out: &mut Vec<String>) {
        out.push(text.clone());
        self.repeat = Some((now + T1, T1, text));
    }

    fn invite(&self) -> String {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\n",
            ip = self.address.ip()
        );
        let mut text = self.request("INVITE", 1, "invite");
        let length = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
        text.truncate(text.len() - "Content-Length: 0\r\n\r\n".len());
        text.push_str(&length);
        text
    }

    fn request(&self, method: &str, cseq: u32, branch: &str) -> String {
        let Self { call_id, address, server, from, to, to_tag, .. } = self;
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        format!(
            "{method} sip:{to}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-{branch}-{call_id};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{from}@{ip}>;tag=from-{call_id}\r\nTo: <sip:{to}@{server}>{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{from}@{address}>\r\nContent-Length: 0\r\n\r\n",
            ip = address.ip(),
        )
    }
}

pub(crate) fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|l| !l.is_empty()).find_map(|line| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

pub(crate) fn response_to(request: &str, status: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
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
