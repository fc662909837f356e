//! A far end on the virtual network that is called, written apart from the stack that calls it: it
//! builds its few messages as text and retransmits by the timers of RFC 3261.

use crate::caller::{header, response_to};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use trunkline_types::Time;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// How often a far end that rings says so (RFC 3261 §13.3.1.1).
const RINGS_AGAIN: Duration = Duration::from_secs(60);

/// What a far end does with calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Rings, answers, and perhaps hangs up.
    Answers {
        /// How long it rings.
        after: Duration,
        /// How long after the ACK it hangs up; `None`: it never does.
        hang_up_after: Option<Duration>,
    },
    /// Says something before it answers (183 with a description).
    Early {
        /// How long that takes.
        after: Duration,
    },
    /// Refuses with this status.
    Refuses {
        /// The status and its phrase.
        status: String,
        /// How long it rings before.
        after: Duration,
    },
    /// Rings and never answers, and says so once a minute; a CANCEL is obeyed.
    Rings,
    /// Says nothing at all.
    Silent,
    /// Two branches ring and both answer.
    Forks {
        /// How long they ring; the second a little longer.
        after: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ringing,
    Answered,
    Up,
    Refused,
    HangingUp,
    Over,
}

/// One call of a far end, or one branch of it, for what it saw.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The SIP Call-ID.
    pub call_id: String,
    /// The distinct final statuses it gave.
    pub finals: Vec<String>,
    /// It was cancelled before it had answered.
    pub cancelled: bool,
    /// A BYE that came, as text.
    pub bye: Option<String>,
    /// The Refer-To of each REFER that came.
    pub referred: Vec<String>,
    /// What it waited for never came.
    pub gave_up: bool,
    /// The requests that came, by method.
    pub requests: BTreeMap<String, u32>,
    stage: Stage,
    tag: String,
    invite: String,
    answer: Option<String>,
    repeat: Option<(Time, Duration, String)>,
    act_at: Option<Time>,
    ring_at: Option<Time>,
    give_up: Option<Time>,
    cseq: u32,
}

impl Taken {
    /// Whether it came to its end.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Whether it was answered and acknowledged.
    pub fn was_up(&self) -> bool {
        self.finals.iter().any(|status| status.starts_with("200")) && self.requests.contains_key("ACK")
    }

    fn over(&mut self) {
        self.stage = Stage::Over;
        (self.repeat, self.act_at, self.ring_at, self.give_up) = (None, None, None, None);
    }
}

/// See the module.
#[derive(Debug)]
pub struct Callee {
    address: SocketAddr,
    behaviour: Behaviour,
    calls: Vec<Taken>,
}

impl Callee {
    pub(crate) fn new(address: SocketAddr, behaviour: Behaviour) -> Self {
        Self { address, behaviour, calls: Vec::new() }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it saw, call by call.
    pub fn calls(&self) -> &[Taken] {
        &self.calls
    }

    pub(crate) fn next_timer(&self) -> Option<Time> {
        let timers = |call: &Taken| {
            let repeat = call.repeat.as_ref().map(|(at, ..)| *at);
            repeat.into_iter().chain(call.act_at).chain(call.ring_at).chain(call.give_up).min()
        };
        self.calls.iter().filter_map(timers).min()
    }

    pub(crate) fn timed_out(&mut self, now: Time, out: &mut Vec<String>) {
        for at in 0..self.calls.len() {
            let Some(call) = self.calls.get_mut(at) else { return };
            if call.give_up.is_some_and(|give_up| give_up <= now) {
                call.gave_up = true;
                call.over();
                continue;
            }
            if let Some((due, interval, text)) = call.repeat.clone()
                && due <= now
            {
                out.push(text.clone());
                let next = (interval * 2).min(T2);
                call.repeat = Some((now + next, next, text));
            }
            if call.ring_at.is_some_and(|ring| ring <= now) {
                call.ring_at = Some(now + RINGS_AGAIN);
                out.extend(call.answer.clone());
            }
            if call.act_at.is_some_and(|act| act <= now) {
                call.act_at = None;
                self.act(at, now, out);
            }
        }
    }

    /// It has rung long enough, or talked long enough.
    fn act(&mut self, at: usize, now: Time, out: &mut Vec<String>) {
        let address = self.address;
        let Some(call) = self.calls.get_mut(at) else { return };
        match (call.stage, &self.behaviour) {
            (Stage::Ringing, Behaviour::Refuses { status, .. }) => {
                let status = status.clone();
                finish(call, &status, address, now, out);
            }
            (Stage::Ringing, _) => finish(call, "200 OK", address, now, out),
            (Stage::Up, _) => hang_up(call, address, now, out),
            _ => {}
        }
    }

    pub(crate) fn received(&mut self, text: &str, now: Time, out: &mut Vec<String>) {
        if text.starts_with("SIP/2.0 ") {
            self.answered(text);
            return;
        }
        let method = text.split(' ').next().unwrap_or_default();
        let id = header(text, "Call-ID").unwrap_or_default().to_owned();
        let tag = header(text, "To").and_then(|to| to.split(";tag=").nth(1)).map(str::to_owned);
        if method == "INVITE" && tag.is_none() {
            return self.invited(id, text, now, out);
        }
        if method == "CANCEL" {
            return self.cancelled(&id, text, now, out);
        }
        let found = self.calls.iter_mut().find(|call| call.call_id == id && Some(&call.tag) == tag.as_ref());
        let Some(call) = found else {
            if method != "ACK" {
                out.push(response_to(text, "481 Call/Transaction Does Not Exist"));
            }
            return;
        };
        *call.requests.entry(method.to_owned()).or_default() += 1;
        match method {
            "ACK" => acknowledged(call, &self.behaviour, now),
            "BYE" => {
                call.bye.get_or_insert_with(|| text.to_owned());
                call.over();
                out.push(response_to(text, "200 OK"));
            }
            "INVITE" => out.push(with_sdp(&response_to(text, "200 OK"), self.address)),
            "REFER" => {
                call.referred.extend(header(text, "Refer-To").map(str::to_owned));
                out.push(response_to(text, "202 Accepted"));
                for (state, line) in [("active;expires=60", "100 Trying"), ("terminated;reason=noresource", "200 OK")] {
                    let headers = format!(
                        "Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag;version=2.0\r\n"
                    );
                    out.push(request(call, "NOTIFY", self.address, &headers, &format!("SIP/2.0 {line}\r\n")));
                }
            }
            _ => out.push(response_to(text, "200 OK")),
        }
    }

    fn answered(&mut self, text: &str) {
        let id = header(text, "Call-ID").unwrap_or_default();
        let from = header(text, "From").unwrap_or_default();
        let is_bye = header(text, "CSeq").is_some_and(|cseq| cseq.ends_with("BYE"));
        let is_final = !text.starts_with("SIP/2.0 1");
        for call in self.calls.iter_mut().filter(|call| call.call_id == id && from.ends_with(&call.tag)) {
            if is_bye && is_final && call.stage == Stage::HangingUp {
                call.over();
            }
        }
    }

    fn invited(&mut self, id: String, text: &str, now: Time, out: &mut Vec<String>) {
        let known: Vec<_> =
            self.calls.iter().filter(|c| c.call_id == id && branch(&c.invite) == branch(text)).collect();
        if !known.is_empty() {
            out.extend(known.iter().filter_map(|call| call.answer.clone()));
            return;
        }
        let after = match &self.behaviour {
            Behaviour::Answers { after, .. } | Behaviour::Early { after } | Behaviour::Refuses { after, .. } => {
                Some(*after)
            }
            Behaviour::Forks { after } => Some(*after),
            Behaviour::Rings | Behaviour::Silent => None,
        };
        let branches = if matches!(self.behaviour, Behaviour::Forks { .. }) { 2 } else { 1 };
        for fork in 0..branches {
            let mut call = Taken {
                call_id: id.clone(),
                finals: Vec::new(),
                cancelled: false,
                bye: None,
                referred: Vec::new(),
                gave_up: false,
                requests: BTreeMap::from([("INVITE".to_owned(), 1)]),
                stage: Stage::Ringing,
                tag: format!("callee-{}-{fork}", self.calls.len()),
                invite: text.to_owned(),
                answer: None,
                repeat: None,
                act_at: after.map(|after| now + after + Duration::from_millis(30) * fork),
                ring_at: (self.behaviour == Behaviour::Rings).then(|| now + RINGS_AGAIN),
                give_up: None,
                cseq: 0,
            };
            let provisional = match self.behaviour {
                Behaviour::Silent => None,
                Behaviour::Early { .. } => {
                    Some(with_sdp(&of_dialog(&call, "183 Session Progress", self.address), self.address))
                }
                _ => Some(of_dialog(&call, "180 Ringing", self.address)),
            };
            out.extend(provisional.clone());
            call.answer = provisional;
            self.calls.push(call);
        }
    }

    fn cancelled(&mut self, id: &str, text: &str, now: Time, out: &mut Vec<String>) {
        let address = self.address;
        let mut is_known = false;
        let branches: Vec<_> =
            self.calls.iter_mut().filter(|c| c.call_id == id && branch(&c.invite) == branch(text)).collect();
        let mut answers = Vec::new();
        for call in branches {
            is_known = true;
            if call.stage == Stage::Ringing {
                call.cancelled = true;
                finish(call, "487 Request Terminated", address, now, &mut answers);
            }
        }
        out.push(response_to(text, if is_known { "200 OK" } else { "481 Call/Transaction Does Not Exist" }));
        out.append(&mut answers);
    }
}

fn acknowledged(call: &mut Taken, behaviour: &Behaviour, now: Time) {
    (call.repeat, call.give_up) = (None, None);
    match call.stage {
        Stage::Refused => call.over(),
        Stage::Answered => {
            call.stage = Stage::Up;
            if let Behaviour::Answers { hang_up_after: Some(after), .. } = behaviour {
                call.act_at = Some(now + *after);
            }
        }
        _ => {}
    }
}

/// The final answer to the INVITE, until its ACK comes.
fn finish(call: &mut Taken, status: &str, address: SocketAddr, now: Time, out: &mut Vec<String>) {
    let mut text = of_dialog(call, status, address);
    let is_answer = status.starts_with('2');
    if is_answer {
        text = with_sdp(&text, address);
    }
    call.finals.push(status.to_owned());
    call.stage = if is_answer { Stage::Answered } else { Stage::Refused };
    (call.act_at, call.ring_at) = (None, None);
    call.answer = Some(text.clone());
    out.push(text.clone());
    call.repeat = Some((now + T1, T1, text));
    call.give_up = Some(now + T1 * 64);
}

fn hang_up(call: &mut Taken, address: SocketAddr, now: Time, out: &mut Vec<String>) {
    let text = request(call, "BYE", address, "", "");
    call.stage = Stage::HangingUp;
    out.push(text.clone());
    call.repeat = Some((now + T1, T1, text));
    call.give_up = Some(now + T1 * 64);
}

fn branch(text: &str) -> &str {
    header(text, "Via").and_then(|via| via.split("branch=").nth(1)?.split(';').next()).unwrap_or_default()
}

/// A response with our tag and Contact.
fn of_dialog(call: &Taken, status: &str, address: SocketAddr) -> String {
    let to = header(&call.invite, "To").unwrap_or_default();
    let contact = format!("Contact: <sip:callee@{address}>\r\nContent-Length:");
    response_to(&call.invite, status).replacen(to, &format!("{to};tag={}", call.tag), 1).replacen(
        "Content-Length:",
        &contact,
        1,
    )
}

fn with_sdp(text: &str, address: SocketAddr) -> String {
    let ip = address.ip();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\n"
    );
    let head = text.strip_suffix("Content-Length: 0\r\n\r\n").unwrap_or(text);
    format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
}

fn request(call: &mut Taken, method: &str, address: SocketAddr, headers: &str, body: &str) -> String {
    call.cseq += 1;
    let of = |name: &str| header(&call.invite, name).unwrap_or_default();
    let uri = of("Contact").split(['<', '>']).nth(1).unwrap_or_default();
    let Taken { call_id, tag, cseq, .. } = &*call;
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-{method}-{tag}-{cseq};rport\r\nMax-Forwards: 70\r\n\
         From: {};tag={tag}\r\nTo: {}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:callee@{address}>\r\n\
         {headers}Content-Length: {}\r\n\r\n{body}",
        of("To"),
        of("From"),
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::new(millis * 1_000_000, 0)
    }

    fn from_us(method: &str, tag: &str) -> String {
        let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        format!(
            "{method} sip:callee@10.2.0.0:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1\r\n\
             From: <sip:us@10.0.0.1>;tag=us\r\nTo: <sip:callee@10.2.0.0>{tag}\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:us@10.0.0.1:5060>\r\nContent-Length: 0\r\n\r\n"
        )
    }

    fn callee(behaviour: Behaviour) -> Callee {
        Callee::new("10.2.0.0:5060".parse().unwrap(), behaviour)
    }

    #[test]
    fn it_answers_again_until_the_ack_and_hangs_up() {
        let second = Duration::from_secs(1);
        let mut callee = callee(Behaviour::Answers { after: second, hang_up_after: Some(second) });
        let mut out = Vec::new();
        callee.received(&from_us("INVITE", ""), at(0), &mut out);
        assert!(out[0].starts_with("SIP/2.0 180 "));
        for n in [1_000, 1_500] {
            callee.timed_out(at(n), &mut out);
        }
        let answers: Vec<_> = out.iter().filter(|text| text.starts_with("SIP/2.0 200 ")).collect();
        assert!(answers.len() == 2 && answers[0].contains("m=audio") && answers[0].contains(";tag=callee-0-0"));
        callee.received(&from_us("ACK", "callee-0-0"), at(1_600), &mut out);
        assert!(callee.calls()[0].was_up());
        out.clear();
        callee.timed_out(at(2_600), &mut out);
        assert!(
            out[0].starts_with("BYE sip:us@10.0.0.1:5060 ")
                && out[0].contains("From: <sip:callee@10.2.0.0>;tag=callee-0-0")
        );
        let ok = response_to(&out[0], "200 OK");
        callee.received(&ok, at(2_700), &mut out);
        assert!(callee.calls()[0].is_over() && !callee.calls()[0].gave_up);
        assert_eq!(callee.next_timer(), None);
    }

    #[test]
    fn a_cancel_that_comes_too_late_changes_nothing() {
        let mut callee = callee(Behaviour::Answers { after: Duration::ZERO, hang_up_after: None });
        let mut out = Vec::new();
        callee.received(&from_us("INVITE", ""), at(0), &mut out);
        callee.timed_out(at(0), &mut out);
        callee.received(&from_us("CANCEL", ""), at(1), &mut out);
        let call = &callee.calls()[0];
        assert_eq!((call.finals.as_slice(), call.cancelled), (["200 OK".to_owned()].as_slice(), false));
    }

    #[test]
    fn two_branches_have_two_tags() {
        let mut callee = callee(Behaviour::Forks { after: Duration::ZERO });
        let mut out = Vec::new();
        callee.received(&from_us("INVITE", ""), at(0), &mut out);
        callee.timed_out(at(100), &mut out);
        let answers: Vec<_> = out.iter().filter(|text| text.starts_with("SIP/2.0 200 ")).collect();
        assert!(answers.len() == 2 && header(answers[0], "To") != header(answers[1], "To"));
    }
}
