//! The token with which an agent joins its room.

use crate::{
    rtc,
    token::{Claims, Keys, TokenError, VideoGrant, mint},
};
use std::time::Duration;
use trunkline_room::{Permission, worker::Pass};
use trunkline_types::Time;

/// How long an agent may take to join (LiveKit's value).
const TTL: Duration = Duration::from_secs(3600);

/// Signs a pass with the key its worker came with.
///
/// # Errors
/// The API key is no longer one of the server's.
pub(super) fn sign(pass: Pass, api_key: &str, keys: &Keys, now: Time) -> Result<String, TokenError> {
    let secret = keys.secret(api_key).ok_or(TokenError::UnknownKey)?;
    let room = VideoGrant { room_join: true, room: pass.room, ..VideoGrant::default() };
    let claims = Claims {
        identity: pass.identity,
        name: pass.name,
        kind: "agent".into(),
        metadata: pass.metadata,
        attributes: pass.attributes.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        video: rtc::video_grant(&room, Permission { agent: true, ..pass.permission }),
        ..Claims::default()
    };
    mint(api_key, secret, &claims, TTL, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::verify;

    #[test]
    fn an_agents_token_says_what_its_worker_asked_for_and_no_more() {
        let keys = Keys::new([("devkey".to_owned(), "secret".to_owned())].into());
        let now = Time::new(0, 1_700_000_000_000_000_000);
        let pass = Pass {
            room: "lobby".into(),
            identity: "agent-AJ_a".into(),
            name: "Ann".into(),
            metadata: "m".into(),
            attributes: [("a".to_owned(), "b".to_owned()), ("lk.agent_name".to_owned(), String::new())].into(),
            permission: Permission { can_publish: false, can_update_metadata: true, ..Permission::default() },
        };
        let claims = verify(&sign(pass, "devkey", &keys, now).unwrap(), &keys, now).unwrap();
        assert_eq!((claims.identity.as_str(), claims.kind.as_str()), ("agent-AJ_a", "agent"));
        assert_eq!(claims.attributes, [("a".to_owned(), "b".to_owned())].into());
        let video = claims.video;
        assert!(video.room_join && video.agent && video.room == "lobby" && !video.room_admin && !video.hidden);
        assert_eq!((video.can_publish, video.can_update_own_metadata), (Some(false), Some(true)));
        assert_eq!(sign(Pass::default(), "other", &keys, now), Err(TokenError::UnknownKey));
    }
}
