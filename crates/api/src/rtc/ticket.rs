//! New tokens for clients that stay longer than theirs is good.

use crate::token::{Claims, Keys, TokenError, Verified, VideoGrant, mint};
use livekit_protocol::TrackSource;
use std::{fmt, time::Duration};
use trunkline_room::{ParticipantInfo, Permission};
use trunkline_types::Time;

/// The shortest time a new token is good (LiveKit's value).
const SHORTEST: Duration = Duration::from_secs(600);

/// What a client joined with.
pub(super) struct Ticket(Verified);

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

impl Ticket {
    /// Of a token that was checked.
    pub(super) const fn new(verified: Verified) -> Self {
        Self(verified)
    }

    /// A token that says what the participant is now, good as long as the original one and at least
    /// ten minutes. With it the client can resume, or join again as what it has become.
    ///
    /// # Errors
    /// The API key is no longer one of the server's.
    pub(super) fn renewed(&self, info: &ParticipantInfo, keys: &Keys, now: Time) -> Result<String, TokenError> {
        let claims = &self.0.claims;
        let claims = Claims { place: String::new(), ..claims.clone() };
        self.signed(claims, info, keys, now)
    }

    /// A token for another room to which the participant is moved: with it the client takes the
    /// place that is kept for it there. Everything else stays what it was; what the first token said
    /// about the making of its room does not hold for this one.
    ///
    /// # Errors
    /// The API key is no longer one of the server's.
    pub(super) fn moved(
        &self,
        room: &str,
        info: &ParticipantInfo,
        keys: &Keys,
        now: Time,
    ) -> Result<String, TokenError> {
        let claims = &self.0.claims;
        let claims = Claims {
            place: info.sid.as_str().to_owned(),
            video: VideoGrant { room: room.to_owned(), ..claims.video.clone() },
            room_config: None,
            room_preset: String::new(),
            ..claims.clone()
        };
        self.signed(claims, info, keys, now)
    }

    fn signed(&self, claims: Claims, info: &ParticipantInfo, keys: &Keys, now: Time) -> Result<String, TokenError> {
        let Verified { api_key, expires_unix_seconds, .. } = &self.0;
        let secret = keys.secret(api_key).ok_or(TokenError::UnknownKey)?;
        let left = expires_unix_seconds.saturating_sub(now.unix_seconds());
        let ttl = SHORTEST.max(Duration::from_secs(u64::try_from(left).unwrap_or(0)));
        let claims = Claims {
            name: info.name.clone(),
            metadata: info.metadata.clone(),
            attributes: info.attributes.clone(),
            video: video_grant(&claims.video, info.permission),
            ..claims
        };
        mint(api_key, secret, &claims, ttl, now)
    }
}

/// A grant that permits this, and what else the original one said.
pub(crate) fn video_grant(original: &VideoGrant, now: Permission) -> VideoGrant {
    VideoGrant {
        can_publish: Some(now.can_publish),
        can_subscribe: Some(now.can_subscribe),
        can_publish_data: Some(now.can_publish_data),
        can_publish_sources: sources(now.can_publish_sources),
        can_update_own_metadata: Some(now.can_update_metadata),
        can_subscribe_metrics: Some(now.can_subscribe_metrics),
        hidden: now.hidden,
        recorder: now.recorder,
        agent: now.agent,
        ..original.clone()
    }
}

fn sources(bits: u32) -> Vec<String> {
    (0..32)
        .filter(|bit| bits & 1 << bit != 0)
        .filter_map(|number| TrackSource::try_from(number).ok())
        .map(|source| source.as_str_name().to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::verified;

    fn at(unix_seconds: i64) -> Time {
        Time::new(0, unix_seconds * 1_000_000_000)
    }

    #[test]
    fn a_new_token_says_what_the_participant_is_now() {
        let keys = Keys::new([("devkey".to_owned(), "secret".to_owned())].into());
        let video = VideoGrant { room_join: true, room: "lobby".into(), room_list: true, ..VideoGrant::default() };
        let claims = Claims { identity: "alice".into(), kind: "agent".into(), video, ..Claims::default() };
        let info = ParticipantInfo {
            name: "Alice".into(),
            attributes: [("a".to_owned(), "b".to_owned())].into(),
            permission: Permission { can_publish: false, can_publish_sources: 0b101, ..Permission::default() },
            ..ParticipantInfo::default()
        };
        for (left, wanted) in [(7_200, 7_200), (30, 600), (-30, 600)] {
            let claims = claims.clone();
            let ticket = Ticket::new(Verified { claims, api_key: "devkey".into(), expires_unix_seconds: 9_000 + left });
            let renewed = verified(&ticket.renewed(&info, &keys, at(9_000)).unwrap(), &keys, at(9_000)).unwrap();
            assert_eq!(renewed.expires_unix_seconds, 9_000 + wanted);
            let now = renewed.claims;
            assert_eq!((now.identity.as_str(), now.name.as_str(), now.kind.as_str()), ("alice", "Alice", "agent"));
            assert_eq!((now.video.room.as_str(), now.video.can_publish), ("lobby", Some(false)));
            assert_eq!(now.video.can_publish_sources, ["unknown", "microphone"]);
            assert!(now.video.room_join && now.video.room_list && now.attributes["a"] == "b");
        }
    }
}
