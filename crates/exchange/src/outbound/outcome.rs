//! What came of a call out, as an API error.

use crate::command::{ApiError, Code, SipStatus};
use trunkline_call::dial::{DialFailure, DialOutcome};
use trunkline_sip::Message;
use trunkline_types::EndReason;

/// Characters of a far end's text that are passed on.
const TEXT_CHARS: usize = 256;

/// The error of a call that was not answered.
pub(crate) fn api_error(outcome: &DialOutcome) -> ApiError {
    if let Some((code, text)) = &outcome.status {
        let error = ApiError::from(SipStatus { code: *code, text: text.clone() });
        // What a far end says of our credentials is a fault of the trunk's settings.
        let twirp = if matches!(code, 401 | 407) { Code::FailedPrecondition } else { error.code };
        return ApiError { code: twirp, ..error };
    }
    let code = match (&outcome.failure, outcome.reason) {
        (Some(DialFailure::Unresolved(_) | DialFailure::Loop), _) => Code::InvalidArgument,
        (Some(DialFailure::Unreachable(_)), _) | (None, EndReason::NoCommonCodec | EndReason::Shutdown) => {
            Code::FailedPrecondition
        }
        (Some(DialFailure::Silent | DialFailure::NothingSent), _) => Code::Canceled,
        (None, EndReason::Resource) => Code::Unavailable,
        (None, EndReason::Internal) => Code::Internal,
        // Nobody answered in time, or the call was given up.
        (None, _) => Code::Canceled,
    };
    ApiError::new(code, outcome.text.clone())
}

/// The text of a final answer: what LiveKit takes, the body, `X-Twilio-Error` or the phrase.
pub(crate) fn text_of(message: &Message) -> String {
    let status = message.status().unwrap_or_default();
    let better = || {
        let body = message.body();
        let body = std::str::from_utf8(&body).ok().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
        body.or_else(|| message.header("X-Twilio-Error"))
    };
    let text = if matches!(status, 400 | 404 | 480 | 486 | 488) { better() } else { None };
    let text = text.unwrap_or_else(|| message.reason().to_owned());
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS).collect();
    if text.trim().is_empty() { phrase(status).into() } else { text.trim().to_owned() }
}

/// RFC 3261 §21, for answers without a phrase.
const fn phrase(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        480 => "Temporarily Unavailable",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "Failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_one_that_says_most() {
        let text = |status: &str, headers: &str, body: &str| {
            let raw = format!(
                "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=a\r\n\
                 To: <sip:c@d>;tag=b\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            text_of(&Message::parse(raw.into()).unwrap())
        };
        assert_eq!(text("486 Busy Here", "", ""), "Busy Here");
        assert_eq!(text("486 Busy Here", "X-Twilio-Error: 32203 blocked\r\n", ""), "32203 blocked");
        assert_eq!(text("480 X", "Content-Type: text/plain\r\n", "out for\r\nlunch"), "out for  lunch");
        assert_eq!(text("503 Overload", "X-Twilio-Error: 1\r\n", "body"), "Overload");
        assert_eq!(text("603 ", "", ""), "Decline");
    }
}
