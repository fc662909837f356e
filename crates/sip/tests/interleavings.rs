//! Calls of ours against a far end that answers whatever it likes, whenever it likes: nothing panics,
//! each INVITE has one outcome, and nothing is left in the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod far_end;

use bytes::Bytes;
use far_end::{Bench, answer, flow_to, outgoing, request_to_us};
use std::collections::BTreeMap;
use trunkline_sip::{ClientId, Credentials, DialogId, Event, Message, flow::Received};
use trunkline_types::Random;

struct Play {
    bench: Bench,
    random: Random,
    client: ClientId,
    dialogs: Vec<DialogId>,
    cseq: u32,
}

const STATUSES: [&str; 12] = [
    "100 Trying",
    "180 Ringing",
    "183 Session Progress",
    "200 OK",
    "202 Accepted",
    "302 Moved",
    "401 Unauthorized",
    "407 Proxy Authentication Required",
    "486 Busy Here",
    "487 Request Terminated",
    "491 Request Pending",
    "603 Decline",
];

impl Play {
    fn new(seed: u64) -> Self {
        let (mut bench, mut random) = (Bench::new(), Random::from_number(seed));
        let mut call = outgoing();
        if random.below(2) == 0 {
            let peers = vec!["10.0.0.2".parse().unwrap()];
            call.credentials = Some(Credentials { username: "u".into(), password: "p".into(), peers });
        }
        let client = bench.invite(call);
        Self { bench, random, client, dialogs: Vec::new(), cseq: 0 }
    }

    fn chance(&mut self, of: u64) -> bool {
        self.random.below(of) == 0
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let at = self.random.below(all.len() as u64) as usize;
        all.get(at).cloned()
    }

    fn step(&mut self) {
        match self.random.below(12) {
            0..=5 => self.far_end_answers(),
            6 => self.far_end_asks(),
            7 => {
                let millis = self.bench.millis() + self.random.below(9_000);
                self.bench.run_until(millis);
            }
            8 if self.chance(3) => {
                let client = self.client.clone();
                self.bench.cancel(&client);
            }
            9 if self.chance(3) => {
                let client = self.client.clone();
                self.bench.retarget(&client, flow_to("10.0.0.3:5060"));
            }
            10 => self.we_ask(),
            _ if self.chance(20) => self.bench.closed(&flow_to("10.0.0.2:5060")),
            _ => {}
        }
        let fresh: Vec<_> = self.bench.events.iter().filter_map(|(_, event)| dialog_of(event)).collect();
        self.dialogs = fresh;
    }

    fn far_end_answers(&mut self) {
        let asked: Vec<_> = self.bench.texts().into_iter().filter(|t| !t.starts_with("SIP/2.0")).collect();
        let (Some(request), Some(status)) = (self.one_of(&asked), self.one_of(&STATUSES)) else { return };
        let tag = self.one_of(&["a", "b", "c", ""]).unwrap_or_default();
        let mut extra = String::from("Contact: <sip:x@10.0.0.2>\r\n");
        if self.chance(3) {
            extra.push_str(&format!("Require: 100rel\r\nRSeq: {}\r\n", self.random.below(4)));
        }
        if status.starts_with('4') {
            let nonce = self.random.below(9);
            let name = if status.starts_with("401") { "WWW" } else { "Proxy" };
            let stale = if self.chance(2) { ", stale=true" } else { "" };
            extra.push_str(&format!("{name}-Authenticate: Digest realm=\"r\", nonce=\"{nonce}\"{stale}\r\n"));
        }
        let text = answer(&request, status, tag, &extra);
        self.deliver(text);
    }

    /// Now and then with a byte that is not its own.
    fn deliver(&mut self, text: String) {
        let mut bytes = text.into_bytes();
        if self.chance(8) {
            let at = self.random.below(bytes.len() as u64) as usize;
            bytes[at] = self.random.below(256) as u8;
        }
        let raw = Bytes::from(bytes);
        let received =
            Received { flow: self.bench.from, at: self.bench.now, message: Message::parse(raw.clone()), raw };
        self.bench.doing(|stack, now, out| stack.handle(&received, now, out));
    }

    fn far_end_asks(&mut self) {
        let methods = ["INVITE", "BYE", "UPDATE", "PRACK", "REFER", "NOTIFY", "INFO", "ACK", "CANCEL"];
        let (Some(method), Some(tag)) = (self.one_of(&methods), self.one_of(&["a", "b", "c"])) else { return };
        self.cseq += self.random.below(3) as u32;
        let branch = format!("r{}", self.random.below(1_000));
        self.deliver(request_to_us(method, self.cseq, &branch, "ours", tag, "RAck: 1 1 INVITE\r\n"));
        // A byte that is not its own may have made another call of it.
        if let Some((_, Event::Invite { invite, .. })) = self.bench.events.last().cloned() {
            self.bench.doing(|stack, now, out| stack.reject(&invite, "no", 403, "Forbidden", &[], now, out));
        }
        if let Some((_, Event::Request { request, .. })) = self.bench.events.last().cloned() {
            self.bench.doing(|stack, now, out| stack.respond(&request, 200, "OK", &[], None, now, out));
        }
        if let Some((_, Event::Reinvite { invite, .. })) = self.bench.events.last().cloned() {
            self.bench.doing(|stack, now, out| stack.answer(&invite, "ours", &[], None, now, out));
        }
    }

    fn we_ask(&mut self) {
        let dialogs = self.dialogs.clone();
        let Some(dialog) = self.one_of(&dialogs) else { return };
        match self.random.below(4) {
            0 => self.bench.acknowledge(&dialog),
            1 => drop(self.bench.reinvite(&dialog)),
            2 => drop(self.bench.request(&dialog, "UPDATE")),
            _ => drop(self.bench.request(&dialog, "INFO")),
        }
    }

    fn finish(mut self, seed: u64) {
        let client = self.client.clone();
        self.bench.cancel(&client);
        let end = self.bench.millis() + 600_000;
        self.bench.run_until(end);
        let mut outcomes: BTreeMap<ClientId, usize> = BTreeMap::new();
        for (_, event) in &self.bench.events {
            if let Event::Answered { client, .. }
            | Event::Refused { client, .. }
            | Event::Failed { client, .. }
            | Event::Response { client, .. } = event
            {
                *outcomes.entry(client.clone()).or_default() += 1;
            }
        }
        assert_eq!(outcomes.get(&client), Some(&1), "seed {seed}: {:?}", self.bench.sent);
        assert!(outcomes.values().all(|n| *n == 1), "seed {seed}");
        let dialogs: Vec<_> = self.bench.events.iter().filter_map(|(_, event)| dialog_of(event)).collect();
        for dialog in dialogs {
            self.bench.stack.forget(&dialog);
        }
        assert_eq!(self.bench.stack.counts(), Default::default(), "seed {seed}: {:?}", self.bench.stack);
    }
}

fn dialog_of(event: &Event) -> Option<DialogId> {
    match event {
        Event::Answered { dialog, .. } => Some(dialog.clone()),
        _ => None,
    }
}

#[test]
fn every_call_has_one_outcome_and_nothing_is_left() {
    for seed in 0..3_000 {
        let mut play = Play::new(seed);
        for _ in 0..40 {
            play.step();
        }
        play.finish(seed);
    }
}
