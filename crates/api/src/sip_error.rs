//! What a far end said, in the meta of a Twirp error, where LiveKit's SDKs look for it:
//! `sip_status_code`, `sip_status`, and `error_details`, which is a `google.rpc.Status` with a
//! `livekit.SIPStatus` in base64 (`livekit/protocol`, `utils/xtwirp`).

use crate::twirp::{ErrorCode, TwirpError};
use base64::{Engine, engine::general_purpose::STANDARD};
use livekit_protocol as proto;
use prost::Message;
use trunkline_exchange::command::SipStatus;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// The error with the far end's status in its meta.
pub(crate) fn with_sip_status(error: TwirpError, code: ErrorCode, message: &str, status: &SipStatus) -> TwirpError {
    let wire = proto::SipStatus { code: i32::from(status.code), status: status.text.clone() };
    let details = RpcStatus {
        code: grpc(code),
        message: message.to_owned(),
        details: vec![Any { type_url: "type.googleapis.com/livekit.SIPStatus".into(), value: wire.encode_to_vec() }],
    };
    error
        .with_meta("sip_status_code", &status.code.to_string())
        .with_meta("sip_status", &text(status))
        .with_meta("error_details", &STANDARD.encode(details.encode_to_vec()))
}

/// The reason phrase, or the name of the code.
fn text(status: &SipStatus) -> String {
    if !status.text.is_empty() {
        return status.text.clone();
    }
    match proto::SipStatusCode::try_from(i32::from(status.code)) {
        Ok(known) => known.as_str_name().to_owned(),
        Err(_) => status.code.to_string(),
    }
}

/// gRPC's number of a code.
const fn grpc(code: ErrorCode) -> i32 {
    match code {
        ErrorCode::Canceled => 1,
        ErrorCode::Unknown => 2,
        ErrorCode::InvalidArgument | ErrorCode::Malformed => 3,
        ErrorCode::DeadlineExceeded => 4,
        ErrorCode::NotFound | ErrorCode::BadRoute => 5,
        ErrorCode::AlreadyExists => 6,
        ErrorCode::PermissionDenied => 7,
        ErrorCode::ResourceExhausted => 8,
        ErrorCode::FailedPrecondition => 9,
        ErrorCode::Aborted => 10,
        ErrorCode::OutOfRange => 11,
        ErrorCode::Unimplemented => 12,
        ErrorCode::Internal => 13,
        ErrorCode::Unavailable => 14,
        ErrorCode::Unauthenticated => 16,
    }
}
