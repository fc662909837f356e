//! Calls out: what one begins with, what the far end may answer, and what comes of each answer.

use bytes::Bytes;
use std::net::SocketAddr;
use trunkline_sip::HeaderList;
use trunkline_types::EndReason;

/// What only a call out needs to know at its beginning.
#[derive(Clone, Debug, Default)]
pub struct Outbound {
    /// Digits to send once the call is answered (`0-9*#A-Dw`).
    pub dtmf: String,
    /// The room hears a ringing tone until the far end is heard.
    pub play_dialtone: bool,
    /// The trunk's address, for `sip.hostname`.
    pub hostname: String,
}

/// What the far end answered to our INVITE.
#[derive(Clone, Debug)]
pub struct FarAnswer {
    /// 101 to 699.
    pub status: u16,
    /// Its reason phrase, or a better text if it gave one.
    pub text: String,
    /// All headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its tag.
    pub remote_tag: String,
    /// Its description, if there was one.
    pub sdp: Option<Bytes>,
    /// `UDP`, `TCP` or `TLS`.
    pub transport: &'static str,
    /// Where it came from.
    pub source: SocketAddr,
}

/// Why nobody could be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialFailure {
    /// Nothing was answered at all.
    Silent,
    /// The name of the far end has no address.
    Unresolved(String),
    /// There is no way to the far end.
    Unreachable(String),
    /// The far end is we.
    Loop,
    /// Nothing was sent, for the call was given up first.
    NothingSent,
}

impl DialFailure {
    /// One sentence for the operator.
    pub fn text(&self) -> String {
        match self {
            Self::Silent => "the far end answered nothing at all".into(),
            Self::Unresolved(why) => format!("the far end's name has no address: {why}"),
            Self::Unreachable(why) => format!("the far end cannot be reached: {why}"),
            Self::Loop => "the far end is this server itself: a loop".into(),
            Self::NothingSent => "the call was given up before anything was sent".into(),
        }
    }
}

/// What happened to our INVITE.
#[derive(Clone, Debug)]
pub enum DialEvent {
    /// A provisional answer above 100.
    Progress(Box<FarAnswer>),
    /// The first 2xx.
    Answered(Box<FarAnswer>),
    /// A final answer of 300 or above.
    Refused(Box<FarAnswer>),
    /// There will be no answer.
    Failed(DialFailure),
    /// Whoever asked for the call and waited for its answer has gone, and does not want it any more.
    Abandoned,
}

/// What a call out wants sent.
#[derive(Clone, Debug)]
pub enum DialCommand {
    /// The INVITE.
    Invite {
        /// Our offer.
        sdp: String,
    },
    /// CANCEL, or nothing if nothing was sent yet; answered by [`DialEvent::Refused`] or
    /// [`DialEvent::Failed`].
    Cancel {
        /// Custom headers and `Reason`.
        headers: HeaderList,
    },
    /// ACK to the 2xx.
    Acknowledge,
}

/// How far a call out has come, for whoever asked for it.
#[derive(Clone, Debug)]
pub enum DialNews {
    /// It is a participant and publishes; the INVITE goes out.
    Placed,
    /// It is answered and its digits are sent.
    Active,
    /// It is over before that.
    Failed(Box<DialOutcome>),
}

/// How a call out failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialOutcome {
    /// Why.
    pub reason: EndReason,
    /// What the far end said, if it said anything.
    pub status: Option<(u16, String)>,
    /// Why nobody could be asked.
    pub failure: Option<DialFailure>,
    /// One sentence for the operator.
    pub text: String,
}

/// What a final answer to our INVITE means (LiveKit's classification by status): declined, not
/// there, or a trunk that does not work.
pub const fn reason_of_status(status: u16) -> EndReason {
    match status {
        401 | 407 => EndReason::TrunkFailure,
        403 | 486 | 488 | 600..=699 => EndReason::Rejected,
        400..=499 => EndReason::Unavailable,
        _ => EndReason::TrunkFailure,
    }
}

/// What it means that nobody could be asked.
pub const fn reason_of_failure(failure: &DialFailure) -> EndReason {
    match failure {
        DialFailure::Silent
        | DialFailure::Unresolved(_)
        | DialFailure::Unreachable(_)
        | DialFailure::Loop
        | DialFailure::NothingSent => EndReason::TrunkFailure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_types::DisconnectReason as D;

    #[test]
    fn each_status_has_the_reason_that_livekit_documents() {
        let table: [(&[u16], D); 3] = [
            (&[403, 486, 488, 600, 603, 606, 607], D::UserRejected),
            (&[400, 404, 408, 410, 480, 484, 487, 491], D::UserUnavailable),
            (&[202, 300, 302, 401, 407, 500, 502, 503, 504, 580, 599], D::SipTrunkFailure),
        ];
        for (statuses, reason) in table {
            for status in statuses {
                assert_eq!(reason_of_status(*status).disconnect_reason(), reason, "{status}");
            }
        }
        assert_eq!(EndReason::NoAnswer.disconnect_reason(), D::UserUnavailable);
        assert_eq!(reason_of_failure(&DialFailure::Silent).disconnect_reason(), D::SipTrunkFailure);
    }
}
