//! One call of a persona.

use super::{
    script::{Act, Cue},
    text::Message,
    voice::Voice,
};
use crate::callers::Codec;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// RFC 3261 §17.1.1.1.
pub(crate) const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Ringing,
    /// Answered, and the ACK is still to come.
    Answered,
    Up,
    /// Refused or cancelled, and the ACK is still to come.
    Refused,
    Over,
}

/// Something that is sent again until it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Repeated {
    pub(crate) text: String,
    pub(crate) to: SocketAddr,
    pub(crate) at: Instant,
    pub(crate) every: Duration,
    pub(crate) until: Instant,
    /// Of a request: its branch and method.
    pub(crate) branch: String,
    pub(crate) method: String,
    /// It is not sent again any more, but an answer is still to come.
    pub(crate) is_quiet: bool,
}

impl Repeated {
    pub(crate) fn new(text: String, to: SocketAddr, now: Instant) -> Self {
        let (branch, method) = Message::parse(&text)
            .map(|m| (m.branch().to_owned(), m.method().unwrap_or_default().to_owned()))
            .unwrap_or_default();
        Self { text, to, at: now + T1, every: T1, until: now + T1 * 64, branch, method, is_quiet: false }
    }

    /// Whether it is due; the next time is put off.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        if self.is_quiet || now < self.at {
            return false;
        }
        self.every = if self.method == "INVITE" { self.every * 2 } else { (self.every * 2).min(T2) };
        self.at = now + self.every;
        true
    }
}

/// See the module.
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) stage: Stage,
    pub(crate) is_caller: bool,
    pub(crate) local_tag: String,
    /// The From and To of what it sends, the remote one with its tag.
    pub(crate) local: String,
    pub(crate) remote: String,
    /// The URI of its requests.
    pub(crate) target: String,
    pub(crate) routes: Vec<String>,
    pub(crate) cseq: u32,
    /// Where the other side's requests come from.
    pub(crate) source: SocketAddr,
    /// The INVITE that began it.
    pub(crate) invite: Message,
    /// The last answer to it.
    pub(crate) answer: Option<String>,
    /// The 200, or a refusal, until its ACK comes.
    pub(crate) repeated: Option<Repeated>,
    pub(crate) asked: Vec<Repeated>,
    pub(crate) cues: Vec<(Instant, Act)>,
    pub(crate) voice: Option<Voice>,
    pub(crate) key: Vec<u8>,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) direction: String,
    pub(crate) version: u32,
    /// Requests that were answered, by branch and method, with the answers.
    pub(crate) seen: Vec<(String, String)>,
    /// The 200 had the offer: the ACK has the answer.
    pub(crate) owes_answer: bool,
    pub(crate) reliable: u32,
    pub(crate) is_authorized: bool,
}

impl Call {
    pub(crate) fn cue(&mut self, now: Instant, cues: &[Cue]) {
        self.cues.extend(cues.iter().map(|(after, act)| (now + *after, act.clone())));
    }

    /// What is due, in order.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Act> {
        self.cues.sort_by_key(|(at, _)| *at);
        let count = self.cues.iter().take_while(|(at, _)| *at <= now).count();
        self.cues.drain(..count).map(|(_, act)| act).collect()
    }
}
