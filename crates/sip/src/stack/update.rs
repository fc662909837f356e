//! UPDATE (RFC 3311) and other requests within a dialog that may meet one another.

use super::{
    dialog::DialogId,
    stack_core::{Action, Event, Stack},
};
use crate::{Message, flow::Flow};
use trunkline_types::Time;

impl Stack {
    /// Hands a request other than INVITE and PRACK to the owner, unless it meets another one.
    pub(crate) fn serve_inside(
        &mut self,
        message: &Message,
        flow: Flow,
        dialog: DialogId,
        now: Time,
        out: &mut Vec<Action>,
    ) {
        let is_update = message.method() == "UPDATE";
        if is_update {
            if let Some((status, reason)) = self.update_meets(&dialog, !message.body().is_empty()) {
                let headers = if status == 500 { vec![self.retry_after()] } else { Vec::new() };
                return self.answer_at_once(message, flow, status, reason, &headers, now, out);
            }
            if let Some(held) = self.dialogs.get_mut(&dialog) {
                held.refresh(message, flow);
            }
        }
        let request = self.open_served(message, flow, now);
        if let (true, Some(held)) = (is_update, self.dialogs.get_mut(&dialog)) {
            held.updating = Some(request.0);
        }
        out.push(Action::Event(Event::Request { request, dialog: Some(dialog), message: message.clone(), flow }));
    }

    /// What an UPDATE of theirs meets (RFC 3311 §5.2): an offer of ours, or an older one of theirs.
    fn update_meets(&self, dialog: &DialogId, has_offer: bool) -> Option<(u16, &'static str)> {
        let held = self.dialogs.get(dialog)?;
        let unanswered = |id: u64| self.served.get(&id).is_some_and(|s| s.is_unanswered());
        if held.updating.is_some_and(unanswered) || (has_offer && self.is_serving_invite(dialog)) {
            return Some((500, "Overlapping Request"));
        }
        (has_offer && self.has_offered(dialog)).then_some((491, "Request Pending"))
    }

    /// Whether an offer of ours in this dialog has no answer yet, as far as requests tell.
    pub(crate) fn has_offered(&self, dialog: &DialogId) -> bool {
        let Some(held) = self.dialogs.get(dialog) else { return false };
        let updating = held.our_update.and_then(|id| self.clients.get(&id)).is_some_and(|c| !c.answered);
        held.calling.is_some() || held.ack_due.is_some() || updating
    }

    /// RFC 3261 §14.2, RFC 3311 §5.2: up to 10 s, by chance.
    pub(crate) fn retry_after(&mut self) -> (String, String) {
        ("Retry-After".to_owned(), self.random.below(11).to_string())
    }

    /// The dialog that an INVITE with Replaces means (RFC 3891 §3): a confirmed one, or an early one
    /// that we began.
    pub fn replaced(&self, replaces: &crate::Replaces) -> Option<DialogId> {
        let dialog = replaces.dialog();
        self.dialogs.contains_key(&dialog).then_some(dialog)
    }

    /// Whether requests from there can be the far end's of this dialog.
    pub fn is_peer(&self, dialog: &DialogId, ip: std::net::IpAddr) -> bool {
        self.dialogs.get(dialog).is_some_and(|held| held.is_peer(ip))
    }

    /// Whether the INVITE of ours that makes this dialog has no final answer yet.
    pub fn is_early(&self, dialog: &DialogId) -> bool {
        let calling = self.dialogs.get(dialog).and_then(|d| d.calling).and_then(|id| self.callings.get(&id));
        calling.is_some_and(|c| c.dialog.is_none())
    }
}
