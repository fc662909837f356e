//! What a call wants done.

use crate::{
    dial::{DialCommand, DialNews},
    media::MediaPlan,
    record::CallRecord,
    transfer::TransferOutcome,
};
use std::{collections::BTreeMap, time::Duration};
use trunkline_sip::{HeaderList, RequestId};
use trunkline_types::{DisconnectReason, Pii};

/// Do this. Effects are carried out in the order in which they stand.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Something on the SIP leg.
    Sip(SipCommand),
    /// Something in the room.
    Room(RoomCommand),
    /// Something on the media thread.
    Media(MediaPlan),
    /// Make the record durable and answer with [`Event::Stored`](crate::Event::Stored).
    Persist(Box<CallRecord>),
    /// Tell those who listen that the call has come so far.
    Announce(Moment, Box<CallRecord>),
    /// Tell whoever asked for this call out.
    Dial(DialNews),
    /// How a transfer goes; whoever asked for it waits for its end.
    Transfer(TransferNews),
    /// Call this URI into our room; answered by [`Event::Bridged`](crate::Event::Bridged).
    Bridge {
        /// The URI.
        target: Pii<String>,
        /// How long it may ring.
        timeout: Duration,
    },
    /// The far end is on hold, or back, as it was asked for; or a status and a text why not.
    Held(Result<(), (u16, String)>),
    /// Whose room these digits open; none for rooms without a pin. Answered by
    /// [`Event::PinChecked`](crate::Event::PinChecked).
    CheckPin(Pii<String>),
    /// A line for the operator; it holds no number, address or header value.
    Log(String),
    /// The call is over and done with: forget it.
    Finish,
}

/// How a transfer goes. The call's record holds the rest, in its last transfer.
#[derive(Clone, Debug)]
pub enum TransferNews {
    /// The first way is tried.
    Started(Box<CallRecord>),
    /// It is decided; `text` is for whoever asked.
    Ended {
        /// How.
        outcome: TransferOutcome,
        /// Why, in one sentence.
        text: String,
        /// The record.
        record: Box<CallRecord>,
    },
}

/// The moments of a call that webhooks tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// 180 is out; of a call out, the far end rings.
    Ringing,
    /// 200 is out; of a call out, it is in.
    Answered,
    /// Over, with all receipts.
    Ended,
}

/// What to send on the SIP leg.
#[derive(Clone, Debug)]
pub enum SipCommand {
    /// Something of a call out.
    Dial(DialCommand),
    /// 180 Ringing.
    Ring,
    /// 200 to the INVITE.
    Answer {
        /// Custom headers.
        headers: HeaderList,
        /// Our answer, or our offer if the INVITE had none.
        sdp: String,
    },
    /// A final refusal of the INVITE.
    Reject {
        /// 400–699.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// Custom headers.
        headers: HeaderList,
    },
    /// 200 to the pending re-INVITE.
    AnswerReinvite {
        /// Those of the session timer.
        headers: HeaderList,
        /// Our answer, or our offer.
        sdp: String,
    },
    /// A refusal of the pending re-INVITE; the session stays as it was.
    RejectReinvite {
        /// 400–699.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// Those of the session timer.
        headers: HeaderList,
    },
    /// re-INVITE.
    Reinvite {
        /// Those of the session timer.
        headers: HeaderList,
        /// Our offer.
        sdp: String,
    },
    /// ACK to the 2xx of our re-INVITE.
    Acknowledge,
    /// UPDATE without an offer: refreshes the session.
    Update {
        /// Those of the session timer.
        headers: HeaderList,
    },
    /// REFER.
    Refer {
        /// `Refer-To` and custom headers.
        headers: HeaderList,
    },
    /// A digit by INFO.
    Info {
        /// `0-9*#A-D`.
        digit: char,
    },
    /// NOTIFY to a REFER of the far end (RFC 3515).
    Notify {
        /// The CSeq number of the REFER, where it is not the first of the dialog.
        id: Option<u32>,
        /// The status of the `message/sipfrag`.
        status: u16,
        /// Its phrase.
        reason: String,
        /// It is the last one.
        last: bool,
    },
    /// The final answer to a request.
    Respond {
        /// Which.
        request: RequestId,
        /// 200–699.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// Custom headers.
        headers: HeaderList,
        /// A session description.
        sdp: Option<String>,
    },
    /// BYE in our dialog.
    Bye {
        /// Custom headers and `Reason`.
        headers: HeaderList,
    },
    /// 200 to the far end's BYE.
    AnswerBye {
        /// Custom headers, if the options say so.
        headers: HeaderList,
    },
}

/// What the call asks of its room.
#[derive(Clone, Debug)]
pub enum RoomCommand {
    /// Join with everything others shall see at first sight.
    Join {
        /// The room's name.
        room: String,
        /// The identity we would like.
        identity: String,
        /// The name shown.
        name: String,
        /// Metadata.
        metadata: String,
        /// Every `sip.*` attribute and the rule's own.
        attributes: BTreeMap<String, String>,
    },
    /// Publish the caller's audio.
    Publish,
    /// Change our attributes; an empty value deletes.
    SetAttributes(BTreeMap<String, String>),
    /// The caller pressed a key.
    SendDtmf {
        /// The event code.
        code: u32,
        /// The digit; empty for flash.
        digit: String,
    },
    /// Leave.
    Leave(DisconnectReason),
}
