//! Requests that a persona sends, and the answers to them.

use super::{
    call::{Call, Repeated, Stage},
    digest,
    far_end::FarEnd,
    real::{key, now},
    script::Act,
    session,
    text::{Message, refresher, uri_of},
};
use std::time::Duration;

impl FarEnd {
    /// Calls whom it is to call.
    pub(crate) fn dial(&mut self) {
        let Some((server, number)) = self.plan.call.clone() else { return };
        let (tag, id) = (self.fresh(), self.fresh());
        let from = self.plan.settings.text("from", "+15550100001");
        let transport = match self.plan.transport.name() {
            "udp" => String::new(),
            name => format!(";transport={name}"),
        };
        let call = Call {
            id: format!("{id}@{}", self.ip()),
            stage: Stage::Ringing,
            is_caller: true,
            local: format!("<sip:{from}@{}>;tag={tag}", self.host()),
            local_tag: tag,
            remote: format!("<sip:{number}@{server}>"),
            target: format!("sip:{number}@{server}{transport}"),
            routes: Vec::new(),
            cseq: 0,
            source: server,
            invite: Message::default(),
            answer: None,
            repeated: None,
            asked: Vec::new(),
            cues: Vec::new(),
            voice: self.voice(),
            key: key(),
            codecs: self.script.codecs.clone(),
            direction: "sendrecv".into(),
            version: 0,
            seen: Vec::new(),
            owes_answer: false,
            reliable: 0,
            is_authorized: false,
        };
        self.calls.push(call);
        self.invite(self.calls.len() - 1, "");
    }

    fn invite(&mut self, at: usize, credentials: &str) {
        let offer = if self.script.offers { self.offer(at) } else { String::new() };
        let mut headers = self.script.headers.clone() + &self.record_routes() + credentials;
        headers
            .push_str("Supported: timer, replaces\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, INFO, REFER, NOTIFY\r\n");
        if let Some(timer) = self.script.timer {
            let who = if timer.is_ours { "uac" } else { "uas" };
            headers.push_str(&format!("Session-Expires: {};refresher={who}\r\n", timer.expires));
        }
        if !offer.is_empty() {
            headers.push_str("Content-Type: application/sdp\r\n");
        }
        self.ask(at, "INVITE", &headers, &offer);
        let cues = self.script.dialled.clone();
        if let Some(call) = self.calls.get_mut(at) {
            let sent = call.asked.last().and_then(|asked| Message::parse(&asked.text));
            call.invite = sent.unwrap_or_default();
            call.cue(now(), &cues);
        }
    }

    pub(crate) fn cancel(&mut self, at: usize) {
        let Some(call) = self.calls.get_mut(at).filter(|call| call.is_caller && call.stage == Stage::Ringing) else {
            return;
        };
        let (number, branch, to) = (call.invite.cseq().0, call.invite.branch().to_owned(), call.source);
        call.asked.iter_mut().for_each(|asked| asked.is_quiet = true);
        let text = self.request(at, "CANCEL", Some((number, &branch)), "", "");
        self.send(to, &text);
        if let Some(call) = self.calls.get_mut(at) {
            call.asked.push(Repeated::new(text, to, now()));
        }
    }

    pub(crate) fn hang_up(&mut self, at: usize) {
        self.ask(at, "BYE", "", "");
        self.end(at);
    }

    /// A response came.
    pub(crate) fn answered(&mut self, message: &Message, status: u16) {
        let (branch, method) = (message.branch(), message.cseq().1);
        let (id, tag) = (message.header("Call-ID").unwrap_or_default(), message.tag("From"));
        let Some(at) = self.calls.iter().position(|call| call.id == id && call.local_tag == tag) else { return };
        let Some(call) = self.calls.get_mut(at) else { return };
        let asked = call.asked.iter().position(|asked| asked.branch == branch && asked.method == method);
        if method == "INVITE" {
            return self.invite_answered(at, asked, message, status);
        }
        let Some(asked) = asked.filter(|_| status >= 200) else { return };
        let asked = call.asked.remove(asked);
        match method {
            "UPDATE" => {
                if status == 491 {
                    call.cue(now(), &[(Duration::from_millis(2_300), Act::Update)]);
                }
                self.refreshed(at, status);
            }
            _ if matches!(status, 401 | 407) => self.ask_again(at, &asked, message),
            _ => {}
        }
    }

    fn invite_answered(&mut self, at: usize, asked: Option<usize>, message: &Message, status: u16) {
        let is_first = asked.is_some();
        let Some(call) = self.calls.get_mut(at) else { return };
        if status < 200 {
            if let Some(asked) = asked.and_then(|asked| call.asked.get_mut(asked)) {
                asked.is_quiet = true;
            }
            if let Some(theirs) = session::read(&message.body, self.script.encrypts).filter(|_| self.script.offers) {
                self.agree_as_offerer(at, &theirs);
            }
            return;
        }
        let asked = asked.map(|asked| call.asked.remove(asked));
        if status >= 300 {
            return self.invite_refused(at, asked, message, status);
        }
        let is_begin = call.stage == Stage::Ringing;
        if is_begin {
            let own = format!("{}:{}", self.ip(), self.host().port());
            let routes = message.all("Record-Route").into_iter().rev().filter(|r| !r.contains(&own)).map(str::to_owned);
            if let Some(call) = self.calls.get_mut(at) {
                call.routes = routes.collect();
                call.remote = message.header("To").unwrap_or_default().into();
            }
        }
        if let Some((call, contact)) = self.calls.get_mut(at).zip(message.header("Contact")) {
            call.target = uri_of(contact).into();
        }
        let mut body = String::new();
        if is_first && let Some(theirs) = session::read(&message.body, self.script.encrypts) {
            if is_begin && !self.script.offers {
                body = self.answer_offer(at, &theirs).unwrap_or_default();
                if let Some(call) = self.calls.get_mut(at) {
                    call.answer = Some(body.clone());
                }
            } else {
                self.agree_as_offerer(at, &theirs);
            }
        } else if !is_first && !self.script.offers {
            body = self.calls.get(at).and_then(|call| call.answer.clone()).unwrap_or_default();
        }
        self.acknowledge(at, message, &body);
        if is_begin {
            let is_ours = message.header("Session-Expires").and_then(refresher).map(|who| who == "uac");
            if let (Some(timer), Some(is_ours)) = (&mut self.script.timer, is_ours) {
                timer.is_ours = is_ours;
            }
            self.is_up(at);
        } else if is_first {
            self.refreshed(at, status);
        }
    }

    fn invite_refused(&mut self, at: usize, asked: Option<Repeated>, message: &Message, status: u16) {
        let branch = message.branch().to_owned();
        let Some(call) = self.calls.get_mut(at) else { return };
        let (to, before) = (call.source, call.remote.clone());
        // The ACK of a refusal is of the INVITE's transaction, and its To is that of the refusal.
        let to = asked.as_ref().map_or(to, |asked| asked.to);
        call.remote = message.header("To").unwrap_or_default().into();
        let ack = self.request(at, "ACK", Some((message.cseq().0, &branch)), "", "");
        self.send(to, &ack);
        let Some(call) = self.calls.get_mut(at) else { return };
        call.remote = before;
        let Some(asked) = asked else { return };
        if call.stage != Stage::Ringing {
            if status == 491 {
                call.cue(now(), &[(Duration::from_millis(2_300), Act::Reinvite { direction: None, codecs: None })]);
            } else if matches!(status, 401 | 407) {
                self.ask_again(at, &asked, message);
            }
            return;
        }
        let credentials = self.script.credentials.clone().filter(|_| matches!(status, 401 | 407));
        let again = credentials.filter(|_| !call.is_authorized).and_then(|(user, password)| {
            let sent = Message::parse(&asked.text)?;
            digest::answer(message, &user, &password, "INVITE", sent.uri(), &sent.body)
        });
        match again {
            Some(line) => {
                call.is_authorized = true;
                // The same offer goes out again, under its own version.
                call.version = call.version.saturating_sub(1);
                call.cues.clear();
                self.invite(at, &line);
            }
            None => self.end(at),
        }
    }

    /// The same request with credentials, once.
    fn ask_again(&mut self, at: usize, asked: &Repeated, message: &Message) {
        let Some((user, password)) = self.script.credentials.clone() else { return };
        let Some(sent) = Message::parse(&asked.text) else { return };
        if sent.header("Authorization").or(sent.header("Proxy-Authorization")).is_some() {
            return;
        }
        let line = digest::answer(message, &user, &password, &asked.method, sent.uri(), &sent.body);
        let own = ["via", "max-forwards", "route", "from", "to", "call-id", "cseq", "contact", "content-length"];
        let kept = sent.headers.iter().filter(|(name, _)| !own.contains(&name.to_ascii_lowercase().as_str()));
        let headers: String = kept.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        if let Some(line) = line {
            self.ask(at, &asked.method, &(headers + &line), &sent.body);
        }
    }

    fn acknowledge(&mut self, at: usize, message: &Message, body: &str) {
        let Some(to) = self.next_hop(at) else { return };
        let headers = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let ack = self.request(at, "ACK", Some((message.cseq().0, "")), headers, body);
        self.send(to, &ack);
    }

    /// A refresh of ours was answered: the next one is due.
    fn refreshed(&mut self, at: usize, status: u16) {
        let Some(timer) = self.script.timer.filter(|timer| timer.is_ours && status < 300) else { return };
        if let Some(call) = self.calls.get_mut(at)
            && !call
                .cues
                .iter()
                .any(|(_, act)| matches!(act, Act::Update | Act::Reinvite { direction: None, codecs: None }))
        {
            call.cue(now(), &[(timer.after, timer.refresh())]);
        }
    }
}
