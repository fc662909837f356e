//! A persona does what its script says.

use super::{
    call::{Repeated, Stage},
    far_end::FarEnd,
    real::{now, random},
    script::Act,
    session::{self, Described, Own, answering},
    text::{response, supports},
    voice::Agreed,
};
use crate::callers::Codec;

impl FarEnd {
    pub(crate) fn perform(&mut self, at: usize, act: Act) {
        let Some(stage) = self.calls.get(at).map(|call| call.stage) else { return };
        match act {
            Act::Provisional { status, early } if stage == Stage::Ringing => self.provisional(at, &status, early),
            Act::Refuse { status, headers } if stage == Stage::Ringing => self.refuse(at, &status, &headers),
            Act::Answer if stage == Stage::Ringing => self.answer(at),
            Act::Cancel => self.cancel(at),
            Act::Bye if stage == Stage::Up => self.hang_up(at),
            Act::Reinvite { direction, codecs } if stage == Stage::Up => self.reinvite(at, direction, codecs),
            Act::Update if stage == Stage::Up => {
                let headers = self.refresh_headers();
                self.ask(at, "UPDATE", &headers, "");
            }
            Act::Press(digits) => {
                if let Some(voice) = self.calls.get_mut(at).and_then(|call| call.voice.as_mut()) {
                    voice.press(&digits);
                }
            }
            Act::Info(digit) if stage == Stage::Up => {
                let body = format!("Signal={digit}\r\nDuration=160\r\n");
                self.ask(at, "INFO", "Content-Type: application/dtmf-relay\r\n", &body);
            }
            Act::Refer(target) if stage == Stage::Up => {
                self.ask(at, "REFER", &format!("Refer-To: {target}\r\n"), "");
            }
            Act::Notify { fragment, last } if stage == Stage::Up => {
                let state = if last { "terminated;reason=noresource" } else { "active;expires=60" };
                let headers = format!(
                    "Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag;version=2.0\r\n"
                );
                self.ask(at, "NOTIFY", &headers, &fragment);
            }
            _ => {}
        }
    }

    /// The Record-Route headers of the proxies that it pretends to have before it.
    pub(crate) fn record_routes(&self) -> String {
        let host = self.host();
        let transport = self.plan.transport.name();
        (0..self.script.record_routes)
            .rev()
            .map(|n| format!("Record-Route: <sip:hop{n}@{host};transport={transport};lr>\r\n"))
            .collect()
    }

    /// An answer to the INVITE of a call, with what belongs to a dialog.
    fn respond(&mut self, at: usize, status: &str, headers: &str, body: &str) -> String {
        let (contact, routes) = (self.contact(), self.record_routes());
        let Some(call) = self.calls.get_mut(at) else { return String::new() };
        let theirs: String = call.invite.all("Record-Route").iter().map(|r| format!("Record-Route: {r}\r\n")).collect();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let lines = format!("{routes}{theirs}Contact: {contact}\r\n{headers}{kind}");
        let text = response(&call.invite, status, &call.local_tag, &lines, body);
        call.answer = Some(text.clone());
        let to = call.source;
        self.send(to, &text);
        text
    }

    fn provisional(&mut self, at: usize, status: &str, early: bool) {
        let mut headers = self.script.headers.clone();
        let mut body = String::new();
        if let Some(call) = self.calls.get_mut(at)
            && self.script.reliable
            && supports(&call.invite, "100rel")
        {
            call.reliable += 1;
            headers.push_str(&format!("Require: 100rel\r\nRSeq: {}\r\n", call.reliable));
        }
        if early {
            body = self.describe(at).unwrap_or_default();
        }
        self.respond(at, status, &headers, &body);
    }

    fn refuse(&mut self, at: usize, status: &str, headers: &str) {
        let headers = self.script.headers.clone() + headers;
        let text = self.respond(at, status, &headers, "");
        if let Some(call) = self.calls.get_mut(at) {
            call.stage = Stage::Refused;
            call.cues.clear();
            call.repeated = Some(Repeated { method: "response".into(), ..Repeated::new(text, call.source, now()) });
        }
    }

    fn answer(&mut self, at: usize) {
        let Some(body) = self.describe(at) else {
            return self.refuse(at, "488 Not Acceptable Here", "");
        };
        let mut headers = self.script.headers.clone();
        headers.push_str(
            "Allow: INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, INFO, REFER, NOTIFY\r\nSupported: timer, replaces\r\n",
        );
        if let Some(timer) = self.script.timer {
            let who = if timer.is_ours { "uas" } else { "uac" };
            headers.push_str(&format!("Session-Expires: {};refresher={who}\r\n", timer.expires));
            if !timer.is_ours {
                headers.push_str("Require: timer\r\n");
            }
        }
        if self.script.challenge.as_ref().is_some_and(|challenge| challenge.next_nonce) {
            let nonce = format!("{:016x}", random());
            headers.push_str(&format!("Authentication-Info: nextnonce=\"{nonce}\"\r\n"));
            self.nonces = vec![nonce];
        }
        let text = self.respond(at, "200 OK", &headers, &body);
        if let Some(call) = self.calls.get_mut(at) {
            call.stage = Stage::Answered;
            call.repeated = Some(Repeated { method: "response".into(), ..Repeated::new(text, call.source, now()) });
        }
    }

    /// What it says of its audio in answer to the INVITE: an answer, or an offer if there was none.
    fn describe(&mut self, at: usize) -> Option<String> {
        if self.calls.get(at).is_some_and(|call| call.voice.is_none()) {
            let voice = self.voice();
            self.calls.get_mut(at)?.voice = voice;
        }
        let body = self.calls.get(at)?.invite.body.clone();
        if body.is_empty() {
            self.calls.get_mut(at)?.owes_answer = true;
            return Some(self.offer(at));
        }
        let theirs = session::read(&body, self.script.encrypts)?;
        self.answer_offer(at, &theirs)
    }

    /// An offer of what the call speaks.
    pub(crate) fn offer(&mut self, at: usize) -> String {
        let encrypts = self.script.offers_encryption;
        let Some(call) = self.calls.get_mut(at) else { return String::new() };
        call.version += 1;
        let Some(rtp) = call.voice.as_ref().and_then(|voice| voice.local().ok()) else { return String::new() };
        let key = encrypts.then_some(call.key.as_slice());
        Own { rtp, version: call.version, direction: &call.direction, key }.offer(&call.codecs)
    }

    /// Answers an offer, and speaks accordingly; `None` if nothing in it can be spoken.
    pub(crate) fn answer_offer(&mut self, at: usize, theirs: &Described) -> Option<String> {
        let call = self.calls.get_mut(at)?;
        let (number, codec) = theirs.codecs.iter().copied().find(|(_, codec)| call.codecs.contains(codec))?;
        call.version += 1;
        let direction = answering(&theirs.direction, &call.direction);
        let key = theirs.crypto.as_ref().map(|_| call.key.as_slice());
        let rtp = call.voice.as_ref()?.local().ok()?;
        let answer = Own { rtp, version: call.version, direction, key }.answer(theirs, number, codec);
        self.agree(at, theirs, number, codec, direction);
        Some(answer)
    }

    /// Its own offer was answered.
    pub(crate) fn agree_as_offerer(&mut self, at: usize, theirs: &Described) {
        let Some(call) = self.calls.get(at) else { return };
        let direction = answering(&theirs.direction, &call.direction);
        if let Some((number, codec)) = theirs.codecs.first().copied() {
            self.agree(at, theirs, number, codec, direction);
        }
    }

    fn agree(&mut self, at: usize, theirs: &Described, number: u8, codec: Codec, direction: &str) {
        let Some(call) = self.calls.get_mut(at) else { return };
        let keys = theirs.crypto.as_ref().map(|(_, key)| (call.key.clone(), key.clone()));
        let agreed = Agreed {
            remote: theirs.address,
            codec,
            payload_type: number,
            event: theirs.event,
            sends: matches!(direction, "sendrecv" | "sendonly"),
            keys,
        };
        if let Some(voice) = &mut call.voice {
            voice.agree(agreed);
        }
    }

    fn refresh_headers(&self) -> String {
        self.script.timer.map_or_else(String::new, |timer| {
            // Who asks refreshes, as before (RFC 4028 §7.4).
            format!("Supported: timer\r\nSession-Expires: {};refresher=uac\r\n", timer.expires)
        })
    }

    fn reinvite(&mut self, at: usize, direction: Option<String>, codecs: Option<Vec<Codec>>) {
        if let Some(call) = self.calls.get_mut(at) {
            call.direction = direction.unwrap_or_else(|| call.direction.clone());
            call.codecs = codecs.unwrap_or_else(|| call.codecs.clone());
        }
        let offer = self.offer(at);
        let headers = self.refresh_headers() + "Content-Type: application/sdp\r\n";
        self.ask(at, "INVITE", &headers, &offer);
    }
}
