//! A call out until it is answered: what was asked for, whom we try, and who waits for an answer.

use crate::command::{ApiError, RequestId};
use std::{collections::VecDeque, net::IpAddr};
use trunkline_call::{dial::FarAnswer, session_timer::TimerHeaders};
use trunkline_routing::dial::DialPlan;
use trunkline_sip::{ClientId, DialogId, Message, Uri, locate::Target};
use trunkline_types::{CallId, Time};

/// Who asked for the call, and when he wants to hear of it.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) who: Caller,
    pub(crate) until_answered: bool,
}

/// Who asked for a call out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// An API client.
    Client(RequestId),
    /// A call that wants the far end in its room: it is told by [`Event::Bridged`](trunkline_call::Event::Bridged).
    Call(CallId),
}

/// See the module.
pub(super) struct Leg {
    pub(super) waiting: Option<Waiting>,
    /// Why the room refused the participant.
    pub(super) error: Option<ApiError>,
    pub(super) plan: DialPlan,
    pub(super) sdp: String,
    pub(super) targets: VecDeque<Target>,
    pub(super) current: Option<Target>,
    pub(super) client: Option<ClientId>,
    /// The addresses that may ask for our credentials.
    pub(super) peers: Vec<IpAddr>,
    /// 3xx that have been followed.
    pub(super) redirects: u8,
    /// Contacts of redirections that have not been tried, the next one first.
    pub(super) contacts: VecDeque<Uri>,
    /// INVITEs begun so far: each has higher numbers than the one before.
    pub(super) begun: u32,
    /// The last refusal after which another target was tried.
    pub(super) refusal: Option<Box<FarAnswer>>,
    pub(super) cancelled: bool,
    /// Its early dialogs, in which the far end may ask for something.
    pub(super) early: Vec<DialogId>,
    /// `Session-Expires` to ask for, seconds (RFC 4028); 0 for none.
    pub(super) session_expires: u32,
    /// When its next target is due.
    pub(super) next_at: Option<Time>,
}

impl Leg {
    pub(super) fn new(plan: DialPlan, session_expires: u32, waiting: Option<Waiting>) -> Self {
        Self {
            waiting,
            error: None,
            plan,
            sdp: String::new(),
            targets: VecDeque::new(),
            current: None,
            client: None,
            peers: Vec::new(),
            redirects: 0,
            contacts: VecDeque::new(),
            begun: 0,
            refusal: None,
            cancelled: false,
            early: Vec::new(),
            session_expires,
            next_at: None,
        }
    }

    /// The far end wants a longer interval (422); whether it names one.
    pub(super) fn lengthen(&mut self, message: &Message) -> bool {
        let least = TimerHeaders::of(&message.headers()).min_se.filter(|least| *least > self.session_expires);
        self.session_expires = least.filter(|_| self.session_expires > 0).unwrap_or(self.session_expires);
        least.is_some()
    }
}
