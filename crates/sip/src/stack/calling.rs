//! An INVITE of ours: what its owner began, and the attempts that it takes.

use super::{dialog::DialogId, draft::Draft};
use crate::{
    HeaderList,
    digest::Login,
    flow::{Flow, Transmit},
};
use bytes::Bytes;
use std::time::Duration;

/// What the owner began, until its final answer.
#[derive(Debug)]
pub(crate) struct Calling {
    pub(crate) draft: Draft,
    pub(crate) local_tag: String,
    /// Of a re-INVITE.
    pub(crate) dialog: Option<DialogId>,
    /// The attempt whose answers count.
    pub(crate) attempt: u64,
    /// Tags of its early dialogs.
    pub(crate) early: Vec<String>,
    pub(crate) cancelled: bool,
    /// Any provisional answer came to the attempt that counts.
    pub(crate) is_proceeding: bool,
    pub(crate) login: Option<Box<Login>>,
}

impl Calling {
    /// The dialog of an answer with this tag.
    pub(crate) fn dialog_id(&self, remote_tag: &str) -> DialogId {
        self.dialog.clone().unwrap_or_else(|| DialogId {
            call_id: self.draft.call_id.clone(),
            local_tag: self.local_tag.clone(),
            remote_tag: remote_tag.to_owned(),
        })
    }
}

/// How far an attempt is (RFC 3261 §17.1.1, RFC 6026 §8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Calling,
    Proceeding,
    /// 3xx–6xx came.
    Completed,
    /// 2xx came.
    Accepted,
}

/// The ACK to the 2xx of one fork.
#[derive(Debug)]
pub(crate) struct Fork {
    pub(crate) tag: String,
    /// Sent again for each repeated 2xx; `None` until the owner has acknowledged.
    pub(crate) ack: Option<Transmit>,
}

/// A client INVITE transaction.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) calling: u64,
    pub(crate) branch: String,
    pub(crate) flow: Flow,
    /// For CANCEL and ACK.
    pub(crate) head: Draft,
    /// Of a re-INVITE.
    pub(crate) dialog: Option<DialogId>,
    /// What the ACK to the 2xx repeats (RFC 3261 §22.1).
    pub(crate) authorization: HeaderList,
    pub(crate) login: Option<Box<Login>>,
    /// Until something is heard of it.
    pub(crate) bytes: Bytes,
    pub(crate) stage: Stage,
    pub(crate) interval: Duration,
    /// Whatever it brings, nobody waits for it.
    pub(crate) given_up: bool,
    /// CANCEL is due once a provisional answer allows it.
    pub(crate) cancel: Option<HeaderList>,
    /// ACK to the refusal.
    pub(crate) ack: Option<Transmit>,
    pub(crate) forks: Vec<Fork>,
}

impl Attempt {
    pub(crate) fn key(&self) -> String {
        format!("{}|INVITE", self.branch)
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Calling | Stage::Proceeding)
    }
}
