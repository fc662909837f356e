//! What a SIP status means to an API client.

use crate::command::{ApiError, Code, SipStatus};

impl Code {
    /// The code of a request that ended with this SIP status: LiveKit's table (`livekit/protocol`,
    /// `sipCodeToGRPCCode`). A 2xx, which is no failure, is `internal`.
    pub const fn of_sip_status(status: u16) -> Self {
        match status {
            301 | 302 | 404 | 410 | 481 | 604 => Self::NotFound,
            401..=403 | 433 | 470 | 603 | 607 | 608 => Self::PermissionDenied,
            407 | 428 | 436..=438 | 494 => Self::Unauthenticated,
            408 | 504 => Self::DeadlineExceeded,
            409 | 412 | 482 | 483 | 500..=503 => Self::FailedPrecondition,
            416 => Self::OutOfRange,
            440 | 480 | 486 | 600 => Self::ResourceExhausted,
            487 | 491 => Self::Aborted,
            505 | 513 => Self::InvalidArgument,
            200..=299 => Self::Internal,
            300..=499 | 600..=699 => Self::InvalidArgument,
            506..=599 => Self::FailedPrecondition,
            _ => Self::Unknown,
        }
    }
}

impl From<SipStatus> for ApiError {
    /// The error of a request that the far end ended so, with LiveKit's text.
    fn from(status: SipStatus) -> Self {
        let message = match status.text.as_str() {
            "" => format!("sip status {}", status.code),
            text => format!("sip status {}: {text}", status.code),
        };
        Self { code: Code::of_sip_status(status.code), message, sip_status: Some(Box::new(status)), transfer: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `livekit/protocol`, as it is written there, and its rule for other statuses.
    const TABLE: &[(Code, &[u16])] = &[
        (
            Code::InvalidArgument,
            &[
                300, 305, 380, 400, 405, 406, 411, 413, 414, 415, 417, 420, 421, 422, 423, 424, 425, 429, 430, 439,
                469, 484, 485, 488, 489, 493, 505, 513, 606, 399, 418, 499, 650, 699,
            ],
        ),
        (Code::NotFound, &[301, 302, 404, 410, 481, 604]),
        (Code::PermissionDenied, &[401, 402, 403, 433, 470, 603, 607, 608]),
        (Code::Unauthenticated, &[407, 428, 436, 437, 438, 494]),
        (Code::DeadlineExceeded, &[408, 504]),
        (Code::FailedPrecondition, &[409, 412, 482, 483, 500, 501, 502, 503, 506, 512, 514, 599]),
        (Code::OutOfRange, &[416]),
        (Code::ResourceExhausted, &[440, 480, 486, 600]),
        (Code::Aborted, &[487, 491]),
        (Code::Unknown, &[0, 100, 180, 199, 700]),
        (Code::Internal, &[200, 202, 204]),
    ];

    #[test]
    fn every_status_has_the_code_of_livekits_table() {
        for (code, statuses) in TABLE {
            for status in *statuses {
                assert_eq!(Code::of_sip_status(*status), *code, "{status}");
            }
        }
    }

    /// A 5xx of ours makes an SDK dial again: what a far end says must never become one.
    #[test]
    fn no_failure_of_a_far_end_looks_like_one_of_ours() {
        for status in 300..700 {
            let code = Code::of_sip_status(status);
            assert!(!matches!(code, Code::Internal | Code::Unavailable | Code::Unknown), "{status}");
        }
    }

    #[test]
    fn the_text_is_livekits() {
        let error = ApiError::from(SipStatus { code: 486, text: "Busy Here".into() });
        assert_eq!((error.message.as_str(), error.code), ("sip status 486: Busy Here", Code::ResourceExhausted));
        assert_eq!(ApiError::from(SipStatus { code: 603, text: String::new() }).message, "sip status 603");
    }
}
