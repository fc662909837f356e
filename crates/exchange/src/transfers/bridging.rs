//! Somebody is called into the room of a call: a transfer without the far end's help.

use crate::{
    Exchange, Output,
    command::DialRequest,
    outbound::{Caller, Waiting},
};
use std::time::Duration;
use trunkline_call::Event;
use trunkline_routing::{dial::Dial, patch::ListFilter, record::OutboundTrunk};
use trunkline_sip::Uri;
use trunkline_types::{CallId, Time, normalize_number};

impl Exchange {
    /// Calls a URI into the room of a call; the call is told what comes of it.
    pub(crate) fn bridge_to(
        &mut self,
        id: &CallId,
        target: &str,
        timeout: Duration,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let waiting = Waiting { who: Caller::Call(id.clone()), until_answered: true };
        let failure = match self.bridge(id, target, timeout) {
            Ok(request) => match self.dial_out(request, Some(waiting), now, outputs) {
                Ok(_) => return,
                Err(error) => (error.sip_status.map(|status| (status.code, status.text)), error.message),
            },
            Err(why) => (None, why),
        };
        self.events.push_back((id.clone(), Event::Bridged(Err(failure))));
    }

    /// The call that is to be made, or why none can be.
    fn bridge(&mut self, id: &CallId, target: &str, timeout: Duration) -> Result<DialRequest, String> {
        let entry = self.calls.get(id).ok_or("the call is gone")?;
        let (room, _) = entry.place.names().ok_or("the call is in no room")?;
        let (room_name, setup) = (room.to_owned(), &entry.call.facts().setup);
        let uri = Uri::parse(target);
        if uri.user.is_empty() {
            return Err("the target has no number or user to call".into());
        }
        // Its own number, as the caller knows it, if it belongs to the trunk.
        let own = if setup.outbound.is_some() { setup.invite.from.clone() } else { setup.invite.to.clone() };
        let of_call = setup.trunk_id.clone();
        let has_own = |trunk: &OutboundTrunk| {
            trunk.numbers.iter().any(|number| normalize_number(number) == normalize_number(&own))
        };
        let mut trunks = self.directory.list_outbound(&ListFilter::default());
        trunks.retain(|trunk| uri.scheme == "tel" || host_of(&trunk.address).eq_ignore_ascii_case(&uri.host));
        trunks.sort_by_key(|trunk| (trunk.id != of_call, !has_own(trunk)));
        let mut why = "no outbound trunk leads to the target".to_owned();
        for trunk in trunks {
            let dial = Dial {
                trunk_id: trunk.id.to_string(),
                call_to: uri.user.clone(),
                number: if has_own(&trunk) { own.clone() } else { String::new() },
                ..Dial::default()
            };
            match self.directory.plan_dial(&dial, &mut self.random) {
                Ok(_) => return Ok(request(dial, room_name, timeout)),
                Err(refusal) => why = refusal.message,
            }
        }
        Err(why)
    }
}

fn request(dial: Dial, room_name: String, timeout: Duration) -> DialRequest {
    DialRequest {
        dial,
        room_name,
        identity: String::new(),
        name: String::new(),
        metadata: String::new(),
        attributes: Default::default(),
        dtmf: String::new(),
        play_dialtone: false,
        hide_phone_number: false,
        ringing_timeout: Some(timeout),
        max_call_duration: None,
        media: None,
        wait_until_answered: false,
    }
}

/// The host of a trunk's address, which may have a port.
fn host_of(address: &str) -> String {
    Uri::parse(&format!("sip:{address}")).host
}
