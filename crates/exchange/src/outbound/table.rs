//! All calls out that are not answered yet, and what they share.

use super::{
    allowance::Allowance,
    health::Health,
    leg::{Caller, Leg},
    own::Own,
    question::Questions,
    registering::Registrations,
};
use crate::command::RequestId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use trunkline_sip::ClientId;
use trunkline_types::{CallId, Time};

/// See the module.
#[derive(Default)]
pub(crate) struct Outbound {
    pub(crate) own: Own,
    pub(super) legs: BTreeMap<CallId, Box<Leg>>,
    pub(super) by_client: HashMap<ClientId, CallId>,
    pub(super) questions: Questions,
    /// When the next target of a call is due.
    timers: BTreeSet<(Time, CallId)>,
    pub(super) allowance: Allowance,
    pub(super) health: Health,
    pub(super) registrations: Registrations,
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

    pub(super) fn remove(&mut self, id: &CallId) -> Option<Box<Leg>> {
        self.next_at(id, None);
        self.questions.forget(id);
        let leg = self.legs.remove(id)?;
        if let Some(client) = &leg.client {
            self.by_client.remove(client);
        }
        Some(leg)
    }
}
