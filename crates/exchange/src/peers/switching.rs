//! A client that wants its media over TCP alone, whatever else there is: a test scenario of LiveKit's
//! SDKs (`SwitchCandidateProtocol`). The SDKs join anew after it, so it is remembered for a while.

use crate::{Exchange, Output};
use std::{collections::BTreeMap, time::Duration};
use trunkline_room::signal::Transports;
use trunkline_types::{ParticipantSid, Time};

/// For how long (`iceConfigTTLMin` of `livekit/livekit`).
const HELD: Duration = Duration::from_secs(300);
/// Clients that are remembered; beyond it the longest known one is forgotten.
const CLIENTS: usize = 1_024;

/// Which clients want it, by room and identity, and until when that is held.
#[derive(Debug, Default)]
pub(super) struct TcpAlone(BTreeMap<(String, String), Time>);

impl TcpAlone {
    fn note(&mut self, client: (String, String), now: Time) {
        self.0.retain(|_, until| *until > now);
        self.0.remove(&client);
        if self.0.len() >= CLIENTS
            && let Some(first) = self.0.iter().min_by_key(|(_, until)| **until).map(|(client, _)| client.clone())
        {
            self.0.remove(&first);
        }
        self.0.insert(client, now + HELD);
    }

    /// Whether a client that joins now is told of TCP alone.
    pub(super) fn holds(&self, room: &str, identity: &str, now: Time) -> bool {
        !self.0.is_empty() && self.0.get(&(room.to_owned(), identity.to_owned())).is_some_and(|until| *until > now)
    }
}

impl Exchange {
    /// From the next description on the client is told of TCP alone, or of everything again. A
    /// connection that we offer on is restarted at once; on its own, the client restarts itself.
    pub(super) fn switch_protocol(&mut self, sid: &ParticipantSid, tcp: bool, now: Time, outputs: &mut Vec<Output>) {
        let Some(session) = self.peers.get_mut(sid) else { return };
        session.tcp_alone = tcp;
        let (client, transports) = ((session.room_name.clone(), session.identity.clone()), session.transports);
        if tcp {
            self.peers.tcp_alone.note(client, now);
        } else {
            self.peers.tcp_alone.0.remove(&client);
        }
        if transports == Transports::Dual {
            self.offer_again(sid, now, outputs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::new(seconds * 1_000_000_000, 0)
    }

    #[test]
    fn it_holds_for_the_client_for_a_while_and_for_few() {
        let mut held = TcpAlone::default();
        held.note(("room".into(), "ann".into()), at(0));
        assert!(held.holds("room", "ann", at(299)) && !held.holds("room", "bob", at(1)));
        assert!(!held.holds("other", "ann", at(1)) && !held.holds("room", "ann", at(300)));
        for n in 0..2 * CLIENTS {
            held.note(("room".into(), n.to_string()), at(1) + Duration::from_millis(n as u64));
        }
        assert_eq!(held.0.len(), CLIENTS);
        assert!(!held.holds("room", "ann", at(4)) && held.holds("room", "2047", at(4)));
    }
}
