//! Requests of ours that begin something: an INVITE to somebody, or a request outside any dialog.

use super::{
    dialog::DialogId,
    stack_core::{Action, ClientId, Stack},
};
use crate::{HeaderList, flow::Flow};
use bytes::Bytes;
use std::{fmt, net::IpAddr};
use trunkline_types::Time;

/// A user's name and password, and those who may ask for it (`trust`: credentials belong to the
/// trunk's own peers; a challenge from anybody else is not answered).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: String,
    /// Addresses whose challenges are answered.
    pub peers: Vec<IpAddr>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("peers", &self.peers).finish_non_exhaustive()
    }
}

/// A request outside any dialog, and of an INVITE the dialogs it makes.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Call-ID.
    pub call_id: String,
    /// The tag of From.
    pub local_tag: String,
    /// The Request-URI, byte for byte.
    pub request_uri: String,
    /// The value of From without its tag: a name-addr.
    pub from: String,
    /// The value of To.
    pub to: String,
    /// Values of Route, in order.
    pub routes: Vec<String>,
    /// Headers of the request, after ours.
    pub headers: HeaderList,
    /// Its body with its type.
    pub body: Option<(String, Bytes)>,
    /// The way of the first attempt.
    pub flow: Flow,
    /// Who we are, if the trunk asks.
    pub credentials: Option<Credentials>,
}

impl Stack {
    /// Sends an INVITE. Answered by [`Event::Progress`](super::Event::Progress),
    /// [`Event::Answered`](super::Event::Answered), [`Event::Refused`](super::Event::Refused) or
    /// [`Event::Failed`](super::Event::Failed); 401 and 407 are answered here. Reliable provisional
    /// answers are acknowledged here (RFC 3262). A 2xx of a further fork, or one that comes after
    /// [`Self::cancel`] or [`Self::retarget`], gets ACK and BYE here.
    pub fn invite(&mut self, _outgoing: Outgoing, _now: Time, _out: &mut Vec<Action>) -> ClientId {
        ClientId(self.number())
    }

    /// Tries the same INVITE on another way, with a new branch (RFC 3263 §4.3); the former attempt
    /// is given up. Only before a final answer.
    pub fn retarget(&mut self, _client: &ClientId, _flow: Flow, _now: Time, _out: &mut Vec<Action>) {}

    /// Gives an INVITE up: CANCEL at once, or as soon as a provisional answer allows it (RFC 3261
    /// §9.1). It ends with `Refused` (487) or `Failed`.
    pub fn cancel(&mut self, _client: &ClientId, _headers: &[(String, String)], _now: Time, _out: &mut Vec<Action>) {}

    /// Sends a re-INVITE in a dialog: answered like [`Self::invite`], without early dialogs; 491 comes
    /// as `Refused`. `None` if there is no such dialog or an INVITE of either side is pending in it.
    pub fn reinvite(
        &mut self,
        _dialog: &DialogId,
        _headers: &[(String, String)],
        _body: Option<(&str, Bytes)>,
        _now: Time,
        _out: &mut Vec<Action>,
    ) -> Option<ClientId> {
        None
    }

    /// How long to wait before an INVITE that met 491 is sent again (RFC 3261 §14.1): 2.1 to 4 s for
    /// whoever made the Call-ID, up to 2 s for the other side.
    pub fn glare_wait(&mut self, _dialog: &DialogId) -> std::time::Duration {
        std::time::Duration::from_secs(1)
    }

    /// ACK to the 2xx of an INVITE of ours, in its dialog, with our answer if the 2xx brought the
    /// offer. Repeated by the stack for each repeated 2xx.
    pub fn acknowledge(
        &mut self,
        _dialog: &DialogId,
        _body: Option<(&str, Bytes)>,
        _now: Time,
        _out: &mut Vec<Action>,
    ) {
    }

    /// Sends any other request outside a dialog: OPTIONS, REGISTER. Answered by
    /// [`Event::Response`](super::Event::Response) or [`Event::Failed`](super::Event::Failed).
    pub fn send_outside(&mut self, _method: &str, _outgoing: Outgoing, _now: Time, _out: &mut Vec<Action>) -> ClientId {
        ClientId(self.number())
    }
}
