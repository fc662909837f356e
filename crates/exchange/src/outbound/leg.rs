//! A call out until it is answered: what was asked for, whom we try, and who waits for an answer.

use super::{allowance::Allowance, health::Health, own::Own, registering::Registrations};
use crate::{
    command::{ApiError, RequestId},
    port::QueryId,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::IpAddr,
};
use trunkline_call::{dial::FarAnswer, session_timer::TimerHeaders};
use trunkline_routing::dial::DialPlan;
use trunkline_sip::{
    ClientId, DialogId, Message,
    locate::{Query, Target},
};
use trunkline_types::{CallId, Time, TrunkId};

/// Everything about calls out.
#[derive(Default)]
pub(crate) struct Outbound {
    pub(crate) own: Own,
    pub(super) legs: BTreeMap<CallId, Box<Leg>>,
    pub(super) by_client: HashMap<ClientId, CallId>,
    queries: BTreeMap<QueryId, (Asker, Query)>,
    next_query: QueryId,
    /// When the next target of a call is due.
    timers: BTreeSet<(Time, CallId)>,
    pub(super) allowance: Allowance,
    pub(super) health: Health,
    pub(super) registrations: Registrations,
}

/// Who asks the DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Call(CallId),
    /// To register, or to probe its targets.
    Trunk(TrunkId),
}

/// Who asked for the call, and when he wants to hear of it.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) who: Caller,
    pub(crate) until_answered: bool,
}

/// Who asked for a call out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// An API client.
    Client(RequestId),
    /// A call that wants the far end in its room: it is told by [`Event::Bridged`](trunkline_call::Event::Bridged).
    Call(CallId),
}

/// See the module.
pub(super) struct Leg {
    pub(super) waiting: Option<Waiting>,
    /// Why the room refused the participant.
    pub(super) error: Option<ApiError>,
    pub(super) plan: DialPlan,
    pub(super) sdp: String,
    pub(super) targets: VecDeque<Target>,
    pub(super) current: Option<Target>,
    pub(super) client: Option<ClientId>,
    /// The addresses that may ask for our credentials.
    pub(super) peers: Vec<IpAddr>,
    pub(super) redirects: u8,
    /// INVITEs begun so far: each has higher numbers than the one before.
    pub(super) begun: u32,
    /// The last refusal after which another target was tried.
    pub(super) refusal: Option<Box<FarAnswer>>,
    pub(super) cancelled: bool,
    /// Its early dialogs, in which the far end may ask for something.
    pub(super) early: Vec<DialogId>,
    /// `Session-Expires` to ask for, seconds (RFC 4028); 0 for none.
    pub(super) session_expires: u32,
    next_at: Option<Time>,
}

impl Leg {
    pub(super) fn new(plan: DialPlan, session_expires: u32, waiting: Option<Waiting>) -> Self {
        Self {
            waiting,
            error: None,
            plan,
            sdp: String::new(),
            targets: VecDeque::new(),
            current: None,
            client: None,
            peers: Vec::new(),
            redirects: 0,
            begun: 0,
            refusal: None,
            cancelled: false,
            early: Vec::new(),
            session_expires,
            next_at: None,
        }
    }

    /// The far end wants a longer interval (422); whether it names one.
    pub(super) fn lengthen(&mut self, message: &Message) -> bool {
        let least = TimerHeaders::of(&message.headers()).min_se.filter(|least| *least > self.session_expires);
        self.session_expires = least.filter(|_| self.session_expires > 0).unwrap_or(self.session_expires);
        least.is_some()
    }
}

impl Outbound {
    /// By registering trunk, whether it is registered.
    pub(crate) fn registered(&self) -> BTreeMap<String, bool> {
        self.registrations.states()
    }

    /// The calls out that a call wants in its room, and that are not answered yet.
    pub(crate) fn wanted_by(&self, call: &CallId) -> Vec<CallId> {
        let wanted = |leg: &Leg| leg.waiting.as_ref().is_some_and(|w| w.who == Caller::Call(call.clone()));
        self.legs.iter().filter(|(_, leg)| wanted(leg)).map(|(id, _)| id.clone()).collect()
    }

    /// The call whose answer this request waits for.
    pub(super) fn asked_by(&mut self, request: RequestId) -> Option<(CallId, &mut Leg)> {
        let waits =
            |leg: &Leg| leg.waiting.as_ref().is_some_and(|w| w.until_answered && w.who == Caller::Client(request));
        self.legs.iter_mut().find(|(_, leg)| waits(leg)).map(|(id, leg)| (id.clone(), &mut **leg))
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        let next = self.timers.first().map(|(at, _)| *at);
        [next, self.health.poll_timeout(), self.registrations.poll_timeout()].into_iter().flatten().min()
    }

    /// The calls whose next target is due.
    pub(super) fn due(&mut self, now: Time) -> Vec<CallId> {
        let due: Vec<_> = self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| id.clone()).collect();
        for id in &due {
            self.next_at(id, None);
        }
        due
    }

    /// Sets or clears when the next target of the call is tried.
    pub(super) fn next_at(&mut self, id: &CallId, at: Option<Time>) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        if let Some(before) = std::mem::replace(&mut leg.next_at, at) {
            self.timers.remove(&(before, id.clone()));
        }
        if let Some(at) = at {
            self.timers.insert((at, id.clone()));
        }
    }

    pub(super) fn ask(&mut self, asker: Asker, query: Query) -> QueryId {
        self.next_query = self.next_query.wrapping_add(1);
        self.queries.insert(self.next_query, (asker, query));
        self.next_query
    }

    pub(super) fn asked(&mut self, query: QueryId) -> Option<(Asker, Query)> {
        self.queries.remove(&query)
    }

    /// Forgets what a call asked; `true` if it asked anything.
    pub(super) fn ask_no_more(&mut self, id: &CallId) -> bool {
        let before = self.queries.len();
        self.queries.retain(|_, (asker, _)| !matches!(asker, Asker::Call(call) if call == id));
        self.queries.len() < before
    }

    pub(super) fn remove(&mut self, id: &CallId) -> Option<Box<Leg>> {
        self.next_at(id, None);
        self.ask_no_more(id);
        let leg = self.legs.remove(id)?;
        if let Some(client) = &leg.client {
            self.by_client.remove(client);
        }
        Some(leg)
    }
}
