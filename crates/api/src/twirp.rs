//! The Twirp wire format (version 7): bodies as protobuf or JSON, errors always as JSON.

use crate::{convert::transfer_reason, json_names::SnakeCase, sip_error};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;
use std::collections::BTreeMap;
use trunkline_exchange::command::{ApiError, Code};
use trunkline_routing::{Refusal, RefusalKind};

/// Twirp's error codes, as far as we give them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    InvalidArgument,
    Malformed,
    Unauthenticated,
    PermissionDenied,
    NotFound,
    BadRoute,
    AlreadyExists,
    FailedPrecondition,
    ResourceExhausted,
    Internal,
    Unimplemented,
    Unavailable,
    DeadlineExceeded,
    OutOfRange,
    Aborted,
    Canceled,
    Unknown,
}

impl ErrorCode {
    /// gRPC's number of it.
    const fn grpc(self) -> i32 {
        match self {
            Self::Canceled => 1,
            Self::Unknown => 2,
            Self::InvalidArgument | Self::Malformed => 3,
            Self::DeadlineExceeded => 4,
            Self::NotFound | Self::BadRoute => 5,
            Self::AlreadyExists => 6,
            Self::PermissionDenied => 7,
            Self::ResourceExhausted => 8,
            Self::FailedPrecondition => 9,
            Self::Aborted => 10,
            Self::OutOfRange => 11,
            Self::Unimplemented => 12,
            Self::Internal => 13,
            Self::Unavailable => 14,
            Self::Unauthenticated => 16,
        }
    }

    /// The code on the wire.
    const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::Malformed => "malformed",
            Self::Unauthenticated => "unauthenticated",
            Self::NotFound => "not_found",
            Self::PermissionDenied => "permission_denied",
            Self::BadRoute => "bad_route",
            Self::AlreadyExists => "already_exists",
            Self::FailedPrecondition => "failed_precondition",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Internal => "internal",
            Self::Unimplemented => "unimplemented",
            Self::Unavailable => "unavailable",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::OutOfRange => "out_of_range",
            Self::Aborted => "aborted",
            Self::Canceled => "canceled",
            Self::Unknown => "unknown",
        }
    }

    /// The HTTP status Twirp assigns to the code.
    const fn status(self) -> StatusCode {
        match self {
            Self::InvalidArgument | Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::NotFound | Self::BadRoute => StatusCode::NOT_FOUND,
            Self::PermissionDenied => StatusCode::FORBIDDEN,
            Self::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
            Self::AlreadyExists => StatusCode::CONFLICT,
            Self::FailedPrecondition => StatusCode::PRECONDITION_FAILED,
            Self::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal | Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
            Self::OutOfRange => StatusCode::BAD_REQUEST,
            Self::Aborted => StatusCode::CONFLICT,
            Self::Canceled => StatusCode::REQUEST_TIMEOUT,
            Self::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// An error answer: `{"code", "msg", "meta"}`.
#[derive(Clone, Debug)]
pub(crate) struct TwirpError {
    code: ErrorCode,
    msg: String,
    meta: BTreeMap<String, String>,
    status: StatusCode,
}

impl TwirpError {
    /// An error without meta data, with the status of its code.
    pub(crate) fn new(code: ErrorCode, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), meta: BTreeMap::new(), status: code.status() }
    }

    /// `invalid_argument`; the meta entry `argument` names the field, as Twirp recommends.
    pub(crate) fn invalid(field: &str, what: impl std::fmt::Display) -> Self {
        Self::new(ErrorCode::InvalidArgument, format!("{field} {what}")).with_meta("argument", field)
    }

    /// A body beyond the limit: HTTP 413, which no code of Twirp has.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Self::new(ErrorCode::ResourceExhausted, format!("the body is larger than {limit} bytes"))
        }
    }

    /// `bad_route`.
    pub(crate) fn bad_route(path: &str) -> Self {
        Self::new(ErrorCode::BadRoute, format!("no handler for path {path:?}"))
            .with_meta("twirp_invalid_route", &format!("POST {path}"))
    }

    /// The exchange answered something else than was asked.
    pub(crate) fn unexpected_reply() -> Self {
        Self::new(ErrorCode::Internal, "the exchange gave a reply of the wrong kind")
    }

    /// The code on the wire.
    pub(crate) const fn code(&self) -> &'static str {
        self.code.as_str()
    }

    /// Adds a meta entry.
    pub(crate) fn with_meta(mut self, key: &str, value: &str) -> Self {
        self.meta.insert(key.to_owned(), value.to_owned());
        self
    }
}

impl From<ApiError> for TwirpError {
    fn from(error: ApiError) -> Self {
        let code = match error.code {
            Code::InvalidArgument => ErrorCode::InvalidArgument,
            Code::NotFound => ErrorCode::NotFound,
            Code::PermissionDenied => ErrorCode::PermissionDenied,
            Code::DeadlineExceeded => ErrorCode::DeadlineExceeded,
            Code::AlreadyExists => ErrorCode::AlreadyExists,
            Code::FailedPrecondition => ErrorCode::FailedPrecondition,
            Code::ResourceExhausted => ErrorCode::ResourceExhausted,
            Code::Unimplemented => ErrorCode::Unimplemented,
            Code::Unavailable => ErrorCode::Unavailable,
            Code::Unauthenticated => ErrorCode::Unauthenticated,
            Code::OutOfRange => ErrorCode::OutOfRange,
            Code::Aborted => ErrorCode::Aborted,
            Code::Canceled => ErrorCode::Canceled,
            Code::Unknown => ErrorCode::Unknown,
            Code::Internal => ErrorCode::Internal,
        };
        let twirp = Self::new(code, error.message.clone());
        let meta = error.sip_status.iter().flat_map(|status| sip_error::meta(code.grpc(), &error.message, status));
        let twirp = meta.fold(twirp, |twirp, (name, value)| twirp.with_meta(name, &value));
        match error.transfer.as_deref() {
            Some((id, outcome)) => twirp
                .with_meta("sip_transfer_reason", transfer_reason(*outcome).as_str_name())
                .with_meta("sip_transfer_id", id),
            None => twirp,
        }
    }
}

impl From<Refusal> for TwirpError {
    /// The text begins with the field, and the meta entry `argument` names it.
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.kind {
            RefusalKind::InvalidArgument => ErrorCode::InvalidArgument,
            RefusalKind::NotFound => ErrorCode::NotFound,
            RefusalKind::FailedPrecondition => ErrorCode::FailedPrecondition,
            RefusalKind::PermissionDenied => ErrorCode::PermissionDenied,
        };
        Self::new(code, refusal.message).with_meta("argument", &refusal.field)
    }
}

impl IntoResponse for TwirpError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Wire<'a> {
            code: &'static str,
            msg: &'a str,
            meta: &'a BTreeMap<String, String>,
        }
        let wire = Wire { code: self.code.as_str(), msg: &self.msg, meta: &self.meta };
        // A struct of strings always becomes JSON.
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        respond(self.status, "application/json", body)
    }
}

/// How a body is written; the answer is written as the request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/protobuf`.
    Protobuf,
    /// `application/json`: protobuf JSON.
    Json,
}

impl Format {
    /// The format a request's `Content-Type` names.
    ///
    /// # Errors
    /// `bad_route` for any other, as Twirp demands.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, TwirpError> {
        let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if kind.eq_ignore_ascii_case(b"application/protobuf") {
            Ok(Self::Protobuf)
        } else if kind.eq_ignore_ascii_case(b"application/json") {
            Ok(Self::Json)
        } else {
            let text = "Content-Type must be application/protobuf or application/json";
            Err(TwirpError::new(ErrorCode::BadRoute, text))
        }
    }

    /// Reads a request. JSON takes snake_case and camelCase names and skips unknown fields.
    ///
    /// # Errors
    /// `malformed` with what is wrong.
    pub(crate) fn read<M: Message + Default + DeserializeOwned>(self, body: &Bytes) -> Result<M, TwirpError> {
        match self {
            Self::Protobuf => M::decode(body.as_ref()).map_err(|error| {
                TwirpError::new(ErrorCode::Malformed, format!("the body is not this message: {error}"))
            }),
            Self::Json => read_json(body),
        }
    }

    /// Writes an answer; JSON with snake_case names as LiveKit's.
    ///
    /// # Errors
    /// `internal` if the message cannot be written.
    pub(crate) fn write<M: Message + Serialize>(self, message: &M) -> Result<Response, TwirpError> {
        match self {
            Self::Protobuf => Ok(respond(StatusCode::OK, "application/protobuf", message.encode_to_vec())),
            Self::Json => write_json(&SnakeCase(message)),
        }
    }
}

/// Reads JSON; an empty body is an empty object.
///
/// # Errors
/// `malformed` if it is not JSON; `invalid_argument` with the field if a value does not fit.
pub(crate) fn read_json<T: DeserializeOwned>(body: &Bytes) -> Result<T, TwirpError> {
    let text: &[u8] = if body.trim_ascii().is_empty() { b"{}" } else { body };
    let mut json = serde_json::Deserializer::from_slice(text);
    let not_json =
        |error: &serde_json::Error| TwirpError::new(ErrorCode::Malformed, format!("the body is not JSON: {error}"));
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| match error.inner().classify() {
        Category::Data => {
            TwirpError::invalid(&error.path().to_string(), format_args!("does not fit: {}", error.inner()))
        }
        Category::Io | Category::Syntax | Category::Eof => not_json(error.inner()),
    })?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

/// Answers JSON with the names as they are.
///
/// # Errors
/// `internal` if the value cannot be written.
pub(crate) fn write_json<T: Serialize>(value: &T) -> Result<Response, TwirpError> {
    match serde_json::to_vec(value) {
        Ok(body) => Ok(respond(StatusCode::OK, "application/json", body)),
        Err(error) => {
            Err(TwirpError::new(ErrorCode::Internal, format!("the answer cannot be written as JSON: {error}")))
        }
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
