//! Which grant of a token a method demands.

use crate::{
    token::Claims,
    twirp::{ErrorCode, TwirpError},
};

/// What a method demands (LiveKit's `auth` package).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Grant<'a> {
    /// Trunks, rules, our own options and the call records.
    SipAdmin,
    /// Calls and transfers.
    SipCall,
    /// Creating and deleting rooms.
    RoomCreate,
    /// Listing rooms.
    RoomList,
    /// Everything about this one room.
    RoomAdmin(&'a str),
    /// Everything about this one room, and putting its participants into that other one.
    RoomMove {
        /// `video.room`.
        from: &'a str,
        /// `video.destinationRoom`.
        to: &'a str,
    },
    /// Recording.
    RoomRecord,
    /// Ingress.
    IngressAdmin,
}

impl Grant<'_> {
    /// Checks the claims of a request; `None` means it had no token.
    ///
    /// # Errors
    /// `unauthenticated`, as LiveKit answers, with the name of what is missing.
    pub(crate) fn check(self, claims: Option<&Claims>) -> Result<(), TwirpError> {
        let Some(claims) = claims else {
            return Err(denied("the request has no token"));
        };
        let missing = match self {
            Self::SipAdmin => (!claims.sip.admin).then_some("sip.admin"),
            Self::SipCall => (!claims.sip.call).then_some("sip.call"),
            Self::RoomCreate => (!claims.video.room_create).then_some("video.roomCreate"),
            Self::RoomList => (!claims.video.room_list).then_some("video.roomList"),
            Self::RoomRecord => (!claims.video.room_record).then_some("video.roomRecord"),
            Self::IngressAdmin => (!claims.video.ingress_admin).then_some("video.ingressAdmin"),
            Self::RoomMove { from, to } => {
                Self::RoomAdmin(from).check(Some(claims))?;
                if claims.video.destination_room != to {
                    return Err(denied(
                        "the token's grant video.destinationRoom is not the destination of the request",
                    ));
                }
                None
            }
            Self::RoomAdmin(room) => {
                if claims.video.room_admin && claims.video.room != room {
                    return Err(denied("the token's grant video.room is not the room of the request"));
                }
                (!claims.video.room_admin).then_some("video.roomAdmin")
            }
        };
        match missing {
            Some(name) => Err(denied(&format!("the token has no grant {name}"))),
            None => Ok(()),
        }
    }
}

fn denied(why: &str) -> TwirpError {
    TwirpError::new(ErrorCode::Unauthenticated, format!("permissions denied: {why}"))
}
