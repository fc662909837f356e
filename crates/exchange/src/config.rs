//! What the exchange is told at its beginning.

use std::{net::IpAddr, time::Duration};
use trunkline_routing::Settings;
use trunkline_sip::StackConfig;

/// The configuration of the exchange.
#[derive(Clone, Debug)]
pub struct Config {
    /// The SIP stack's.
    pub stack: StackConfig,
    /// Routing's, with the secret that also signs nonces.
    pub routing: Settings,
    /// What rooms are created with.
    pub rooms: trunkline_room::Defaults,
    /// The address SDP names; `None` for the one the INVITE came to.
    pub media_advertised: Option<IpAddr>,
    /// The share of the media threads' time up to which new calls are taken; 1 for all of it.
    pub max_load: f32,
    /// Until the first RTP packet.
    pub media_timeout_initial: Duration,
    /// Between RTP packets.
    pub media_timeout: Duration,
}
