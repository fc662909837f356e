//! `Hold` and `Resume`: a telephone is put on hold, and whoever asked hears when it is.

use crate::{
    Exchange, Output,
    command::{ApiError, Code, Reply, RequestId, SipStatus},
};
use trunkline_call::Event;
use trunkline_types::{CallId, limits};

impl Exchange {
    pub(crate) fn hold(
        &mut self,
        request: RequestId,
        room: &str,
        identity: &str,
        hold: bool,
        outputs: &mut Vec<Output>,
    ) {
        let call = match self.active_call(room, identity) {
            Ok(call) => call,
            Err(error) => return outputs.push(Output::Reply(request, Err(error))),
        };
        let waiting = self.waiters.holds.entry(call.clone()).or_default();
        if waiting.len() >= limits::TRANSFER_WAITERS {
            let error = ApiError::new(Code::ResourceExhausted, "too many requests wait for this call");
            return outputs.push(Output::Reply(request, Err(error)));
        }
        waiting.push(request);
        self.events.push_back((call, Event::HoldRequested(hold)));
    }

    /// The far end is on hold, or back, or will not have it.
    pub(crate) fn held(&mut self, id: &CallId, result: Result<(), (u16, String)>, outputs: &mut Vec<Output>) {
        let result = result.map(|()| Reply::Done).map_err(|(code, text)| ApiError::from(SipStatus { code, text }));
        let waiting = self.waiters.holds.remove(id).unwrap_or_default();
        outputs.extend(waiting.into_iter().map(|request| Output::Reply(request, result.clone())));
    }
}
