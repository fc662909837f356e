//! The stack's tables, and what it tells its owner.

use super::{
    calling::{Attempt, Calling, Stage},
    client::Client,
    dialog::{Dialog, DialogId},
    invite::Invite,
    request::Served,
    timers::{Timer, Timers},
    unanswered::Unanswered,
};
use crate::{
    Message,
    flow::{Flow, Protocol, Received, Transmit},
    response::{Copied, Response},
};
use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use trunkline_types::{Random, Time};

/// RFC 3261 §17.1.1.1.
pub(crate) const T1: Duration = Duration::from_millis(500);
/// RFC 3261 §17.1.2.2.
pub(crate) const T2: Duration = Duration::from_secs(4);
/// 64·T1: timers B, F, H and J.
pub(crate) const LIFE: Duration = Duration::from_secs(32);

/// A server INVITE transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteId(pub(crate) u64);
/// A server transaction of any other method.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);
/// A client transaction of ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(crate) u64);

/// The stack's configuration.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// Value of `Server` and `User-Agent`.
    pub server: String,
    /// The address Contact and Via name instead of the socket's own.
    pub advertise: Option<IpAddr>,
    /// When 100 is sent unless something else was.
    pub trying_after: Duration,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Put this on the wire.
    Send(Transmit),
    /// This happened.
    Event(Event),
}

/// What happened.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are whom it happened to")]
pub enum Event {
    /// An INVITE outside any dialog.
    Invite { invite: InviteId, message: Message, flow: Flow },
    /// An INVITE within a dialog.
    Reinvite { invite: InviteId, dialog: DialogId, message: Message, flow: Flow },
    /// Any other request.
    Request { request: RequestId, dialog: Option<DialogId>, message: Message, flow: Flow },
    /// The INVITE was cancelled, by the CANCEL or early BYE in `message`, which is answered as the
    /// INVITE is; without one no PRACK came to an answer of ours.
    Cancelled { invite: InviteId, message: Option<Message> },
    /// The first ACK to a 2xx of ours.
    Acked { dialog: DialogId, message: Message },
    /// 64·T1 passed without one.
    NeverAcked { dialog: DialogId },
    /// A provisional answer above 100 to an INVITE of ours; with a tag it makes an early dialog.
    Progress { client: ClientId, dialog: Option<DialogId>, message: Message },
    /// The first 2xx to an INVITE of ours, outside or inside a dialog: [`Stack::acknowledge`] is due.
    Answered { client: ClientId, dialog: DialogId, message: Message, flow: Flow },
    /// A final answer of 300 or above to an INVITE of ours; it is acknowledged.
    Refused { client: ClientId, message: Message },
    /// A final answer to any other request of ours.
    Response { client: ClientId, message: Message },
    /// A request of ours was never answered, or could not be sent; of an INVITE also that it was
    /// answered after [`Stack::cancel`], which the stack has undone.
    Failed { client: ClientId, why: Unanswered },
}

/// What the stack holds, for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct StackCounts {
    pub transactions: usize,
    pub dialogs: usize,
    pub timers: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Stack {
    pub(crate) config: StackConfig,
    pub(crate) random: Random,
    secret: [u8; 32],
    pub(crate) next: u64,
    pub(crate) invites: HashMap<u64, Box<Invite>>,
    pub(crate) served: HashMap<u64, Served>,
    /// Requests of ours other than INVITE.
    pub(crate) clients: HashMap<u64, Client>,
    /// INVITEs of ours until their final answer, and what is sent for them.
    pub(crate) callings: HashMap<u64, Box<Calling>>,
    pub(crate) attempts: HashMap<u64, Box<Attempt>>,
    /// The last number of a request of ours outside any dialog.
    pub(crate) outside: u32,
    pub(crate) dialogs: HashMap<DialogId, Box<Dialog>>,
    /// Server transactions by branch, sent-by host and method (RFC 3261 §17.2.3).
    pub(crate) by_key: HashMap<String, Slot>,
    /// Client transactions by branch and method.
    pub(crate) by_branch: HashMap<String, u64>,
    /// Requests without a To-tag by Call-ID, From-tag and CSeq (RFC 3261 §8.2.2.2).
    pub(crate) by_origin: HashMap<String, u64>,
    /// INVITEs of theirs with reliable provisional answers, by their early dialog.
    pub(crate) by_early: HashMap<DialogId, u64>,
    /// Where others can reach us, by protocol.
    listening: Vec<(Protocol, SocketAddr)>,
    pub(crate) timers: Timers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Invite(u64),
    Served(u64),
}

impl Stack {
    /// An empty stack.
    pub fn new(config: StackConfig, mut random: Random) -> Self {
        let secret = random.bytes();
        Self {
            config,
            random,
            secret,
            next: 0,
            invites: HashMap::new(),
            served: HashMap::new(),
            clients: HashMap::new(),
            callings: HashMap::new(),
            attempts: HashMap::new(),
            outside: 0,
            dialogs: HashMap::new(),
            by_key: HashMap::new(),
            by_branch: HashMap::new(),
            by_origin: HashMap::new(),
            by_early: HashMap::new(),
            listening: Vec::new(),
            timers: Timers::default(),
        }
    }

    /// What is held.
    pub fn counts(&self) -> StackCounts {
        let served = self.invites.len().saturating_add(self.served.len());
        let transactions = served.saturating_add(self.clients.len()).saturating_add(self.attempts.len());
        StackCounts { transactions, dialogs: self.dialogs.len(), timers: self.timers.len() }
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Whether the message belongs to something held here.
    pub fn knows(&self, received: &Received) -> bool {
        let Ok(message) = &received.message else { return false };
        if !message.is_request() {
            return self.by_branch.contains_key(&client_key(message));
        }
        self.by_key.contains_key(&server_key(message, message.method()))
            || (message.method() == "CANCEL" && self.by_key.contains_key(&server_key(message, "INVITE")))
            || self.dialogs.contains_key(&DialogId::of_request(message))
            || self.by_early.contains_key(&DialogId::of_request(message))
            || (message.to().tag.is_none() && self.by_origin.contains_key(&origin_key(message)))
    }

    /// A response that keeps nothing; the same for a retransmission.
    pub fn refuse(
        &self,
        received: &Received,
        status: u16,
        reason: &str,
        headers: &[(String, String)],
    ) -> Option<Transmit> {
        let request = received.message.as_ref().ok().filter(|m| m.is_request() && m.method() != "ACK")?;
        let tag = self.stateless_tag(request);
        let copied = Copied::of(request, &received.flow);
        let bytes = self.response(&copied, &received.flow, status, reason, &tag, headers, None, false);
        Some(Transmit { flow: received.flow, bytes })
    }

    pub(crate) fn stateless_tag(&self, request: &Message) -> String {
        let mut tag = String::from("t");
        // HMAC takes keys of any length.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) {
            mac.update(request.call_id().as_bytes());
            mac.update(request.branch().as_bytes());
            for byte in mac.finalize().into_bytes().iter().take(8) {
                tag.push_str(&format!("{byte:02x}"));
            }
        }
        tag
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a response")]
    pub(crate) fn response(
        &self,
        copied: &Copied,
        flow: &Flow,
        status: u16,
        reason: &str,
        tag: &str,
        headers: &[(String, String)],
        body: Option<(&str, Bytes)>,
        makes_dialog: bool,
    ) -> Bytes {
        let contact = makes_dialog.then(|| self.contact(flow));
        let server = &self.config.server;
        Response { copied, status, reason, tag, headers, body, server, contact }.build()
    }

    /// Says where our listeners are: Via and Contact of what leaves by a connection of ours name the
    /// listener, not the connection's own end, which nobody can reach (RFC 3261 §18.1.1).
    pub fn listens_on(&mut self, listening: Vec<(Protocol, SocketAddr)>) {
        self.listening = listening;
    }

    fn reachable(&self, flow: &Flow) -> SocketAddr {
        let local = flow.local;
        let of_protocol =
            || self.listening.iter().filter(|(p, a)| *p == flow.protocol && a.is_ipv4() == local.is_ipv4());
        if of_protocol().any(|(_, address)| *address == local) {
            return local;
        }
        let same_ip = of_protocol().find(|(_, address)| address.ip() == local.ip());
        match same_ip.or_else(|| of_protocol().next()) {
            Some((_, address)) if flow.protocol.is_reliable() => SocketAddr::new(local.ip(), address.port()),
            _ if local.port() == 0 => SocketAddr::new(local.ip(), flow.protocol.default_port()),
            _ => local,
        }
    }

    /// Our own address as others shall see it.
    pub(crate) fn own_address(&self, flow: &Flow) -> SocketAddr {
        let local = self.reachable(flow);
        match self.config.advertise.filter(|a| a.is_ipv4() == local.is_ipv4()) {
            Some(ip) => SocketAddr::new(ip, local.port()),
            None => local,
        }
    }

    pub(crate) fn contact(&self, flow: &Flow) -> String {
        let transport = match flow.protocol {
            Protocol::Udp => String::new(),
            other => format!(";transport={}", other.as_str().to_ascii_lowercase()),
        };
        format!("<sip:{}{transport}>", self.own_address(flow))
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// Carries out the timers whose time has come.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Vec<Action>) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Trying(id) => self.trying(id, out),
                Timer::InviteRepeat(id) => self.repeat_final(id, now, out),
                Timer::InviteEnd(id) => self.invite_ended(id, out),
                Timer::ReliableRepeat(id) => self.repeat_reliable(id, now, out),
                Timer::ReliableEnd(id) => self.reliable_ended(id, now, out),
                Timer::ServedEnd(id) => self.forget_served(id),
                Timer::ClientRepeat(id) => self.repeat_request(id, now, out),
                Timer::ClientEnd(id) => self.end_client(id, Unanswered::Silent, out),
                Timer::AttemptRepeat(id) => self.repeat_attempt(id, now, out),
                Timer::AttemptEnd(id) => self.attempt_ended(id, now, out),
            }
        }
    }

    /// A stream is gone, for this reason: requests of ours on it have failed. Dialogs live on; a new
    /// connection is made when they need one.
    pub fn handle_closed(&mut self, flow: &Flow, why: &'static str, out: &mut Vec<Action>) {
        let mut lost: Vec<_> =
            self.clients.iter().filter(|(_, c)| c.flow == *flow && !c.answered).map(|(id, _)| *id).collect();
        lost.sort_unstable();
        for id in lost {
            self.end_client(id, Unanswered::Disconnected(why), out);
        }
        // Of an INVITE that was heard of, the final answer may come on another connection.
        let unheard = |a: &Attempt| a.flow == *flow && a.stage == Stage::Calling;
        let mut lost: Vec<_> = self.attempts.iter().filter(|(_, a)| unheard(a)).map(|(id, _)| *id).collect();
        lost.sort_unstable();
        for id in lost {
            self.end_attempt(id, Unanswered::Disconnected(why), out);
        }
    }
}

/// RFC 3261 §17.2.3; without the magic cookie RFC 2543's rules, as far as they go.
pub(crate) fn server_key(message: &Message, method: &str) -> String {
    let via = message.top_via();
    let sent_by = via.sent_by;
    let branch = via.parameter("branch").unwrap_or_default();
    let method = if method == "ACK" { "INVITE" } else { method };
    if branch.len() > 7 && branch.get(..7).is_some_and(|c| c.eq_ignore_ascii_case("z9hG4bK")) {
        return format!("{branch}|{}|{method}", sent_by.to_ascii_lowercase());
    }
    let tag = message.from().tag.unwrap_or_default();
    format!("2543|{}|{tag}|{}|{method}|{}", message.call_id(), message.cseq(), sent_by.to_ascii_lowercase())
}

pub(crate) fn client_key(message: &Message) -> String {
    format!("{}|{}", message.branch(), message.method())
}

pub(crate) fn origin_key(message: &Message) -> String {
    let tag = message.from().tag.unwrap_or_default();
    format!("{}|{tag}|{}|{}", message.call_id(), message.cseq(), message.method())
}
