//! Offer and answer of the SIP leg (RFC 3264), independent of the call's phase.

use crate::{
    Setup,
    media::{Codec, Flowing, LegMedia},
};
use std::time::Duration;
use trunkline_sdp::{AudioCodec, Direction, Error, Local, Negotiated, Security, Session};
use trunkline_sip::HeaderList;

/// Why a call ends whose ACK should have brought the answer to our offer.
pub(crate) const NO_ANSWER_IN_ACK: &str = "the ACK brought no usable answer to our offer";

/// Where offer and answer stand.
#[derive(Clone, Debug)]
pub(crate) enum Negotiation {
    /// The far end has offered; it is ours to answer.
    OfferReceived(Box<Session>),
    /// The INVITE had no offer; it is ours to make.
    OfferOwed,
    /// We have offered in a 2xx; the answer comes in the ACK (RFC 3261 §13.2.1).
    AnswerAwaited {
        /// What we offered.
        offer: Box<Session>,
        /// Our side of it.
        local: Local,
    },
    /// Both sides agree.
    Settled(Local),
}

/// What the far end sent cannot be used: a status and a reason phrase for it, and for people why.
#[derive(Clone, Debug)]
pub(crate) struct Unusable {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) why: String,
    /// The code of its `Warning` (RFC 3261 §20.43).
    warning: u16,
}

impl Unusable {
    /// A refusal whose status says everything.
    pub(crate) fn plain(status: u16, reason: &str) -> Self {
        Self { status, reason: reason.into(), why: String::new(), warning: 0 }
    }

    /// `Warning`, which tells the far end's people what to change. The text has names that came from there.
    pub(crate) fn headers(&self) -> HeaderList {
        if self.why.is_empty() {
            return Vec::new();
        }
        let harmless = |c: char| if c.is_control() || matches!(c, '"' | '\\') { '\'' } else { c };
        let text: String = self.why.chars().map(harmless).collect();
        vec![("Warning".into(), format!("{} trunkline \"{text}\"", self.warning))]
    }
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        let reason = match error.status() {
            488 => "Not Acceptable Here".into(),
            413 => "Request Entity Too Large".into(),
            _ => format!("Bad SDP: {error}"),
        };
        let warning = match error {
            Error::NoAudio => 304,
            Error::NoCommonCodec { .. } => 305,
            _ => 399,
        };
        let cure = match error {
            Error::EncryptionOff => "; media_encryption of the trunk or rule decides",
            _ => "",
        };
        Self { status: error.status(), reason, why: format!("failed to {error}{cure}"), warning }
    }
}

/// The description to send and, once it is known, what media shall do.
pub(crate) struct Step {
    pub(crate) next: Negotiation,
    pub(crate) sdp: String,
    pub(crate) media: Option<LegMedia>,
}

impl Negotiation {
    /// Takes the offer of an INVITE, if it has one. An offer that could never be answered is
    /// refused here, before anybody in a room hears of the call.
    pub(crate) fn begin(setup: &mut Setup) -> Result<Self, Unusable> {
        let Some(bytes) = setup.invite.offer.take() else { return Ok(Self::OfferOwed) };
        let offer = Session::parse(&bytes)?;
        trunkline_sdp::answer_with(&offer, &local(setup, 1, 1), &setup.security)?;
        Ok(Self::OfferReceived(Box::new(offer)))
    }

    /// Answers the offer, or makes one, now that our port is known.
    pub(crate) fn respond(self, setup: &Setup, port: u16) -> Result<Step, Unusable> {
        let local = match &self {
            Self::Settled(local) | Self::AnswerAwaited { local, .. } => {
                Local { version: local.version.saturating_add(1), ..local.clone() }
            }
            Self::OfferReceived(_) | Self::OfferOwed => local(setup, port, 1),
        };
        match self {
            Self::OfferReceived(offer) => answer(&offer, local, &setup.security),
            Self::OfferOwed | Self::AnswerAwaited { .. } | Self::Settled(_) => {
                let offer = trunkline_sdp::offer_with(&local, &setup.security);
                let sdp = offer.print();
                Ok(Step { next: Self::AnswerAwaited { offer: Box::new(offer), local }, sdp, media: None })
            }
        }
    }

    /// Answers a new offer in the middle of a call; `Err` leaves everything as it was.
    pub(crate) fn reoffered(&self, offer: &[u8], security: &Security) -> Result<Step, Unusable> {
        let (Self::Settled(local) | Self::AnswerAwaited { local, .. }) = self else {
            return Err(Unusable::plain(491, "Request Pending"));
        };
        let local = Local { version: local.version.saturating_add(1), ..local.clone() };
        answer(&Session::parse(offer)?, local, security)
    }

    /// Takes the answer to an offer of ours.
    pub(crate) fn answered(&self, answer: &[u8], security: &Security) -> Result<Option<(Self, LegMedia)>, Unusable> {
        let Self::AnswerAwaited { offer, local } = self else { return Ok(None) };
        let negotiated = trunkline_sdp::accept_answer_with(offer, &Session::parse(answer)?, local, security)?;
        Ok(Some((Self::Settled(local.clone()), leg_media(&negotiated))))
    }

    /// Takes what an ACK brought; what media is to do if that settled our offer. `None`: nothing was
    /// to be settled.
    pub(crate) fn acked(&mut self, sdp: Option<&[u8]>, security: &Security) -> Result<Option<LegMedia>, Unusable> {
        let Some((settled, media)) = self.answered(sdp.unwrap_or_default(), security)? else { return Ok(None) };
        *self = settled;
        Ok(Some(media))
    }

    /// An offer of ours in the middle of a call, with what has been agreed on first; `None` while
    /// another one is open.
    pub(crate) fn reoffer(
        &self,
        direction: Direction,
        codec: Option<Codec>,
        security: &Security,
    ) -> Option<(Session, Local)> {
        let Self::Settled(held) = self else { return None };
        let mut local = Local { version: held.version.saturating_add(1), direction, ..held.clone() };
        local.codecs.sort_by_key(|offered| codec != Some(codec_of(*offered)));
        Some((trunkline_sdp::offer_with(&local, security), local))
    }

    /// Takes the answer to such an offer.
    pub(crate) fn reoffer_answered(
        offer: &Session,
        local: &Local,
        answer: &[u8],
        security: &Security,
    ) -> Result<(Self, LegMedia), Unusable> {
        let negotiated = trunkline_sdp::accept_answer_with(offer, &Session::parse(answer)?, local, security)?;
        Ok((Self::Settled(local.clone()), leg_media(&negotiated)))
    }

    /// Whether we want to send at all.
    pub(crate) fn sends(&self) -> bool {
        match self {
            Self::Settled(local) | Self::AnswerAwaited { local, .. } => local.direction.sends(),
            Self::OfferReceived(_) | Self::OfferOwed => true,
        }
    }

    /// Whether the far end still owes us an answer.
    pub(crate) fn awaits_answer(&self) -> bool {
        matches!(self, Self::AnswerAwaited { .. })
    }
}

fn answer(offer: &Session, local: Local, security: &Security) -> Result<Step, Unusable> {
    let (session, negotiated) = trunkline_sdp::answer_with(offer, &local, security)?;
    Ok(Step { sdp: session.print(), media: Some(leg_media(&negotiated)), next: Negotiation::Settled(local) })
}

fn local(setup: &Setup, port: u16, version: u64) -> Local {
    Local {
        address: setup.media_advertised,
        port,
        session_id: setup.sdp_session_id,
        version,
        codecs: setup.codecs.clone(),
        direction: Direction::SendRecv,
        ptime_ms: 20,
    }
}

fn leg_media(negotiated: &Negotiated) -> LegMedia {
    LegMedia {
        remote: negotiated.remote,
        remote_rtcp: negotiated.remote_rtcp,
        codec: codec_of(negotiated.codec),
        payload_type: negotiated.payload_type,
        telephone_event: negotiated.telephone_event,
        telephone_event_clock: negotiated.telephone_event_rate,
        crypto: negotiated.crypto.clone(),
        ptime: Duration::from_millis(negotiated.ptime_ms.into()),
        flowing: Flowing {
            send: negotiated.direction.sends() && negotiated.remote.is_some(),
            receive: negotiated.direction.receives() && !negotiated.held,
        },
    }
}

fn codec_of(codec: AudioCodec) -> Codec {
    match codec {
        AudioCodec::Pcmu => Codec::Pcmu,
        AudioCodec::Pcma => Codec::Pcma,
        AudioCodec::G722 => Codec::G722,
        AudioCodec::Opus => Codec::Opus,
    }
}
