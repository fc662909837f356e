//! `TransferSIPParticipant`: one transfer of a call at a time, and its answer when it is decided.

use super::waiters::Transfer;
use crate::{
    Exchange, Output,
    command::{ApiError, Code, Reply, RequestId, SipStatus, TransferOutcome, TransferReply, TransferRequest},
    port::Webhook,
};
use trunkline_call::{Event, RoomEvent, TransferNews, record::CallRecord, transfer::TransferOrder};
use trunkline_types::{CallId, Pii, Time, limits};

/// What ids of transfers begin with.
const PREFIX: &str = "STR_";

impl Exchange {
    pub(crate) fn transfer(&mut self, request: RequestId, transfer: TransferRequest, outputs: &mut Vec<Output>) {
        if let Err(error) = self.begin_transfer(request, transfer) {
            outputs.push(Output::Reply(request, Err(error)));
        }
    }

    fn begin_transfer(&mut self, request: RequestId, transfer: TransferRequest) -> Result<(), ApiError> {
        let call = self.active_call(&transfer.room, &transfer.identity)?;
        let target = self.target(&transfer.target)?;
        for (name, value) in &transfer.headers {
            if value.contains(['\r', '\n', '\0']) || name.contains(['\r', '\n', '\0']) {
                let message = format!("headers: {name:?} has a line break or NUL");
                return Err(ApiError::new(Code::InvalidArgument, message));
            }
        }
        if let Some(held) = self.waiters.transfers.get_mut(&call) {
            // Somebody asks again: he gets the same answer.
            if held.target != target {
                let message = "another transfer of this participant is under way";
                return Err(ApiError::new(Code::InvalidArgument, message));
            }
            if held.requests.len() >= limits::TRANSFER_WAITERS {
                return Err(ApiError::new(Code::ResourceExhausted, "too many requests wait for this transfer"));
            }
            held.requests.push(request);
            return Ok(());
        }
        let id = self.random.id(PREFIX);
        let methods = self.calls.get(&call).map(|entry| entry.call.facts().setup.midcall.transfer.clone());
        let order = TransferOrder {
            id: id.clone(),
            target: Pii(target.clone()),
            headers: transfer.headers.into_iter().collect(),
            dialtone: transfer.play_dialtone,
            timeout: transfer.timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(limits::TRANSFER_TIMEOUT),
            methods: methods.unwrap_or_default(),
        };
        self.waiters.transfers.insert(call.clone(), Transfer { id, target, requests: vec![request] });
        self.events.push_back((call, Event::TransferRequested(Box::new(order))));
        Ok(())
    }

    /// The call of a participant, if it is answered and no pin is asked for.
    pub(super) fn active_call(&self, room: &str, identity: &str) -> Result<CallId, ApiError> {
        let participant = self.rooms.participant(room, identity)?;
        let Some(call) = self.calls.by_participant.get(&participant.sid) else {
            let message = format!("participant {identity:?} is no SIP participant of this server");
            return Err(ApiError::new(Code::InvalidArgument, message));
        };
        if !self.calls.get(call).is_some_and(|entry| entry.call.is_active()) {
            let message = format!("the call of participant {identity:?} is not answered");
            return Err(ApiError::new(Code::FailedPrecondition, message));
        }
        Ok(call.clone())
    }

    /// Refer-To as it will be sent, without brackets. Nothing in it is changed.
    fn target(&self, given: &str) -> Result<String, ApiError> {
        let inner = given.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(given);
        let refused = |why: &str| Err(ApiError::new(Code::InvalidArgument, format!("transfer_to {why}")));
        if inner.contains(['\r', '\n', '\0']) {
            return refused("has a line break or NUL");
        }
        if inner.contains(['<', '>', ' ', '\t']) {
            return refused("is not one URI");
        }
        if inner.len() > limits::URI_BYTES {
            return refused(&format!("is longer than {} bytes", limits::URI_BYTES));
        }
        if let Some(other) = inner.strip_prefix("call:") {
            return self.attended(other);
        }
        let scheme = inner.split(':').next().unwrap_or_default();
        let is_known = ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if !is_known || inner.len() <= scheme.len().saturating_add(1) {
            return refused("is no sip:, sips: or tel: URI");
        }
        Ok(inner.to_owned())
    }

    /// A call tells how its transfer goes.
    pub(crate) fn transfer_news(&mut self, id: &CallId, news: TransferNews, now: Time, outputs: &mut Vec<Output>) {
        let (event, record, ended) = match news {
            TransferNews::Started(record) => ("sip_transfer_started", record, None),
            TransferNews::Ended { outcome, text, record } => ("sip_transfer_ended", record, Some((outcome, text))),
        };
        if let Some((outcome, text)) = ended {
            self.answer_transfer(id, outcome, text, &record, outputs);
        }
        let room = self.rooms.room(&record.room_name);
        outputs.push(Output::Notify(Box::new(Webhook {
            event,
            at: now,
            room,
            participant: None,
            track: None,
            call: Some(*record),
            job: None,
        })));
    }

    fn answer_transfer(
        &mut self,
        id: &CallId,
        outcome: TransferOutcome,
        text: String,
        record: &CallRecord,
        outputs: &mut Vec<Output>,
    ) {
        let Some(waiting) = self.waiters.transfers.remove(id) else { return };
        let said = record.transfers.last().and_then(|transfer| transfer.sip_status.clone());
        let sip_status = said.map(|(code, text)| SipStatus { code, text });
        let result = match (outcome, sip_status) {
            (TransferOutcome::Completed | TransferOutcome::CallEnded, sip_status) => {
                Ok(Reply::Transfer(Box::new(TransferReply { transfer: waiting.id, outcome, sip_status })))
            }
            (TransferOutcome::Rejected, Some(status)) if status.code >= 300 => {
                Err(ApiError { transfer: Some(Box::new((waiting.id, outcome))), ..ApiError::from(status) })
            }
            (outcome, sip_status) => {
                // What was said on the way is no refusal.
                let sip_status = sip_status.filter(|status| status.code >= 300);
                let code = match outcome {
                    TransferOutcome::Rejected => Code::FailedPrecondition,
                    _ => Code::Canceled,
                };
                Err(ApiError {
                    sip_status: sip_status.map(Box::new),
                    transfer: Some(Box::new((waiting.id, outcome))),
                    ..ApiError::new(code, text)
                })
            }
        };
        outputs.extend(waiting.requests.into_iter().map(|request| Output::Reply(request, result.clone())));
    }

    /// The call is gone, and with it what was waited for.
    pub(crate) fn forget_waiters(&mut self, id: &CallId, outputs: &mut Vec<Output>) {
        let of_transfer = self.waiters.transfers.remove(id).map(|waiting| waiting.requests);
        let of_hold = self.waiters.holds.remove(id);
        // Nobody waits any more for whom is still being called.
        for leg in self.outbound.wanted_by(id) {
            let ended = RoomEvent::EndRequested { headers: Vec::new() };
            self.events.push_back((leg, Event::Room(ended)));
        }
        for request in of_transfer.into_iter().chain(of_hold).flatten() {
            let error = ApiError::new(Code::Aborted, "the call has ended");
            outputs.push(Output::Reply(request, Err(error)));
        }
    }
}
