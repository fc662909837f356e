//! Requests of ours other than INVITE and ACK (RFC 3261 §12.2.1, §17.1.2).

use super::{
    dialog::DialogId,
    draft::Draft,
    invite_client::authorization,
    outgoing::Outgoing,
    stack_core::{Action, ClientId, Event, LIFE, Stack, T1, T2, client_key},
    timers::Timer,
    unanswered::Unanswered,
};
use crate::{
    Message,
    digest::Login,
    flow::{Flow, Transmit},
};
use bytes::Bytes;
use std::time::Duration;
use trunkline_types::Time;

#[derive(Debug)]
pub(crate) struct Client {
    key: String,
    pub(crate) flow: Flow,
    bytes: Bytes,
    interval: Duration,
    pub(crate) answered: bool,
    /// The number its owner knows; `None` if nobody asks for the answer.
    owner: Option<u64>,
    dialog: Option<DialogId>,
    /// The 2xx moves the dialog's target (RFC 3311 §5.1).
    refreshes: bool,
    /// For another attempt, with credentials.
    again: Option<Box<(Draft, Login)>>,
}

/// Timer K: how long late answers are swallowed.
const LATE: Duration = Duration::from_secs(5);

/// A request to be sent, and by whom its answer is awaited.
pub(crate) struct Begun {
    draft: Draft,
    login: Option<Box<Login>>,
    dialog: Option<DialogId>,
    flow: Flow,
    is_owned: bool,
}

impl Client {
    /// A request that is sent as it stands and whose answer nobody awaits.
    pub(crate) fn silent(branch: String, method: &str, transmit: &Transmit) -> Self {
        Self {
            key: format!("{branch}|{method}"),
            flow: transmit.flow,
            bytes: transmit.bytes.clone(),
            interval: T1,
            answered: false,
            owner: None,
            dialog: None,
            refreshes: false,
            again: None,
        }
    }

    pub(crate) fn begun(
        draft: Draft,
        login: Option<Box<Login>>,
        dialog: Option<DialogId>,
        flow: Flow,
        is_owned: bool,
    ) -> Begun {
        Begun { draft, login, dialog, flow, is_owned }
    }
}

impl Stack {
    /// Sends a request in a dialog; `None` if there is no such dialog.
    pub fn request(
        &mut self,
        dialog: &DialogId,
        method: &str,
        headers: &[(String, String)],
        body: Option<(&str, Bytes)>,
        now: Time,
        out: &mut Vec<Action>,
    ) -> Option<ClientId> {
        let held = self.dialogs.get_mut(dialog)?;
        let draft = held.draft(dialog, method, headers, body);
        let begun = Client::begun(draft, held.login.clone(), Some(dialog.clone()), held.way(), true);
        Some(self.send_client(begun, now, out))
    }

    /// Sends any other request outside a dialog: OPTIONS, REGISTER. Answered by
    /// [`Event::Response`] or [`Event::Failed`]; 401 and 407 are answered here.
    pub fn send_outside(&mut self, method: &str, outgoing: Outgoing, now: Time, out: &mut Vec<Action>) -> ClientId {
        let (flow, login) = (outgoing.flow, outgoing.credentials.clone().map(|c| Box::new(Login::new(c))));
        // Grows by two at least, for the attempt with credentials, and over a restart as well.
        let second = u32::try_from(now.unix_seconds().clamp(0, i64::from(i32::MAX))).unwrap_or_default();
        let cseq = self.outside.saturating_add(2).max(second);
        self.outside = cseq;
        self.send_client(Client::begun(outgoing.draft(method, cseq), login, None, flow, true), now, out)
    }

    pub(crate) fn send_client(&mut self, begun: Begun, now: Time, out: &mut Vec<Action>) -> ClientId {
        let id = self.number();
        self.send_again(begun, id, now, out);
        ClientId(id)
    }

    /// Sends it for an owner who knows it as `owner`.
    fn send_again(&mut self, mut begun: Begun, owner: u64, now: Time, out: &mut Vec<Action>) {
        let authorization = authorization(begun.login.as_deref_mut(), &begun.draft, &begun.flow, &mut self.random);
        if let (Some(login), Some(dialog)) = (&begun.login, begun.dialog.as_ref().and_then(|d| self.dialogs.get_mut(d)))
        {
            // Counts of a nonce go on from here.
            dialog.login = Some(Box::new(login.rested()));
        }
        let branch = self.branch();
        let transmit = self.written(&begun.draft, &authorization, &branch, begun.flow);
        let mut client = Client::silent(branch, &begun.draft.method, &transmit);
        client.refreshes = begun.draft.method == "UPDATE";
        let offers = client.refreshes && begun.draft.body.is_some();
        client.owner = begun.is_owned.then_some(owner);
        client.dialog = begun.dialog.clone();
        client.again = begun.login.map(|login| Box::new((begun.draft, *login)));
        let number = self.open_client(client, transmit, now, out);
        if let (true, Some(dialog)) = (offers, begun.dialog.and_then(|d| self.dialogs.get_mut(&d))) {
            dialog.our_update = Some(number);
        }
    }

    pub(crate) fn open_client(&mut self, client: Client, transmit: Transmit, now: Time, out: &mut Vec<Action>) -> u64 {
        let id = self.number();
        self.by_branch.insert(client.key.clone(), id);
        if !client.flow.protocol.is_reliable() {
            self.timers.set(Timer::ClientRepeat(id), now + T1);
        }
        self.timers.set(Timer::ClientEnd(id), now + LIFE);
        self.clients.insert(id, client);
        out.push(Action::Send(transmit));
        id
    }

    /// Forgets a dialog; its transactions end by their own timers.
    pub fn forget(&mut self, dialog: &DialogId) {
        self.dialogs.remove(dialog);
    }

    pub(crate) fn response_received(&mut self, message: &Message, from: Flow, now: Time, out: &mut Vec<Action>) {
        let Some(id) = self.by_branch.get(&client_key(message)).copied() else { return };
        if self.attempts.contains_key(&id) {
            return self.invite_answered(id, message, from, now, out);
        }
        let Some(held) = self.clients.get_mut(&id).filter(|c| !c.answered) else { return };
        if message.status().is_none_or(|s| s < 200) {
            // Timer E in Proceeding: T2.
            held.interval = T2;
            return;
        }
        held.answered = true;
        self.timers.clear(Timer::ClientRepeat(id));
        let late = if held.flow.protocol.is_reliable() { Duration::ZERO } else { LATE };
        self.timers.set(Timer::ClientEnd(id), now + late);
        let (flow, owner, dialog, refreshes) = (held.flow, held.owner, held.dialog.clone(), held.refreshes);
        if let Some(mut again) = held.again.take() {
            if again.1.meets(message, &flow, &from) {
                return self.with_credentials(*again, dialog, flow, owner, now, out);
            }
            again.1.learn(message, &flow, &from);
            if let Some(entry) = dialog.as_ref().and_then(|d| self.dialogs.get_mut(d)) {
                entry.login = Some(Box::new(again.1.rested()));
            }
        }
        if refreshes
            && message.status().is_some_and(|s| s < 300)
            && let Some(entry) = dialog.as_ref().and_then(|d| self.dialogs.get_mut(d))
        {
            entry.refresh(message, from);
        }
        if let Some(owner) = owner {
            out.push(Action::Event(Event::Response { client: ClientId(owner), message: message.clone() }));
        }
    }

    /// The same request again (RFC 3261 §22.2), with the next number and what was asked for.
    fn with_credentials(
        &mut self,
        (mut draft, login): (Draft, Login),
        dialog: Option<DialogId>,
        flow: Flow,
        owner: Option<u64>,
        now: Time,
        out: &mut Vec<Action>,
    ) {
        draft.cseq = draft.cseq.saturating_add(1);
        if let Some(entry) = dialog.as_ref().and_then(|d| self.dialogs.get_mut(d)) {
            entry.local_cseq = entry.local_cseq.saturating_add(1);
            draft.cseq = entry.local_cseq;
        }
        let begun = Begun { draft, login: Some(Box::new(login)), dialog, flow, is_owned: owner.is_some() };
        self.send_again(begun, owner.unwrap_or_default(), now, out);
    }

    pub(crate) fn repeat_request(&mut self, id: u64, now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.clients.get_mut(&id).filter(|c| !c.answered) else { return };
        out.push(Action::Send(Transmit { flow: held.flow, bytes: held.bytes.clone() }));
        held.interval = held.interval.saturating_mul(2).min(T2);
        let next = now + held.interval;
        self.timers.set(Timer::ClientRepeat(id), next);
    }

    pub(crate) fn end_client(&mut self, id: u64, why: Unanswered, out: &mut Vec<Action>) {
        let Some(held) = self.clients.remove(&id) else { return };
        self.by_branch.remove(&held.key);
        self.timers.clear(Timer::ClientRepeat(id));
        self.timers.clear(Timer::ClientEnd(id));
        if let (false, Some(owner)) = (held.answered, held.owner) {
            out.push(Action::Event(Event::Failed { client: ClientId(owner), why }));
        }
    }
}
