//! A far end of flesh and sockets: it waits for calls or makes them, and plays its script.

use super::{
    call::{Call, Repeated, Stage},
    event::Event,
    plan::Plan,
    player::Player,
    real::{now, random},
    script::Script,
    text::{Message, address_of, uri_of},
    voice::Voice,
    wire::Wire,
};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::mpsc::Sender,
    time::{Duration, Instant},
};

/// What is sent again is answered for so long after the last call.
const LINGER: Duration = Duration::from_millis(400);

/// See the module.
pub(crate) struct FarEnd {
    pub(crate) plan: Plan,
    pub(crate) script: Script,
    pub(crate) wire: Wire,
    pub(crate) calls: Vec<Call>,
    pub(crate) nonces: Vec<String>,
    pub(crate) was_stale: bool,
    /// Tells this run from others, and its tags and branches from each other.
    run: String,
    numbers: u64,
    began: Instant,
    events: Sender<Event>,
    dialled: u32,
    over: u32,
    last_over: Option<Instant>,
    ending: Option<Instant>,
}

impl FarEnd {
    pub(crate) fn new(plan: Plan, script: Script, wire: Wire, events: Sender<Event>) -> Self {
        Self {
            plan,
            script,
            wire,
            calls: Vec::new(),
            nonces: Vec::new(),
            was_stale: false,
            run: format!("{:08x}", random() as u32),
            numbers: 0,
            began: now(),
            events,
            dialled: 0,
            over: 0,
            last_over: None,
            ending: None,
        }
    }

    pub(crate) fn at_ms(&self) -> u64 {
        u64::try_from(now().duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn tell(&self, event: Event) {
        // Who does not listen any more misses nothing.
        let _ = self.events.send(event);
    }

    /// A word that was not used before.
    pub(crate) fn fresh(&mut self) -> String {
        self.numbers += 1;
        format!("{}{}", self.run, self.numbers)
    }

    /// The address it has in URIs and descriptions.
    pub(crate) fn ip(&self) -> IpAddr {
        let ip = self.wire.local().ip();
        if ip.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { ip }
    }

    pub(crate) fn host(&self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.wire.local().port())
    }

    pub(crate) fn contact(&self) -> String {
        format!("<sip:{}@{};transport={}>", self.plan.name, self.host(), self.plan.transport.name())
    }

    pub(crate) fn send(&mut self, to: SocketAddr, text: &str) {
        self.tell(Event::Sent { at_ms: self.at_ms(), to: to.to_string(), text: text.to_owned() });
        // What cannot be sent is sent again, or missed by who waits for it.
        let _ = self.wire.send(to, text);
    }

    pub(crate) fn voice(&self) -> Option<Voice> {
        Voice::new(self.ip(), self.script.says.clone()).ok()
    }

    /// Where a request of a call goes next.
    pub(crate) fn next_hop(&self, at: usize) -> Option<SocketAddr> {
        let call = self.calls.get(at)?;
        if self.wire.is_reliable() && self.wire.is_connected(call.source) {
            return Some(call.source);
        }
        let uri = call.routes.first().map_or(call.target.as_str(), |route| uri_of(route));
        Some(address_of(uri).unwrap_or(call.source))
    }

    /// A request of a call; the branch and the number are new unless they are given.
    pub(crate) fn request(
        &mut self,
        at: usize,
        method: &str,
        of: Option<(u32, &str)>,
        headers: &str,
        body: &str,
    ) -> String {
        let (branch, contact, host) = (self.fresh(), self.contact(), self.host());
        let via = self.plan.transport.name().to_ascii_uppercase();
        let Some(call) = self.calls.get_mut(at) else { return String::new() };
        let (number, branch) = match of {
            Some((number, branch)) if !branch.is_empty() => (number, branch.to_owned()),
            Some((number, _)) => (number, format!("z9hG4bK{branch}")),
            None => {
                call.cseq += 1;
                (call.cseq, format!("z9hG4bK{branch}"))
            }
        };
        let routes: String = call.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let Call { id, local, remote, target, .. } = call;
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{via} {host};branch={branch};rport\r\nMax-Forwards: 70\r\n{routes}\
             From: {local}\r\nTo: {remote}\r\nCall-ID: {id}\r\nCSeq: {number} {method}\r\nContact: {contact}\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Sends a request of a call until it is answered.
    pub(crate) fn ask(&mut self, at: usize, method: &str, headers: &str, body: &str) {
        let Some(to) = self.next_hop(at) else { return };
        let text = self.request(at, method, None, headers, body);
        self.send(to, &text);
        let repeated = Repeated::new(text, to, now());
        if let Some(call) = self.calls.get_mut(at) {
            call.asked.push(repeated);
        }
    }

    fn receive(&mut self) {
        for (from, text) in self.wire.receive() {
            if text.trim().is_empty() {
                continue;
            }
            self.tell(Event::Received { at_ms: self.at_ms(), from: from.to_string(), text: text.clone() });
            let Some(message) = Message::parse(&text) else { continue };
            match message.status() {
                Some(status) => self.answered(&message, status),
                None => self.asked(from, &message),
            }
        }
    }

    fn repeat(&mut self, now: Instant) {
        let is_reliable = self.wire.is_reliable();
        for at in 0..self.calls.len() {
            let (mut again, mut gave_up) = (Vec::new(), false);
            if let Some(call) = self.calls.get_mut(at) {
                // A 200 is sent again over every transport (RFC 3261 §13.3.1.4).
                let insists = call.stage == Stage::Answered || !is_reliable;
                if let Some(repeated) = &mut call.repeated
                    && insists
                    && repeated.is_due(now)
                {
                    again.push((repeated.to, repeated.text.clone()));
                }
                gave_up |= call.repeated.as_ref().is_some_and(|r| now >= r.until);
                for asked in call.asked.iter_mut().filter(|_| !is_reliable) {
                    if asked.is_due(now) {
                        again.push((asked.to, asked.text.clone()));
                    }
                }
                gave_up |= call.asked.iter().any(|asked| now >= asked.until && !asked.is_quiet);
                call.asked.retain(|asked| now < asked.until || asked.is_quiet);
            }
            for (to, text) in again {
                self.send(to, &text);
            }
            if gave_up {
                self.end(at);
            }
        }
    }

    fn voices(&mut self, now: Instant) {
        let at_ms = self.at_ms();
        for call in &mut self.calls {
            let Some(voice) = call.voice.as_mut().filter(|_| call.stage != Stage::Over) else { continue };
            voice.speak(now);
            if voice.listen() {
                let _ = self.events.send(Event::Digits { at_ms, value: voice.digits.clone() });
            }
            if let Some(second) = voice.last_second(now) {
                let (packets_in, peak, hz) = (second.packets, second.peak, second.hz);
                let _ = self.events.send(Event::Heard { at_ms, packets_in, peak, hz });
            }
        }
    }

    /// A call is over; told once.
    pub(crate) fn end(&mut self, at: usize) {
        let (at_ms, over) = (self.at_ms(), self.over);
        let record = self.plan.record.clone();
        let Some(call) = self.calls.get_mut(at).filter(|call| call.stage != Stage::Over) else { return };
        call.stage = Stage::Over;
        (call.repeated, call.cues) = (None, Vec::new());
        call.asked.retain(|asked| asked.method == "BYE");
        let call_id = call.id.clone();
        let mut counters = (0, 0, 0);
        if let Some(voice) = &mut call.voice {
            voice.listen();
            counters = (voice.packets_in, voice.packets_out, voice.peak);
            if let Some(path) = record {
                let path = if over == 0 { path } else { path.with_extension(format!("{over}.wav")) };
                if let Err(why) = voice.recording().write(&path) {
                    tracing::error!(%why, "a recording could not be written");
                }
            }
        }
        call.voice = None;
        self.over += 1;
        self.last_over = Some(now());
        let (packets_in, packets_out, peak) = counters;
        self.tell(Event::Over { at_ms, call_id, packets_in, packets_out, peak });
    }

    /// Both sides have the call.
    pub(crate) fn is_up(&mut self, at: usize) {
        let (now, at_ms) = (now(), self.at_ms());
        let (cues, timer) = (self.script.up.clone(), self.script.timer);
        let Some(call) = self.calls.get_mut(at) else { return };
        call.stage = Stage::Up;
        call.cue(now, &cues);
        if let Some(timer) = timer.filter(|timer| timer.is_ours) {
            call.cue(now, &[(timer.after, timer.refresh())]);
        }
        let call_id = call.id.clone();
        self.tell(Event::Up { at_ms, call_id });
    }

    /// Ends what runs: it has been told to, or its time is up.
    fn give_up(&mut self) {
        for at in 0..self.calls.len() {
            match self.calls.get(at).map(|call| (call.stage, call.is_caller)) {
                Some((Stage::Up | Stage::Answered, _)) => self.hang_up(at),
                Some((Stage::Ringing, true)) => self.cancel(at),
                _ => {}
            }
        }
    }
}

impl Player for FarEnd {
    fn turn(&mut self, is_stopped: bool) -> bool {
        let now = now();
        if self.ending.is_none() && (is_stopped || self.plan.limit.is_some_and(|l| now.duration_since(self.began) >= l))
        {
            self.ending = Some(now);
            self.give_up();
        }
        let wanted = self.plan.calls.saturating_mul(u32::try_from(self.script.forks).unwrap_or(1));
        let runs = self.calls.iter().any(|call| call.stage != Stage::Over);
        if self.plan.call.is_some()
            && self.ending.is_none()
            && !runs
            && (self.plan.calls == 0 || self.dialled < self.plan.calls)
        {
            self.dialled += 1;
            self.dial();
        }
        self.receive();
        for at in 0..self.calls.len() {
            let due = self.calls.get_mut(at).map(|call| call.due(now)).unwrap_or_default();
            for act in due {
                self.perform(at, act);
            }
        }
        self.repeat(now);
        self.voices(now);
        let lingers = self.last_over.is_some_and(|at| now.duration_since(at) < LINGER)
            || self.calls.iter().any(|call| !call.asked.is_empty());
        if let Some(ending) = self.ending {
            return (runs || lingers) && now.duration_since(ending) < Duration::from_secs(2);
        }
        self.plan.calls == 0 || self.over < wanted || lingers
    }
}
