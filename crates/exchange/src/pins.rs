//! Callers who enter a pin: which room it opens.

use crate::{Exchange, admission::room_settings};
use std::time::Duration;
use trunkline_call::{Event, pin::Prompt, record::Explanation};
use trunkline_routing::{CallFacts, Dispatch, Outcome};
use trunkline_sip::{Message, flow::Flow};
use trunkline_types::{CallId, RoomSid, RuleId};

/// How long a caller may think about the next digit, milliseconds.
const TIMEOUT_MS: u32 = 10_000;
/// How often he may enter a pin.
const TRIES: u8 = 3;

impl Exchange {
    /// What may be known of a call before its pin is: its trunk, and nothing of the rule, which may
    /// turn out to be another one.
    pub(crate) fn before_pin(mut dispatch: Dispatch) -> Dispatch {
        let rule = std::mem::take(&mut dispatch.rule.attributes);
        dispatch.attributes.retain(|name, _| !rule.contains_key(name) && name != "sip.ruleID");
        dispatch.rule.id = RuleId::default();
        dispatch.rule.room_config = None;
        dispatch.room_name.clear();
        dispatch.metadata.clear();
        dispatch
    }

    /// How the pin is asked for, if it is.
    pub(crate) fn prompt(&mut self, dispatch: &Dispatch) -> Option<Prompt> {
        if !dispatch.room_name.is_empty() {
            return None;
        }
        let options = &dispatch.options;
        Some(Prompt {
            timeout: Duration::from_millis(options.pin_timeout_ms.unwrap_or(TIMEOUT_MS).into()),
            tries: options.pin_tries.unwrap_or(TRIES),
            lobby: RoomSid::random(&mut self.random),
        })
    }

    /// What routing will ask again of a call.
    pub(crate) fn to_ask_again(message: &Message, flow: &Flow, dispatch: &Dispatch) -> Option<Box<CallFacts>> {
        Some(Box::new(CallFacts {
            from: message.from().uri.user,
            from_host: message.from().uri.host,
            to: message.to().uri.user,
            source: flow.remote.ip().to_canonical().to_string(),
            // It has shown the password, or there is none.
            authenticated: dispatch.trunk.as_ref().map(|trunk| trunk.id.clone()),
        }))
    }

    /// A caller has entered a pin. It goes nowhere but here.
    pub(crate) fn check_pin(&mut self, id: &CallId, pin: &str) {
        let Some(entry) = self.calls.get(id) else { return };
        let (Some(facts), setup) = (entry.asked.clone(), &entry.call.facts().setup) else { return };
        let (invite, local) = (setup.invite.clone(), setup.media_local);
        let decision = self.directory.decide_with_pin(&facts, pin, &mut self.random);
        let admitted = match decision.outcome {
            Outcome::Accept(dispatch) => {
                let settings = room_settings(dispatch.rule.room_config.as_ref(), dispatch.options.audio_codec);
                if let Some(entry) = self.calls.get_mut(id) {
                    entry.room_settings = settings;
                    entry.asked = None;
                }
                let explanation = Explanation::of(&decision.explanation);
                Some(Box::new(self.setup(id.clone(), invite, local, *dispatch, explanation)))
            }
            _ => None,
        };
        self.events.push_back((id.clone(), Event::PinChecked(admitted)));
    }
}
