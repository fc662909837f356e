//! Reliable provisional answers to INVITEs of ours (RFC 3262 §4): PRACK for each in turn.

use super::{
    client::Client,
    dialog::DialogId,
    stack_core::{Action, Stack},
};
use crate::{Message, number::number};
use trunkline_types::Time;

/// What a provisional answer is for whoever counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is not reliable, or the next one: to be heard.
    Heard,
    /// It came before, or comes too early and will come again.
    Unheard,
}

/// The number of a reliable provisional answer.
fn rseq(message: &Message) -> Option<u32> {
    if !message.requires("100rel") {
        return None;
    }
    let value = message.find("RSeq").next()?;
    number(value, u64::from(u32::MAX)).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
}

impl Stack {
    /// Acknowledges a reliable provisional answer to the INVITE with number `cseq`.
    pub(crate) fn acknowledge_reliable(
        &mut self,
        dialog: &DialogId,
        cseq: u32,
        message: &Message,
        now: Time,
        out: &mut Vec<Action>,
    ) -> Order {
        let Some(rseq) = rseq(message) else { return Order::Heard };
        let Some(held) = self.dialogs.get_mut(dialog) else { return Order::Heard };
        // The first may be any; the others follow one by one.
        if held.rseq.is_some_and(|(of, last)| of == cseq && last.checked_add(1) != Some(rseq)) {
            return Order::Unheard;
        }
        held.rseq = Some((cseq, rseq));
        let headers = [("RAck".to_owned(), format!("{rseq} {cseq} INVITE"))];
        let draft = held.draft(dialog, "PRACK", &headers, None);
        let begun = Client::begun(draft, held.login.clone(), Some(dialog.clone()), held.way(), false);
        self.send_client(begun, now, out);
        Order::Heard
    }
}
