//! ACK to a 2xx (RFC 3261 §13.2.2.4), and the end of dialogs that nobody waits for.

use super::{
    calling::{Attempt, Fork},
    client::Client,
    dialog::{Dialog, DialogId},
    draft::Draft,
    stack_core::{Action, Stack},
};
use crate::{HeaderList, Message, flow::Flow};
use bytes::Bytes;
use trunkline_types::Time;

/// What an ACK needs that the dialog does not keep.
#[derive(Debug)]
pub(crate) struct AckDue {
    pub(crate) attempt: u64,
    pub(crate) cseq: u32,
    pub(crate) authorization: HeaderList,
}

impl Stack {
    /// ACK to the 2xx of an INVITE of ours, in its dialog, with our answer if the 2xx brought the
    /// offer. Repeated by the stack for each repeated 2xx.
    pub fn acknowledge(&mut self, dialog: &DialogId, body: Option<(&str, Bytes)>, _now: Time, out: &mut Vec<Action>) {
        let Some(held) = self.dialogs.get_mut(dialog) else { return };
        let Some(due) = held.ack_due.take() else { return };
        let body = body.map(|(kind, bytes)| (kind.to_owned(), bytes));
        let draft = ack(held, &dialog.call_id, due.cseq, body);
        let flow = held.way();
        let authorization = held.may_repeat(due.authorization, &flow);
        let branch = self.branch();
        let transmit = self.written(&draft, &authorization, &branch, flow);
        let attempt = self.attempts.get_mut(&due.attempt);
        if let Some(fork) = attempt.and_then(|a| a.forks.iter_mut().find(|f| f.tag == dialog.remote_tag)) {
            fork.ack = Some(transmit.clone());
        }
        out.push(Action::Send(transmit));
    }

    /// A 2xx that nobody waits for: ACK and BYE in its own dialog.
    pub(crate) fn dismiss(&mut self, id: u64, message: &Message, from: Flow, now: Time, out: &mut Vec<Action>) {
        let tag = message.to().tag.unwrap_or_default();
        let Some(held) = self.attempts.get(&id) else { return };
        let (cseq, call_id) = (held.head.cseq, held.head.call_id.clone());
        let authorization = held.authorization.clone();
        let mut dialog = Dialog::of_answer(held, message, from);
        let way = dialog.way();
        let draft = ack(&dialog, &call_id, cseq, None);
        let (branch, authorization) = (self.branch(), dialog.may_repeat(authorization, &way));
        let acknowledged = self.written(&draft, &authorization, &branch, way);
        out.push(Action::Send(acknowledged.clone()));
        if let Some(held) = self.attempts.get_mut(&id) {
            held.forks.push(Fork { tag: tag.clone(), ack: Some(acknowledged) });
        }
        let dialog_id = DialogId { call_id, local_tag: String::new(), remote_tag: tag };
        let draft = dialog.draft(&dialog_id, "BYE", &[], None);
        let client = Client::begun(draft, dialog.login.take(), None, way, false);
        self.send_client(client, now, out);
    }
}

fn ack(dialog: &Dialog, call_id: &str, cseq: u32, body: Option<(String, Bytes)>) -> Draft {
    let (uri, routes) = dialog.route();
    Draft {
        method: "ACK".to_owned(),
        uri,
        routes,
        from: dialog.local.clone(),
        to: dialog.remote.clone(),
        call_id: call_id.to_owned(),
        cseq,
        headers: Vec::new(),
        body,
    }
}

impl Attempt {
    /// The fork with this tag, if its 2xx came before.
    pub(crate) fn fork(&self, tag: &str) -> Option<&Fork> {
        self.forks.iter().find(|fork| fork.tag == tag)
    }
}
