//! `CreateSIPParticipant`: from the request to a call that joins its room.

use super::{
    leg::{Caller, Leg, Waiting},
    outcome,
};
use crate::{
    Exchange, Output,
    admission::{codecs, millis, rules},
    command::{ApiError, Code, DialRequest, Reply, RequestId, SipParticipant},
    exchange::Drain,
    port::Level,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use trunkline_call::{
    Call, Invite, Setup,
    dial::{DialEvent, DialNews, Outbound},
    record::Explanation,
};
use trunkline_room::RoomSettings;
use trunkline_routing::{
    dial::DialPlan,
    record::{AgentLeft, MediaConfig},
};
use trunkline_types::{CallId, RuleId, Time, limits};

/// Digits of one request.
const MAX_DIGITS: usize = 256;
/// How long the next agent may take to come when the last one has left, milliseconds.
const AGENT_LEFT_GRACE_MS: u32 = 5_000;

impl Exchange {
    /// Answers when the participant is there, or as late as the request says.
    pub(crate) fn create_sip_participant(
        &mut self,
        request: RequestId,
        dial: DialRequest,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let waiting = Waiting { who: Caller::Client(request), until_answered: dial.wait_until_answered };
        if let Err(error) = self.dial_out(dial, Some(waiting), now, outputs) {
            *self.gauges.dial_errors.entry("refused".into()).or_default() += 1;
            outputs.push(Output::Reply(request, Err(error)));
        }
    }

    /// Begins a call out; whoever waits is told what comes of it.
    ///
    /// # Errors
    /// What is wrong with the request, or the trunk may make no more calls: nothing has happened.
    pub(crate) fn dial_out(
        &mut self,
        request: DialRequest,
        waiting: Option<Waiting>,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<CallId, ApiError> {
        if self.drain != Drain::No {
            return Err(ApiError::new(Code::Unavailable, "the server is draining and makes no calls"));
        }
        check(&request)?;
        if self.load.is_full(self.calls.len(), now) {
            return Err(ApiError::new(Code::Unavailable, format!("no call is made: {}", self.load.text())));
        }
        let plan = self.directory.plan_dial(&request.dial, &mut self.random)?;
        self.outbound.allowance.take(&plan.trunk.id, &plan.options, now)?;
        let id = CallId::random(&mut self.random);
        let setup = self.outbound_setup(id.clone(), request, &plan);
        let session_expires = setup.midcall.session_expires;
        let mut effects = Vec::new();
        let call = Call::dial(setup, now, &mut effects);
        self.gauges.dials += 1;
        self.outbound.legs.insert(id.clone(), Box::new(Leg::new(plan, session_expires, waiting)));
        self.calls.insert(id.clone(), call, None, RoomSettings::default());
        self.call_effects(&id, effects, now, outputs);
        Ok(id)
    }

    fn outbound_setup(&mut self, id: CallId, request: DialRequest, plan: &DialPlan) -> Setup {
        let (trunk, options, defaults) = (&plan.trunk, &plan.options, &self.config.routing);
        let media = plan.media(request.media.as_ref());
        let media = MediaConfig { encryption: media.encryption.or(Some(trunk.media_encryption)), ..media };
        let host = trunkline_sip::Uri::parse(&plan.next_hop).host;
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let local = self.outbound.own.for_media(host.parse().ok()).unwrap_or(nowhere);
        let spoken = self.rooms.voice_codec(&request.room_name, None);
        let asked = |duration: Option<std::time::Duration>| duration.filter(|d| !d.is_zero());
        let ringing_timeout = asked(request.ringing_timeout).unwrap_or(limits::RINGING_TIMEOUT);
        let max_call_duration = asked(request.max_call_duration).unwrap_or(defaults.max_call_duration);
        let headers_on_200_to_bye = options.headers_on_200_to_bye.unwrap_or(defaults.headers_on_200_to_bye);
        let drain = millis(options.drain_ms.unwrap_or(defaults.drain_ms));
        let identity = match request.identity.is_empty() {
            true if request.hide_phone_number => format!("sip_{}", self.directory.pseudonym(&plan.called)),
            true => format!("sip_{}", plan.called),
            false => request.identity,
        };
        Setup {
            call_id: id,
            invite: Invite {
                call_id: self.random.hex(32),
                remote_tag: String::new(),
                from: plan.number.clone(),
                to: plan.called.clone(),
                headers: Vec::new(),
                offer: None,
                transport: "",
                source: SocketAddr::new(nowhere, 0),
            },
            trunk_id: trunk.id.clone(),
            rule_id: RuleId::default(),
            room_name: request.room_name,
            identity,
            name: request.name,
            metadata: request.metadata,
            attributes: request.attributes,
            hidden: request.hide_phone_number,
            include_headers: plan.include_headers,
            headers_to_attributes: trunk.headers_to_attributes.clone(),
            attributes_to_headers: trunk.attributes_to_headers.clone(),
            answer_headers: Default::default(),
            answer_policy: Default::default(),
            agent_timeout: Default::default(),
            agent_left: (options.agent_left == Some(AgentLeft::End))
                .then(|| millis(options.agent_left_grace_ms.unwrap_or(AGENT_LEFT_GRACE_MS))),
            call_control: options.call_control.unwrap_or_default(),
            ringing_timeout,
            max_call_duration: max_call_duration.min(limits::MAX_CALL_DURATION),
            media_timeout_initial: self.config.media_timeout_initial,
            media_timeout: asked(media.media_timeout).unwrap_or(self.config.media_timeout),
            no_answer_status: 480,
            headers_on_200_to_bye,
            drain,
            codecs: codecs(&media, spoken),
            security: self.security_of(media.encryption.unwrap_or_default()),
            media_local: local,
            media_advertised: self.config.media_advertised.filter(|a| a.is_ipv4() == local.is_ipv4()).unwrap_or(local),
            midcall: rules(options),
            pin: None,
            sdp_session_id: self.random.u64() >> 12,
            explanation: Explanation::of(&format!("CreateSIPParticipant through {}", trunk_name(plan))),
            outbound: Some(Box::new(Outbound {
                dtmf: request.dtmf.replace('W', "w"),
                play_dialtone: request.play_dialtone,
                hostname: trunk.address.clone(),
            })),
        }
    }

    /// Tells whoever asked for the call how far it has come.
    pub(crate) fn dial_news(&mut self, id: &CallId, news: DialNews, outputs: &mut Vec<Output>) {
        match news {
            DialNews::Placed => self.dial_replied(id, false, outputs),
            DialNews::Active => {
                self.gauges.dials_answered += 1;
                self.dial_replied(id, true, outputs);
                self.outbound.remove(id);
            }
            DialNews::Failed(outcome) => {
                *self.gauges.dial_errors.entry(outcome.reason.as_str().into()).or_default() += 1;
                let status = outcome.status.as_ref().map(|(code, _)| format!(" ({code})")).unwrap_or_default();
                let text = format!("the call out failed: {}{status}", outcome.reason.as_str());
                Self::log(Level::Info, Some(id), text, outputs);
                let Some(leg) = self.outbound.legs.get_mut(id) else { return };
                let error = leg.error.take().unwrap_or_else(|| outcome::api_error(&outcome));
                if let Some(waiting) = leg.waiting.take() {
                    self.tell_caller(&waiting.who, Err(error), outputs);
                }
            }
        }
    }

    fn dial_replied(&mut self, id: &CallId, is_active: bool, outputs: &mut Vec<Output>) {
        let Some(entry) = self.calls.get(id) else { return };
        let Some(leg) = self.outbound.legs.get_mut(id) else { return };
        if leg.waiting.as_ref().is_none_or(|w| !is_active && w.until_answered) {
            return;
        }
        let (Some(participant), Some((room_name, identity))) = (entry.place.participant(), entry.place.names()) else {
            return;
        };
        let created = SipParticipant {
            participant: participant.clone(),
            identity: identity.to_owned(),
            room_name: room_name.to_owned(),
            call: id.clone(),
        };
        if let Some(waiting) = leg.waiting.take() {
            self.tell_caller(&waiting.who, Ok(created), outputs);
        }
    }

    /// Whoever asked for a call and waits for its answer has gone: the call goes too, if its trunk's
    /// options say so. One that was answered meanwhile stays.
    pub(crate) fn request_abandoned(&mut self, request: RequestId) {
        let Some((id, leg)) = self.outbound.asked_by(request) else { return };
        leg.waiting = None;
        if leg.plan.options.cancel_with_request == Some(true) {
            let event = trunkline_call::Event::Dial(DialEvent::Abandoned);
            self.events.push_back((id, event));
        }
    }

    fn tell_caller(&mut self, who: &Caller, result: Result<SipParticipant, ApiError>, outputs: &mut Vec<Output>) {
        match who {
            Caller::Client(request) => {
                let reply = result.map(|created| Reply::SipParticipant(Box::new(created)));
                outputs.push(Output::Reply(*request, reply));
            }
            Caller::Call(call) => {
                let status = |error: &ApiError| error.sip_status.as_ref().map(|s| (s.code, s.text.clone()));
                let told = result.map(|_| ()).map_err(|error| (status(&error), error.message));
                self.events.push_back((call.clone(), trunkline_call::Event::Bridged(told)));
            }
        }
    }

    /// The room would not have the participant.
    pub(crate) fn dial_not_joined(&mut self, id: &CallId, error: trunkline_room::Error) {
        if let Some(leg) = self.outbound.legs.get_mut(id) {
            leg.error = Some(error.into());
        }
    }

    /// The call is over and forgotten.
    pub(crate) fn dial_finished(&mut self, id: &CallId, trunk: &trunkline_types::TrunkId, outputs: &mut Vec<Output>) {
        self.outbound.allowance.give_back(trunk);
        self.no_early_dialogs(id);
        if let Some(waiting) = self.outbound.remove(id).and_then(|leg| leg.waiting) {
            let error = ApiError::new(Code::Internal, "the call ended before it was decided");
            self.tell_caller(&waiting.who, Err(error), outputs);
        }
    }
}

fn trunk_name(plan: &DialPlan) -> &str {
    if plan.trunk.id.is_empty() { "the trunk of the request" } else { plan.trunk.id.as_str() }
}

/// What can be seen to be wrong without a trunk.
fn check(request: &DialRequest) -> Result<(), ApiError> {
    let invalid = |text: &str| Err(ApiError::new(Code::InvalidArgument, text));
    if request.room_name.is_empty() {
        return invalid("room_name: is missing");
    }
    if request.dtmf.len() > MAX_DIGITS || !request.dtmf.chars().all(|c| "0123456789*#ABCDabcdwW".contains(c)) {
        return invalid("dtmf: has something else than 0-9, *, #, A-D and w, or more than 256 of them");
    }
    Ok(())
}
