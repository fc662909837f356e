//! What a far end said, in the meta of a Twirp error, where LiveKit's SDKs look for it:
//! `sip_status_code`, `sip_status`, and `error_details`, which is a `google.rpc.Status` with a
//! `livekit.SIPStatus` in base64 (`livekit/protocol`, `utils/xtwirp`).

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

/// Names and values of the meta of an error with this gRPC code and message.
pub(crate) fn meta(grpc_code: i32, message: &str, status: &SipStatus) -> [(&'static str, String); 3] {
    let wire = proto::SipStatus { code: i32::from(status.code), status: status.text.clone() };
    let details = RpcStatus {
        code: grpc_code,
        message: message.to_owned(),
        details: vec![Any { type_url: "type.googleapis.com/livekit.SIPStatus".into(), value: wire.encode_to_vec() }],
    };
    [
        ("sip_status_code", status.code.to_string()),
        ("sip_status", text(status)),
        ("error_details", STANDARD.encode(details.encode_to_vec())),
    ]
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
