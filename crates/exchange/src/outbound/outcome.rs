//! What came of a call out, as an API error (LiveKit's mapping of SIP statuses to Twirp codes).

use crate::command::{ApiError, Code, SipStatus};
use trunkline_call::dial::{DialFailure, DialOutcome};
use trunkline_sip::Message;
use trunkline_types::EndReason;

/// Characters of a far end's text that are passed on.
const TEXT_CHARS: usize = 256;

/// The Twirp code of a SIP status.
pub(crate) const fn code_of_status(status: u16) -> Code {
    match status {
        301 | 302 | 404 | 410 | 481 | 604 => Code::NotFound,
        401 | 402 | 403 | 433 | 470 | 603 | 607 | 608 => Code::PermissionDenied,
        407 | 428 | 436..=438 | 494 => Code::Unauthenticated,
        408 | 504 => Code::DeadlineExceeded,
        409 | 412 | 482 | 483 => Code::FailedPrecondition,
        416 => Code::OutOfRange,
        440 | 480 | 486 | 600 => Code::ResourceExhausted,
        487 | 491 => Code::Aborted,
        505 | 513 => Code::InvalidArgument,
        100..=299 => Code::Unknown,
        500..=599 => Code::FailedPrecondition,
        _ => Code::InvalidArgument,
    }
}

/// The error of a call that was not answered.
pub(crate) fn api_error(outcome: &DialOutcome) -> ApiError {
    if let Some((code, text)) = &outcome.status {
        let status = SipStatus { code: *code, text: text.clone() };
        let message = format!("sip status {code}: {text}");
        // What a far end says of our credentials is a fault of the trunk's settings.
        let twirp = if matches!(code, 401 | 407) { Code::FailedPrecondition } else { code_of_status(*code) };
        return ApiError { code: twirp, message, sip_status: Some(Box::new(status)) };
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
    fn every_status_of_the_table_has_its_code() {
        let table: [(Code, &[u16]); 10] = [
            (
                Code::InvalidArgument,
                &[
                    300, 305, 380, 399, 400, 405, 406, 411, 413, 414, 415, 417, 420, 421, 422, 423, 424, 425, 429, 430,
                    439, 469, 484, 485, 488, 489, 493, 505, 513, 606, 699,
                ],
            ),
            (Code::NotFound, &[301, 302, 404, 410, 481, 604]),
            (Code::PermissionDenied, &[401, 402, 403, 433, 470, 603, 607, 608]),
            (Code::Unauthenticated, &[407, 428, 436, 437, 438, 494]),
            (Code::DeadlineExceeded, &[408, 504]),
            (Code::FailedPrecondition, &[409, 412, 482, 483, 500, 501, 502, 503, 599]),
            (Code::OutOfRange, &[416]),
            (Code::ResourceExhausted, &[440, 480, 486, 600]),
            (Code::Aborted, &[487, 491]),
            (Code::Unknown, &[199]),
        ];
        for (code, statuses) in table {
            for status in statuses {
                assert_eq!(code_of_status(*status), code, "{status}");
            }
        }
    }

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
