//! The audio of a WebRTC connection past its stack: the same keys and numbers, none of its queues.
//!
//! The stack (str0m) makes the connection and keeps it: ICE, DTLS, SDP, data, video and RTCP. It
//! takes in the first packet of every source, and sends one of a section whenever ICE has said
//! something: so it is the stack that tells whose a source is and where the client is. All other
//! packets of audio come in and go out here. Whoever sees a source, the stack or what is here, sees
//! all that follows; both may send on a section, since each packet brings its own number. The
//! stack's reports pass through here as well, to be told of the packets it has not seen.

mod inward;
mod keys;
mod outward;
mod reports;

pub(crate) use inward::{First, Inward, Taken};
pub(crate) use keys::{KeySlot, provider, with_slot};
pub(crate) use outward::{Agreed, Outward, Packet, Total};
pub(crate) use reports::put_right;

use trunkline_rtp::srtp::{Error, RtcpTransform, RtpTransform};

/// What is here of a connection, once its keys are known.
pub(crate) struct Bypass {
    pub(crate) inward: Inward,
    pub(crate) outward: Outward,
    /// Of the reports we send.
    pub(crate) reports: RtcpTransform,
}

impl Bypass {
    /// Once the handshake is over; `None` before.
    pub(crate) fn new(keys: &KeySlot) -> Option<Box<Self>> {
        let keys = keys.get()?;
        let made = || -> Result<Self, Error> {
            let outward = RtpTransform::new(keys.suite, &keys.ours)?;
            Ok(Self {
                inward: Inward::new(RtpTransform::new(keys.suite, &keys.theirs)?),
                outward: Outward { transform: outward, route: None },
                reports: RtcpTransform::new(keys.suite, &keys.ours)?,
            })
        };
        made().map(Box::new).ok()
    }
}

/// Whether it is RTP or RTCP (RFC 7983 §7).
pub(crate) fn is_media(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|byte| (128..=191).contains(byte))
}

/// Whether it is a STUN message (RFC 7983 §7).
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|byte| *byte <= 3)
}
