//! Digest authentication as a client.

use crate::{Credentials, HeaderList, Message, flow::Flow};
use std::net::IpAddr;
use trunkline_types::Random;

/// Who we are for one far end.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    credentials: Credentials,
}

impl Login {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }

    /// Those who may ask.
    pub(crate) fn peers(&self) -> &[IpAddr] {
        &self.credentials.peers
    }

    /// What a request carries.
    pub(crate) fn headers(&mut self, _method: &str, _uri: &str, _body: &[u8], _random: &mut Random) -> HeaderList {
        Vec::new()
    }

    /// Whether another attempt is worth it.
    pub(crate) fn meets(&mut self, _answer: &Message, _sent: &Flow, _from: &Flow) -> bool {
        false
    }

    /// Takes what an answer says about the next nonce.
    pub(crate) fn learn(&mut self, _answer: &Message) {}

    /// For another request.
    pub(crate) fn rested(&self) -> Self {
        self.clone()
    }
}
