//! Writes the exchange waits for, and what happens when they are durable or fail.

use crate::{
    Exchange, Output,
    command::{ApiError, Code, OptionsKey, Reply, RequestId},
    port::{Record, RecordId},
};
use std::collections::BTreeMap;
use trunkline_call::Event;
use trunkline_routing::record::{DispatchRule, InboundTrunk, Options, OutboundTrunk};
use trunkline_types::{CallId, RuleId, TrunkId};

/// The writes under way.
#[derive(Default)]
pub(crate) struct Pending {
    next: RecordId,
    waiting: BTreeMap<RecordId, Waiting>,
}

enum Waiting {
    Call(CallId),
    Api(Box<Answer>),
}

/// What to answer when a record is durable, and what to take back if it cannot be written.
struct Answer {
    request: RequestId,
    reply: Reply,
    undo: Undo,
}

/// How to take back a change that could not be written.
pub(crate) enum Undo {
    Inbound(TrunkId, Option<InboundTrunk>),
    Outbound(TrunkId, Option<OutboundTrunk>),
    Rule(RuleId, Option<DispatchRule>),
    Options(OptionsKey, Options),
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn wait(&mut self, waiting: Waiting) -> RecordId {
        self.next += 1;
        self.waiting.insert(self.next, waiting);
        self.next
    }
}

impl Exchange {
    pub(crate) fn persist_call(&mut self, call: &CallId, record: Record, outputs: &mut Vec<Output>) {
        let id = self.pending.wait(Waiting::Call(call.clone()));
        outputs.push(Output::Persist(id, Box::new(record)));
    }

    /// The reply goes out when the record is durable.
    pub(crate) fn persist_then_reply(
        &mut self,
        request: RequestId,
        record: Record,
        reply: Reply,
        undo: Undo,
        outputs: &mut Vec<Output>,
    ) {
        let id = self.pending.wait(Waiting::Api(Box::new(Answer { request, reply, undo })));
        outputs.push(Output::Persist(id, Box::new(record)));
    }

    pub(crate) fn stored(&mut self, id: RecordId, result: Result<(), String>, outputs: &mut Vec<Output>) {
        match self.pending.waiting.remove(&id) {
            None => {}
            Some(Waiting::Call(call)) => self.events.push_back((call, Event::Stored(result))),
            Some(Waiting::Api(answer)) => {
                let Answer { request, reply, undo } = *answer;
                let reply = result.map(|()| reply).map_err(|why| {
                    self.undo(undo);
                    self.trunks_changed();
                    ApiError::new(Code::Unavailable, format!("the record could not be written: {why}"))
                });
                outputs.push(Output::Reply(request, reply));
            }
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Inbound(id, before) => self.directory.restore_inbound(&id, before),
            Undo::Outbound(id, before) => self.directory.restore_outbound(&id, before),
            Undo::Rule(id, before) => self.directory.restore_rule(&id, before),
            Undo::Options(OptionsKey::Trunk(id), before) => {
                self.directory.set_trunk_options(id, before);
            }
            Undo::Options(OptionsKey::Rule(id), before) => {
                self.directory.set_rule_options(id, before);
            }
        }
    }
}
