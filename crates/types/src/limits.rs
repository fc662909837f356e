//! Every bound of the system. Each is tested at the limit and one past it.

use std::time::Duration;

/// A SIP message, in bytes; beyond it 513.
pub const SIP_MESSAGE_BYTES: usize = 64 * 1024;
/// Headers of a SIP message; beyond it 400.
pub const SIP_HEADERS: usize = 128;
/// One header line, in bytes; beyond it 400.
pub const SIP_HEADER_BYTES: usize = 8 * 1024;
/// A URI, in bytes; beyond it 414.
pub const URI_BYTES: usize = 2 * 1024;
/// Via entries; beyond it 400.
pub const VIAS: usize = 70;
/// Route or Record-Route entries; beyond it 400.
pub const ROUTES: usize = 32;
/// An SDP body, in bytes; beyond it 413.
pub const SDP_BYTES: usize = 16 * 1024;
/// m-lines of an SDP; beyond it 413.
pub const SDP_MEDIA: usize = 16;
/// Formats on one m-line; beyond it 413.
pub const SDP_FORMATS: usize = 64;
/// A body of an API request, in bytes; beyond it HTTP 413.
pub const API_BODY_BYTES: usize = 10 * 1024 * 1024;
/// Metadata of a room or participant, in bytes.
pub const METADATA_BYTES: usize = 512 * 1024;
/// Attributes of a participant: the sum of keys and values, in bytes.
pub const ATTRIBUTES_BYTES: usize = 64 * 1024;
/// Room names, identities and participant names, in characters.
pub const NAME_CHARS: usize = 256;
/// The display name of From given to the API, in bytes (LiveKit's limit).
pub const DISPLAY_NAME_BYTES: usize = 128;
/// A number or user to call or to call from, in bytes.
pub const USER_PART_BYTES: usize = 256;
/// Digits that one request may have sent.
pub const DTMF_DIGITS: usize = 256;
/// A header value given to the API, in bytes.
pub const API_HEADER_VALUE_BYTES: usize = 1024;
/// SIP connections from one source; beyond it refused.
pub const CONNECTIONS_PER_SOURCE: usize = 64;
/// Messages a second that one source may send before anything is parsed, and its burst.
pub const SOURCE_MESSAGES_PER_SECOND: u32 = 10_000;
/// How many source buckets are kept; the oldest goes first.
pub const SOURCE_BUCKETS: usize = 4_096;
/// First message of a stream connection.
pub const STREAM_FIRST_MESSAGE: Duration = Duration::from_secs(5);
/// A whole message once it has begun on a stream.
pub const STREAM_WHOLE_MESSAGE: Duration = Duration::from_secs(10);
/// A write to a stream peer that does not read.
pub const STREAM_WRITE: Duration = Duration::from_secs(10);
/// Ladder entries kept per call.
pub const LADDER_ENTRIES: usize = 64;
/// Default and cap of `max_call_duration`.
pub const MAX_CALL_DURATION: Duration = Duration::from_secs(24 * 3600);
/// Default of `ringing_timeout`.
pub const RINGING_TIMEOUT: Duration = Duration::from_secs(180);
/// Nonces are good for this long.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(60);
/// Digits of a call that wait to be sent by INFO.
pub const DIGITS_QUEUED: usize = 64;
/// Digits of a pin.
pub const PIN_DIGITS: usize = 16;
/// Transfers that a call's record keeps.
pub const TRANSFERS_KEPT: usize = 16;
/// Requests that wait for one transfer.
pub const TRANSFER_WAITERS: usize = 64;
/// Default of a transfer's timeout.
pub const TRANSFER_TIMEOUT: Duration = Duration::from_secs(30);
/// Dialogs that one INVITE of ours may make by forking; further ones are not looked at.
pub const FORKS: usize = 16;
/// The final answer to a re-INVITE of ours that met a provisional one.
pub const REINVITE: Duration = Duration::from_secs(180);
/// Targets that one name may lead to.
pub const TARGETS: usize = 16;
/// Names that the DNS is asked about at a time.
pub const DNS_QUERIES: usize = 64;
/// What the DNS may take for one name in all.
pub const DNS_ANSWER: Duration = Duration::from_secs(5);
