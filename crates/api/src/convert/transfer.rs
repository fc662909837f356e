//! Moving a caller on: LiveKit's `TransferSIPParticipantRequest` and its response.

use super::media::{duration_from, sorted};
use crate::twirp::TwirpError;
use livekit_protocol::{self as proto, SipTransferReason as Reason};
use trunkline_exchange::command::{TransferOutcome, TransferReply, TransferRequest};
use trunkline_types::limits;

/// Reads the request. The target stays byte for byte what it is, without its angle brackets.
pub(crate) fn transfer_request(request: proto::TransferSipParticipantRequest) -> Result<TransferRequest, TwirpError> {
    Ok(TransferRequest {
        target: target(&request.transfer_to)?,
        room: request.room_name,
        identity: request.participant_identity,
        headers: sorted(request.headers),
        play_dialtone: request.play_dialtone,
        timeout: duration_from("ringing_timeout", request.ringing_timeout)?.filter(|timeout| !timeout.is_zero()),
    })
}

/// `sip:`, `sips:` or `tel:`, in any case, or `call:` with the id of another call of ours, which is
/// an attended transfer; in angle brackets or not, and nothing that could end the brackets or the
/// line.
fn target(given: &str) -> Result<String, TwirpError> {
    let wrong = |what: &str| Err(TwirpError::invalid("transfer_to", format_args!("{given:?} {what}")));
    if given.chars().any(char::is_control) {
        return wrong("holds a line break or another control character");
    }
    let uri = match given.strip_prefix('<') {
        None => given,
        Some(rest) => match rest.strip_suffix('>') {
            Some(uri) => uri,
            None => return wrong("has no closing angle bracket at its end; parameters of the URI go inside"),
        },
    };
    let (scheme, rest) = uri.split_once(':').unwrap_or_default();
    if !["sip", "sips", "tel", "call"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return wrong("is not a URI that begins with sip:, sips: or tel:");
    }
    if rest.is_empty() || uri.contains(['<', '>']) {
        return wrong("is not one URI, such as tel:+15550100 or <sip:desk@pbx.example>");
    }
    if uri.len() > limits::URI_BYTES {
        return Err(TwirpError::invalid("transfer_to", format_args!("is longer than {} bytes", limits::URI_BYTES)));
    }
    Ok(uri.to_owned())
}

/// Writes how it went. A call that ended before it was decided is a response, as is success: what
/// failed otherwise has come as an error.
pub(crate) fn transfer_reply(reply: TransferReply) -> proto::TransferSipParticipantResponse {
    let status = match reply.outcome {
        TransferOutcome::Completed => proto::SipTransferStatus::StsTransferSuccessful,
        _ => proto::SipTransferStatus::StsTransferFailed,
    };
    proto::TransferSipParticipantResponse {
        transfer_id: reply.transfer,
        status: status.into(),
        reason: transfer_reason(reply.outcome).into(),
        sip_status: reply
            .sip_status
            .map(|status| proto::SipStatus { code: i32::from(status.code), status: status.text }),
    }
}

/// LiveKit's `SIPTransferReason`.
pub(crate) const fn transfer_reason(outcome: TransferOutcome) -> Reason {
    match outcome {
        TransferOutcome::Completed => Reason::StrCompleted,
        TransferOutcome::CallEnded => Reason::StrCallEnded,
        TransferOutcome::Rejected => Reason::StrRejected,
        TransferOutcome::RingingTimeout => Reason::StrRingingTimeout,
        TransferOutcome::SubscriptionTerminated => Reason::StrSubscriptionTerminated,
        TransferOutcome::Canceled => Reason::StrCanceled,
    }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn targets_keep_every_byte_but_the_brackets() {
        for uri in [
            "tel:+15559876543;x-ai-agent-outcome=transfer%3ATech%20Support",
            "TEL:+1",
            "sip:desk@pbx.example;user=phone?Replaces=a%40b%3Bto-tag%3D1",
            "SIPS:desk@pbx.example:5061",
            "sip:a@b?Replaces=call@host",
        ] {
            assert_eq!(target(uri).unwrap(), uri);
            assert_eq!(target(&format!("<{uri}>")).unwrap(), uri);
        }
        for bad in [
            "",
            "+15550100",
            "http://a",
            "sip:",
            "<tel:+1",
            "<tel:+1>;x=y",
            "\"Desk\" <sip:a@b>",
            "tel:+1\r\nX: y",
            "tel:+1\n",
            "tel:\0",
            "<sip:a@b><sip:c@d>",
            "mailto:a@b",
        ] {
            assert!(target(bad).is_err(), "{bad:?}");
        }
    }
}
