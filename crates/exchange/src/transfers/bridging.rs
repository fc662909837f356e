//! Somebody is called into the room of a call.

use crate::{Exchange, Output};
use trunkline_call::Event;
use trunkline_types::{CallId, Time};

impl Exchange {
    /// Calls a URI into the room of a call; the call is told what comes of it.
    pub(crate) fn bridge_to(&mut self, id: &CallId, _target: &str, _now: Time, _outputs: &mut Vec<Output>) {
        let text = "no trunk is there to call the target through".to_owned();
        self.events.push_back((id.clone(), Event::Bridged(Err((None, text)))));
    }
}
