//! Requests that come to a persona.

use super::{
    call::{Call, Repeated, Stage},
    digest,
    event::Event,
    far_end::FarEnd,
    real::{key, now, random},
    script::{Act, OnRefer},
    session,
    text::{Message, response, uri_of},
};
use std::net::SocketAddr;

/// What it can do.
const ALLOW: &str = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY\r\n";

impl FarEnd {
    pub(crate) fn asked(&mut self, from: SocketAddr, request: &Message) {
        let method = request.method().unwrap_or_default().to_owned();
        if method != "ACK" && method != "CANCEL" && !self.lets_in(from, request) {
            return;
        }
        let own_tag = request.tag("To");
        match method.as_str() {
            "INVITE" if own_tag.is_empty() => self.invited(from, request),
            "CANCEL" => self.cancelled(from, request),
            "ACK" => self.acknowledged(request),
            _ => {
                let id = request.header("Call-ID").unwrap_or_default();
                let found = self.calls.iter().position(|call| call.id == id && call.local_tag == own_tag);
                match found {
                    Some(at) => self.asked_in_call(at, from, request, &method),
                    None if method == "OPTIONS" => self.answer_once(from, request, "200 OK", ALLOW),
                    None => self.answer_once(from, request, "481 Call/Transaction Does Not Exist", ""),
                }
            }
        }
    }

    fn answer_once(&mut self, to: SocketAddr, request: &Message, status: &str, headers: &str) {
        let tag = self.fresh();
        let text = response(request, status, &tag, headers, "");
        self.send(to, &text);
    }

    /// Whether a request may come in; it is challenged otherwise.
    fn lets_in(&mut self, from: SocketAddr, request: &Message) -> bool {
        let Some(challenge) = self.script.challenge.clone() else { return true };
        let method = request.method().unwrap_or_default().to_owned();
        if !challenge.methods.iter().any(|m| m.eq_ignore_ascii_case(&method)) {
            return true;
        }
        let mut stale = false;
        if let Some(credentials) = digest::credentials(&challenge, request) {
            let known = self.nonces.iter().any(|nonce| *nonce == digest::nonce(credentials));
            let ok = known && digest::is_right(&challenge, request, credentials);
            self.tell(Event::Authorized { at_ms: self.at_ms(), method: method.clone(), ok });
            stale = ok && challenge.stale && !self.was_stale;
            self.was_stale |= stale;
            if ok && !stale {
                return true;
            }
            if stale {
                self.nonces.clear();
            }
        }
        let nonce = format!("{:016x}", random());
        self.nonces.push(nonce.clone());
        let headers = digest::lines(&challenge, &nonce, stale);
        let status = if challenge.status == 407 { "407 Proxy Authentication Required" } else { "401 Unauthorized" };
        self.answer_once(from, request, status, &headers);
        false
    }

    fn invited(&mut self, from: SocketAddr, request: &Message) {
        let branch = request.branch();
        let again: Vec<String> = self
            .calls
            .iter()
            .filter(|call| !call.is_caller && call.invite.branch() == branch && call.invite.cseq() == request.cseq())
            .map(|call| call.answer.clone().unwrap_or_default())
            .collect();
        if !again.is_empty() {
            again.iter().filter(|text| !text.is_empty()).for_each(|text| self.send(from, text));
            return;
        }
        let own = self.host().to_string();
        for fork in 0..self.script.forks.max(1) {
            let tag = self.fresh();
            let to = request.header("To").unwrap_or_default();
            let routes = request.all("Record-Route").into_iter().filter(|r| !r.contains(&own)).map(str::to_owned);
            let contact = request.header("Contact").unwrap_or_default();
            let mut call = Call {
                id: request.header("Call-ID").unwrap_or_default().into(),
                stage: Stage::Ringing,
                is_caller: false,
                local: format!("{to};tag={tag}"),
                local_tag: tag,
                remote: request.header("From").unwrap_or_default().into(),
                target: uri_of(contact).into(),
                routes: routes.collect(),
                cseq: 100,
                source: from,
                invite: request.clone(),
                answer: None,
                repeated: None,
                asked: Vec::new(),
                cues: Vec::new(),
                voice: None,
                key: key(),
                codecs: self.script.codecs.clone(),
                direction: "sendrecv".into(),
                version: 0,
                seen: Vec::new(),
                owes_answer: false,
                reliable: 0,
                is_authorized: false,
            };
            call.cue(now(), &self.script.answer);
            // Branches do not answer in the same moment.
            for (at, _) in &mut call.cues {
                *at += std::time::Duration::from_millis(60) * u32::try_from(fork).unwrap_or(0);
            }
            self.calls.push(call);
        }
    }

    fn cancelled(&mut self, from: SocketAddr, request: &Message) {
        let branch = request.branch().to_owned();
        let found: Vec<usize> = (0..self.calls.len())
            .filter(|at| self.calls.get(*at).is_some_and(|c| !c.is_caller && c.invite.branch() == branch))
            .collect();
        if found.is_empty() {
            return self.answer_once(from, request, "481 Call/Transaction Does Not Exist", "");
        }
        self.answer_once(from, request, "200 OK", "");
        for at in found {
            if self.calls.get(at).is_some_and(|call| call.stage == Stage::Ringing) {
                self.perform(at, Act::Refuse { status: "487 Request Terminated".into(), headers: String::new() });
            }
        }
    }

    fn acknowledged(&mut self, request: &Message) {
        let (id, tag) = (request.header("Call-ID").unwrap_or_default(), request.tag("To"));
        let found = self.calls.iter().position(|call| call.id == id && call.local_tag == tag);
        let Some(at) = found else { return };
        let Some(call) = self.calls.get_mut(at) else { return };
        call.repeated = None;
        match call.stage {
            Stage::Refused => self.end(at),
            Stage::Answered => {
                let owed = std::mem::take(&mut call.owes_answer);
                if owed && let Some(theirs) = session::read(&request.body, self.script.encrypts) {
                    self.agree_as_offerer(at, &theirs);
                }
                self.is_up(at);
            }
            Stage::Up => {
                let Some(call) = self.calls.get_mut(at) else { return };
                let owed = std::mem::take(&mut call.owes_answer);
                if owed && let Some(theirs) = session::read(&request.body, self.script.encrypts) {
                    self.agree_as_offerer(at, &theirs);
                }
            }
            Stage::Ringing | Stage::Over => {}
        }
    }

    fn asked_in_call(&mut self, at: usize, from: SocketAddr, request: &Message, method: &str) {
        let key = format!("{}{method}", request.branch());
        let Some(call) = self.calls.get_mut(at) else { return };
        call.source = from;
        if let Some((_, text)) = call.seen.iter().find(|(held, _)| *held == key) {
            let text = text.clone();
            return self.send(from, &text);
        }
        if let Some(contact) = request.header("Contact")
            && matches!(method, "INVITE" | "UPDATE")
        {
            call.target = uri_of(contact).into();
        }
        let (status, headers, body) = match method {
            "INVITE" => self.reinvited(at, request),
            "UPDATE" if !request.body.is_empty() => self.reinvited(at, request),
            "REFER" => self.referred(at, request),
            "INFO" => {
                self.informed(at, request);
                Default::default()
            }
            _ => Default::default(),
        };
        let status = if status.is_empty() { "200 OK".to_owned() } else { status };
        let mut headers = headers;
        if matches!(method, "INVITE" | "UPDATE") {
            headers.push_str(&format!("Contact: {}\r\n{ALLOW}", self.contact()));
            if let Some(expires) = request.header("Session-Expires") {
                headers.push_str(&format!("Session-Expires: {expires}\r\nSupported: timer\r\nRequire: timer\r\n"));
            }
        }
        if !body.is_empty() {
            headers.push_str("Content-Type: application/sdp\r\n");
        }
        let text = response(request, &status, "", &headers, &body);
        self.send(from, &text);
        let cues = match (&self.script.on_refer, method) {
            (OnRefer::Accept(cues), "REFER") => cues.clone(),
            _ => Vec::new(),
        };
        let Some(call) = self.calls.get_mut(at) else { return };
        call.seen.push((key, text.clone()));
        call.cue(now(), &cues);
        if method == "INVITE" {
            call.repeated = Some(Repeated::new(text, from, now()));
        }
        if method == "BYE" {
            self.end(at);
        }
    }

    /// An offer in the call, or a question for one.
    fn reinvited(&mut self, at: usize, request: &Message) -> (String, String, String) {
        let Some(call) = self.calls.get_mut(at) else { return Default::default() };
        if call.asked.iter().any(|asked| matches!(asked.method.as_str(), "INVITE" | "UPDATE")) {
            return ("491 Request Pending".into(), String::new(), String::new());
        }
        if request.body.is_empty() {
            call.owes_answer = true;
            let offer = self.offer(at);
            return (String::new(), String::new(), offer);
        }
        match session::read(&request.body, self.script.encrypts).and_then(|theirs| self.answer_offer(at, &theirs)) {
            Some(answer) => (String::new(), String::new(), answer),
            None => ("488 Not Acceptable Here".into(), String::new(), String::new()),
        }
    }

    fn referred(&mut self, _: usize, request: &Message) -> (String, String, String) {
        let value = request.header("Refer-To").unwrap_or_default().to_owned();
        self.tell(Event::ReferTo { at_ms: self.at_ms(), value });
        match &self.script.on_refer {
            OnRefer::Refuse(status) => (status.clone(), String::new(), String::new()),
            OnRefer::Accept(_) => ("202 Accepted".into(), format!("Contact: {}\r\n", self.contact()), String::new()),
        }
    }

    /// A digit in an INFO.
    fn informed(&mut self, at: usize, request: &Message) {
        let signal = request.body.lines().find_map(|line| line.trim().strip_prefix("Signal=")).map(str::trim);
        let is_bare = request
            .header("Content-Type")
            .is_some_and(|kind| kind.starts_with("application/dtmf") && !kind.contains("relay"));
        let digit = signal.or(is_bare.then_some(request.body.trim())).unwrap_or_default().to_owned();
        if let Some(voice) = self.calls.get_mut(at).and_then(|call| call.voice.as_mut())
            && !digit.is_empty()
        {
            voice.digits.push_str(&digit);
            let value = voice.digits.clone();
            self.tell(Event::Digits { at_ms: self.at_ms(), value });
        }
    }
}
