//! Who may join: the token and what the client states, checked and put together.

use super::{join_request, parameters::Parameters, query, ticket::Ticket};
use crate::{
    bearer, convert,
    router::App,
    token::{self, Claims, VideoGrant},
};
use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use livekit_protocol::TrackSource;
use trunkline_exchange::command::{ApiError, Code};
use trunkline_room::{
    Join, Kind, Permission,
    signal::{Connect, Transports},
};
use trunkline_types::{
    ParticipantSid,
    limits::{ATTRIBUTES_BYTES, METADATA_BYTES, NAME_CHARS},
};

/// JavaScript clients compare this text: it keeps them from trying `/rtc` instead.
const NO_ROOM: &str = "requested room does not exist";

/// A refusal before the upgrade: a status and a plain text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    text: String,
}

impl Refusal {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// There is no such room, and joins create none.
    pub(super) fn no_room() -> Self {
        Self::new(StatusCode::NOT_FOUND, NO_ROOM)
    }

    /// What the exchange should never do.
    pub(super) fn internal(text: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let status = match error.code {
            Code::NotFound => return Self::no_room(),
            Code::PermissionDenied => StatusCode::UNAUTHORIZED,
            Code::InvalidArgument => StatusCode::BAD_REQUEST,
            Code::ResourceExhausted | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        tracing::debug!(status = self.status.as_u16(), reason = self.text, "join refused");
        (self.status, self.text).into_response()
    }
}

/// A client that may join.
#[derive(Debug)]
pub(super) struct Admission {
    /// What the exchange is asked.
    pub(super) connect: Connect,
    /// What new tokens are made of.
    pub(super) ticket: Ticket,
}

/// Checks a join.
///
/// # Errors
/// The refusal: 401 for the token and what it does not permit, 400 for the rest.
pub(super) fn admit(app: &App, headers: &HeaderMap, query: &str, transports: Transports) -> Result<Admission, Refusal> {
    let unauthorized = |text: String| Refusal::new(StatusCode::UNAUTHORIZED, text);
    let bad = |text: &str| Refusal::new(StatusCode::BAD_REQUEST, text);
    let text = bearer::token(headers, Some(query)).map_err(|text| unauthorized(text.into()))?;
    let text = text.ok_or_else(|| unauthorized("permissions denied: the request has no token".into()))?;
    let verified = token::verified(&text, &app.config.keys, (app.now)()).map_err(|e| unauthorized(e.to_string()))?;
    if !verified.claims.video.room_join {
        return Err(unauthorized("permissions denied: the token has no grant video.roomJoin".into()));
    }
    if verified.claims.identity.is_empty() {
        return Err(bad("identity cannot be empty"));
    }
    let parameters = match transports {
        Transports::Single => join_request::parameters(query),
        Transports::Dual => query::parameters(query),
    };
    let connect = connect(&verified.claims, parameters.map_err(bad)?)?;
    Ok(Admission { connect, ticket: Ticket::new(verified) })
}

fn connect(claims: &Claims, parameters: Parameters) -> Result<Connect, Refusal> {
    let settings = match &claims.room_config {
        Some(config) => convert::room_configuration(config).map_err(|error| {
            Refusal::new(StatusCode::UNAUTHORIZED, format!("invalid token: roomConfig does not fit: {error}"))
        })?,
        None => Default::default(),
    };
    let Parameters { protocol, client_protocol, .. } = parameters;
    let room = if claims.video.room.is_empty() { parameters.room } else { claims.video.room.clone() };
    let mut join = Join {
        identity: claims.identity.clone(),
        name: claims.name.clone(),
        kind: kind(&claims.kind),
        metadata: claims.metadata.clone(),
        attributes: claims.attributes.clone(),
        permission: permission(&claims.video),
        protocol,
        client_protocol,
        capabilities: parameters.capabilities,
    };
    let mut auto_subscribe = parameters.auto_subscribe;
    if !parameters.publish.is_empty() {
        if !join.permission.can_publish {
            return Err(denied("video.canPublish"));
        }
        join.identity = format!("{}#{}", join.identity, parameters.publish);
        join.permission.can_subscribe = false;
        auto_subscribe = false;
    }
    let stated: Vec<_> = parameters.attributes.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    if !join.permission.can_update_metadata && (!stated.is_empty() || !parameters.metadata.is_empty()) {
        return Err(denied("video.canUpdateOwnMetadata"));
    }
    join.attributes.extend(stated);
    if !parameters.metadata.is_empty() {
        join.metadata = parameters.metadata;
    }
    check_lengths(&room, &join)?;
    Ok(Connect {
        room,
        join,
        settings,
        transports: parameters.transports,
        auto_subscribe,
        add_tracks: parameters.add_tracks,
        offer: parameters.offer,
        resume: parameters.resume,
        place: (!claims.place.is_empty()).then(|| ParticipantSid::from(claims.place.as_str())),
        sync: parameters.sync,
    })
}

fn denied(grant: &str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, format!("permissions denied: the token has no grant {grant}"))
}

fn check_lengths(room: &str, join: &Join) -> Result<(), Refusal> {
    let too_long = |what: &str, limit: usize, unit: &str| {
        Err(Refusal::new(StatusCode::BAD_REQUEST, format!("{what} exceeds its limit of {limit} {unit}")))
    };
    if room.is_empty() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "no room name: the token's grant video.room is empty"));
    }
    for (what, text) in [("room name", room), ("identity", &join.identity), ("participant name", &join.name)] {
        if text.chars().nth(NAME_CHARS).is_some() {
            return too_long(what, NAME_CHARS, "characters");
        }
    }
    if join.metadata.len() > METADATA_BYTES {
        return too_long("metadata", METADATA_BYTES, "bytes");
    }
    let attributes = join
        .attributes
        .iter()
        .fold(0usize, |sum, (key, value)| sum.saturating_add(key.len()).saturating_add(value.len()));
    if attributes > ATTRIBUTES_BYTES {
        return too_long("the sum of the attributes", ATTRIBUTES_BYTES, "bytes");
    }
    Ok(())
}

/// LiveKit's kind by its name in lower case; connectors and bridges are ordinary participants here.
fn kind(name: &str) -> Kind {
    match name {
        "ingress" => Kind::Ingress,
        "egress" => Kind::Egress,
        "sip" => Kind::Sip,
        "agent" => Kind::Agent,
        _ => Kind::Standard,
    }
}

/// What a grant permits. What is not stated: publishing and subscribing are allowed, data follows
/// publishing, updating oneself and metrics are not.
fn permission(grant: &VideoGrant) -> Permission {
    let can_publish = grant.can_publish.unwrap_or(true);
    Permission {
        can_subscribe: grant.can_subscribe.unwrap_or(true),
        can_publish,
        can_publish_data: grant.can_publish_data.unwrap_or(can_publish),
        can_publish_sources: grant.can_publish_sources.iter().fold(0, |all, name| all | 1 << source(name)),
        can_update_metadata: grant.can_update_own_metadata.unwrap_or(false),
        can_subscribe_metrics: grant.can_subscribe_metrics.unwrap_or(false),
        hidden: grant.hidden,
        recorder: grant.recorder,
        agent: grant.agent,
    }
}

/// The number of a source; an unknown name is `UNKNOWN`, so that a list of nothing but unknown
/// names does not allow everything.
fn source(name: &str) -> u32 {
    let source = TrackSource::from_str_name(&name.to_ascii_uppercase()).unwrap_or(TrackSource::Unknown);
    u32::try_from(i32::from(source)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_room::Source;

    #[test]
    fn absent_grants_have_livekits_defaults() {
        let given = permission(&VideoGrant::default());
        assert!(given.can_publish && given.can_subscribe && given.can_publish_data);
        assert!(!given.can_update_metadata && !given.can_subscribe_metrics && given.can_publish_sources == 0);
        let given = permission(&VideoGrant { can_publish: Some(false), ..VideoGrant::default() });
        assert!(!given.can_publish && given.can_subscribe && !given.can_publish_data);
    }

    #[test]
    fn sources_narrow_even_if_none_is_known() {
        let of = |names: &[&str]| {
            let can_publish_sources = names.iter().map(|&name| name.to_owned()).collect();
            permission(&VideoGrant { can_publish_sources, ..VideoGrant::default() })
        };
        let some = of(&["microphone", "screen_share_audio"]);
        assert!(some.allows(Source::Microphone) && some.allows(Source::ScreenShareAudio));
        assert!(!some.allows(Source::Camera) && !some.allows(Source::ScreenShare));
        assert!(!of(&["hologram"]).allows(Source::Microphone));
    }

    #[test]
    fn lengths_are_checked_at_the_limit_and_one_past_it() {
        let of = |room: usize, identity: usize, name: usize, metadata: usize, attribute: usize| {
            let join = Join {
                identity: "ä".repeat(identity),
                name: "n".repeat(name),
                metadata: "m".repeat(metadata),
                attributes: [("k".to_owned(), "v".repeat(attribute))].into(),
                ..Join::default()
            };
            check_lengths(&"r".repeat(room), &join).map_err(|refusal| refusal.status)
        };
        assert_eq!(of(NAME_CHARS, NAME_CHARS, NAME_CHARS, METADATA_BYTES, ATTRIBUTES_BYTES - 1), Ok(()));
        for past in [
            of(0, 1, 1, 1, 1),
            of(NAME_CHARS + 1, 1, 1, 1, 1),
            of(1, NAME_CHARS + 1, 1, 1, 1),
            of(1, 1, NAME_CHARS + 1, 1, 1),
            of(1, 1, 1, METADATA_BYTES + 1, 1),
            of(1, 1, 1, 1, ATTRIBUTES_BYTES),
        ] {
            assert_eq!(past, Err(StatusCode::BAD_REQUEST));
        }
    }
}
