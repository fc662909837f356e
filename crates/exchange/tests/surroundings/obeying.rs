//! What surrounds an exchange in tests: how it is configured, and media threads that do at once as they are told.

use std::{net::SocketAddr, time::Duration};
use trunkline_call::media::{LegStats, MediaFact, MediaPlan};
use trunkline_exchange::Config;
use trunkline_room::Defaults;
use trunkline_routing::Settings;
use trunkline_sip::StackConfig;

/// A server with these settings.
pub fn config(routing: Settings) -> Config {
    Config {
        stack: StackConfig { server: "test".into(), advertise: None, trying_after: Duration::from_millis(200) },
        routing,
        rooms: Defaults::default(),
        media_advertised: None,
        max_load: 0.9,
        media_timeout_initial: Duration::from_secs(30),
        media_timeout: Duration::from_secs(15),
    }
}

/// What is told when a plan is carried out, if anything is.
pub fn obeyed(plan: &MediaPlan) -> Option<MediaFact> {
    match plan {
        MediaPlan::Open { leg, local, .. } => {
            Some(MediaFact::Opened { leg: leg.clone(), rtp: SocketAddr::new(*local, 12_000) })
        }
        MediaPlan::Drain { leg, .. } => Some(MediaFact::Drained { leg: leg.clone() }),
        MediaPlan::Close { leg } => Some(MediaFact::Closed { leg: leg.clone(), stats: LegStats::default() }),
        MediaPlan::StartBuiltin { participant, room, .. } => {
            Some(MediaFact::BuiltinReady { participant: participant.clone(), room: room.clone() })
        }
        _ => None,
    }
}
