//! Requests from the server to a participant (`PerformRpc`).

use crate::{
    Exchange, Output,
    command::{ApiError, Code, Reply, RequestId},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use trunkline_call::{Event, RoomEvent};
use trunkline_room::data::{self, RPC_PAYLOAD_BYTES};
use trunkline_types::{CallId, ParticipantSid, Time};

/// Requests that wait for their answer.
const MAX_PENDING: usize = 1024;
/// If the request names none.
const TIMEOUT_MS: u32 = 10_000;
/// The longest there is.
const MAX_TIMEOUT_MS: u32 = 300_000;

/// The requests that wait for their answer, by their id.
#[derive(Default)]
pub(super) struct Rpcs {
    pending: BTreeMap<String, Pending>,
    timers: BTreeSet<(Time, String)>,
    /// Calls that a client has ended, in the order of their time.
    pub(super) ending: VecDeque<(Time, CallId, RoomEvent)>,
}

struct Pending {
    request: RequestId,
    participant: ParticipantSid,
    until: Time,
}

impl Rpcs {
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let ending = self.ending.front().map(|(at, ..)| *at);
        self.timers.first().map(|(at, _)| *at).into_iter().chain(ending).min()
    }

    fn take(&mut self, id: &str) -> Option<Pending> {
        let pending = self.pending.remove(id)?;
        self.timers.remove(&(pending.until, id.to_owned()));
        Some(pending)
    }

    fn waits_for(&self, id: &str, participant: &ParticipantSid) -> bool {
        self.pending.get(id).is_some_and(|p| p.participant == *participant)
    }
}

/// `PerformRpc` of the API.
pub(crate) struct Rpc {
    pub(crate) room: String,
    pub(crate) identity: String,
    pub(crate) method: String,
    pub(crate) payload: String,
    pub(crate) response_timeout_ms: u32,
}

impl Exchange {
    /// Sends a request; it is answered when the participant answers.
    pub(crate) fn perform_rpc(&mut self, request: RequestId, rpc: &Rpc, now: Time, outputs: &mut Vec<Output>) {
        if let Err(error) = self.begin_rpc(request, rpc, now, outputs) {
            outputs.push(Output::Reply(request, Err(error)));
        }
    }

    fn begin_rpc(
        &mut self,
        request: RequestId,
        rpc: &Rpc,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<(), ApiError> {
        let error = |code, message: &str| Err(ApiError::new(code, message));
        if rpc.method.is_empty() {
            return error(Code::InvalidArgument, "the method is empty");
        }
        if rpc.payload.len() > RPC_PAYLOAD_BYTES {
            return error(Code::InvalidArgument, "the payload is longer than 15360 bytes");
        }
        let participant = self.rooms.participant(&rpc.room, &rpc.identity)?;
        let Some(session) = self.peers.get(&participant.sid) else {
            let answer = self.asked(&participant.sid, &rpc.method, &rpc.payload, true, None);
            let reply = answer.map(Reply::Rpc).map_err(|(code, text)| {
                let message = format!("RPC error {code}: {text}");
                ApiError::new(Code::FailedPrecondition, message)
            });
            outputs.push(Output::Reply(request, reply));
            return Ok(());
        };
        let room = session.room.clone();
        if self.peers.rpcs.pending.len() >= MAX_PENDING {
            return error(Code::ResourceExhausted, "too many requests wait for their answer");
        }
        let timeout = if rpc.response_timeout_ms == 0 { TIMEOUT_MS } else { rpc.response_timeout_ms };
        let timeout = timeout.min(MAX_TIMEOUT_MS);
        let (id, until) = (self.random.id("RPC_"), now + Duration::from_millis(timeout.into()));
        let bytes = data::rpc_request(&id, &rpc.identity, &rpc.method, &rpc.payload, timeout);
        self.peers.rpcs.timers.insert((until, id.clone()));
        self.peers.rpcs.pending.insert(id, Pending { request, participant: participant.sid, until });
        let nobody = ParticipantSid::default();
        self.send_own(&room, &nobody, std::slice::from_ref(&rpc.identity), bytes, now, outputs);
        Ok(())
    }

    /// Whether an acknowledgement was to a request of ours: then nobody else needs it.
    pub(super) fn rpc_acknowledged(&self, id: &str, from: &ParticipantSid) -> bool {
        self.peers.rpcs.waits_for(id, from)
    }

    /// Whether a response was to a request of ours.
    pub(super) fn rpc_answered(
        &mut self,
        id: &str,
        from: &ParticipantSid,
        result: &Result<String, (u32, String)>,
        outputs: &mut Vec<Output>,
    ) -> bool {
        if !self.peers.rpcs.waits_for(id, from) {
            return false;
        }
        let Some(pending) = self.peers.rpcs.take(id) else { return false };
        let reply = match result {
            Ok(payload) => Ok(Reply::Rpc(payload.clone())),
            Err((code, text)) => {
                let message = format!("RPC error {code}: {text}");
                Err(ApiError::new(Code::FailedPrecondition, message))
            }
        };
        outputs.push(Output::Reply(pending.request, reply));
        true
    }

    /// The participant has left: it answers nothing any more.
    pub(super) fn fail_rpcs(&mut self, participant: &ParticipantSid, outputs: &mut Vec<Output>) {
        let rpcs = &mut self.peers.rpcs;
        let ids: Vec<_> =
            rpcs.pending.iter().filter(|(_, p)| p.participant == *participant).map(|(id, _)| id.clone()).collect();
        for pending in ids.iter().filter_map(|id| rpcs.take(id)) {
            let message = "the participant left before it answered";
            outputs.push(Output::Reply(pending.request, Err(ApiError::new(Code::Unavailable, message))));
        }
    }

    pub(super) fn rpcs_due(&mut self, now: Time, outputs: &mut Vec<Output>) {
        while self.peers.rpcs.ending.front().is_some_and(|(at, ..)| *at <= now)
            && let Some((_, call, event)) = self.peers.rpcs.ending.pop_front()
        {
            self.events.push_back((call, Event::Room(event)));
        }
        let rpcs = &mut self.peers.rpcs;
        while let Some((at, id)) = rpcs.timers.first().cloned()
            && at <= now
        {
            rpcs.timers.pop_first();
            if let Some(pending) = rpcs.pending.remove(&id) {
                let message = "the participant did not answer in time";
                let error = ApiError::new(Code::DeadlineExceeded, message);
                outputs.push(Output::Reply(pending.request, Err(error)));
            }
        }
    }
}
