//! From an INVITE to a call, a challenge, a refusal or silence.

use crate::{
    Exchange, Output,
    exchange::Drain,
    load::Matter,
    port::Level,
    sip_side::{Admitted, RETRY_AFTER},
};
use std::{net::IpAddr, time::Duration};
use trunkline_call::{Call, Effect, Invite, Setup, SipCommand, midcall::Rules, record::Explanation, transfer::Method};
use trunkline_room::{
    RoomSettings,
    worker::{AgentRequest, RestartPolicy},
};
use trunkline_routing::{
    CallFacts, Decision, Dispatch, Outcome,
    record::{AgentDispatch, AgentLeft, DtmfMethod, MediaEncryption, Options, RoomConfig, TransferStep},
};
use trunkline_sdp::{AudioCodec, Encryption, KeyMaterial, Security};
use trunkline_sip::{
    InviteId, Message, Verdict,
    flow::{Flow, Received},
};
use trunkline_types::{CallId, Time, TrunkId, VoiceCodec};

/// How long the next agent may take to come when the last one has left, milliseconds.
const AGENT_LEFT_GRACE_MS: u32 = 5_000;

/// `Session-Expires` that is asked for, seconds (RFC 4028 §4).
const SESSION_EXPIRES: u32 = 1_800;

pub(crate) fn millis(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

impl Exchange {
    /// Decides about an INVITE outside any dialog. Strangers are answered without state.
    pub(crate) fn admit(&mut self, received: &Received, message: &Message, now: Time, outputs: &mut Vec<Output>) {
        self.gauges.invites += 1;
        if self.drain != Drain::No {
            let headers = [("Retry-After".to_owned(), RETRY_AFTER.to_owned())];
            return self.refuse(received, 503, "Service Unavailable", &headers, "draining", outputs);
        }
        let mut facts = CallFacts {
            from: message.from().uri.user,
            from_host: message.from().uri.host,
            to: message.to().uri.user,
            source: received.flow.remote.ip().to_canonical().to_string(),
            authenticated: None,
        };
        let mut decision = self.directory.decide(&facts, &mut self.random);
        if let Outcome::Challenge { trunk, realm, username, password } = &decision.outcome {
            let source = received.flow.remote.ip();
            // Whom a trunk names as its own is never kept out by what others do.
            let is_guarded = || !self.directory.is_known_source(&facts.source);
            let verdict = if self.guard.is_banned(source, trunk, now) && is_guarded() {
                Verdict::Missing
            } else {
                self.challenger.verify(message, realm, username, password, now)
            };
            match verdict {
                Verdict::Accepted => {
                    self.guard.passed(source, now);
                    facts.authenticated = Some(trunk.clone());
                    decision = self.directory.decide(&facts, &mut self.random);
                }
                verdict => {
                    let realm = realm.clone();
                    if verdict == Verdict::Refused {
                        self.gauges.digest_failures += 1;
                        if is_guarded() && self.guard.failed(source, trunk, now) {
                            self.gauges.bans += 1;
                            let text =
                                format!("too many wrong digests for trunk {trunk}: it is not listened to for a while");
                            Self::log(Level::Warn, None, text, outputs);
                        }
                    }
                    return self.challenge(received, &realm, verdict == Verdict::Stale, now, outputs);
                }
            }
        }
        self.admit_as(decision, received, message, now, outputs);
    }

    /// Does what was decided.
    fn admit_as(
        &mut self,
        decision: Decision,
        received: &Received,
        message: &Message,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        match decision.outcome {
            Outcome::Accept(dispatch) | Outcome::AskPin(dispatch)
                if let Err((status, reason)) =
                    self.replaced(message, &received.flow, dispatch.trunk.as_ref().map(|t| &t.id)) =>
            {
                let refusal = Admitted::Refusal { status, reason: reason.into() };
                self.stack_handle(received, Some(refusal), now, outputs);
            }
            // A call that replaces another one costs nothing more.
            Outcome::Accept(_) | Outcome::AskPin(_)
                if message.header("Replaces").is_none() && self.load.is_full(self.calls.len(), now) =>
            {
                if self.load.is_news(Matter::Refused, now) {
                    Self::log(Level::Warn, None, format!("INVITE refused: {}", self.load.text()), outputs);
                }
                let headers = [("Retry-After".to_owned(), RETRY_AFTER.to_owned())];
                self.refuse(received, 503, "Service Unavailable", &headers, "media_busy", outputs);
            }
            Outcome::Accept(dispatch) => {
                let explanation = Explanation::of(&decision.explanation);
                let raw = Box::new(received.clone());
                self.stack_handle(received, Some(Admitted::Call { dispatch, explanation, raw }), now, outputs);
            }
            Outcome::AskPin(dispatch) => {
                let explanation = Explanation::of(&decision.explanation);
                let (raw, dispatch) = (Box::new(received.clone()), Box::new(Self::before_pin(*dispatch)));
                self.stack_handle(received, Some(Admitted::Call { dispatch, explanation, raw }), now, outputs);
            }
            Outcome::Challenge { realm, .. } => self.challenge(received, &realm, false, now, outputs),
            Outcome::Refuse { status, reason, code, silent } => {
                Self::log(Level::Warn, None, format!("INVITE refused: {}", decision.explanation.verdict), outputs);
                *self.gauges.invite_errors.entry(code.into()).or_default() += 1;
                if silent {
                    return;
                }
                if status == 404 {
                    // A known peer: with a transaction, so that a lost 404 is repeated.
                    return self.stack_handle(received, Some(Admitted::Refusal { status, reason }), now, outputs);
                }
                outputs.extend(self.stack.refuse(received, status, &reason, &[]).map(Output::Send));
            }
        }
    }

    fn challenge(&mut self, received: &Received, realm: &str, stale: bool, now: Time, outputs: &mut Vec<Output>) {
        let challenges = self.challenger.challenge(realm, stale, now);
        let headers: Vec<_> = challenges.into_iter().map(|c| ("WWW-Authenticate".to_owned(), c)).collect();
        self.refuse(received, 401, "Unauthorized", &headers, "unauthorized", outputs);
    }

    fn refuse(
        &mut self,
        received: &Received,
        status: u16,
        phrase: &str,
        headers: &[(String, String)],
        why: &str,
        outputs: &mut Vec<Output>,
    ) {
        *self.gauges.invite_errors.entry(why.into()).or_default() += 1;
        outputs.extend(self.stack.refuse(received, status, phrase, headers).map(Output::Send));
    }

    #[expect(clippy::too_many_arguments, reason = "an INVITE, the decision about it, and where it came from")]
    pub(crate) fn begin_call(
        &mut self,
        invite: InviteId,
        message: &Message,
        flow: &Flow,
        dispatch: Dispatch,
        explanation: Explanation,
        raw: &Received,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        let id = CallId::random(&mut self.random);
        let settings = room_settings(dispatch.rule.room_config.as_ref(), dispatch.options.audio_codec);
        let (dispatch, replaces) = self.replacing(message, flow, dispatch);
        let asked = Self::to_ask_again(message, flow, &dispatch);
        let said = Invite {
            call_id: message.call_id().to_owned(),
            remote_tag: message.from().tag.unwrap_or_default(),
            from: message.from().uri.user,
            to: message.to().uri.user,
            headers: message.headers(),
            offer: message.sdp(),
            transport: flow.protocol.as_str(),
            source: flow.remote,
        };
        let trunk = dispatch.trunk.as_ref().map(|trunk| trunk.id.clone()).unwrap_or_default();
        let by = format!("trunk {trunk}, rule {}", dispatch.rule.id);
        let setup = self.setup(id.clone(), said, flow.local.ip(), dispatch, explanation);
        let mut effects = Vec::new();
        let Some(call) = Call::arrive(setup, now, &mut effects) else {
            // Its effects refuse the INVITE; there is no call to carry them out for.
            for effect in effects {
                match effect {
                    Effect::Sip(SipCommand::Reject { status, reason, headers }) => {
                        let mut actions = Vec::new();
                        self.stack.reject(&invite, id.as_str(), status, &reason, &headers, now, &mut actions);
                        self.sip_actions(actions, None, now, outputs);
                        *self.gauges.invite_errors.entry("sdp".into()).or_default() += 1;
                    }
                    Effect::Log(text) => {
                        Self::log(Level::Warn, None, format!("{text} ({by})"), outputs);
                    }
                    _ => {}
                }
            }
            return;
        };
        self.calls.insert(id.clone(), call, Some(invite), settings);
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.asked = asked.filter(|_| entry.call.is_prompting());
            entry.replaces = replaces;
        }
        self.trace(&id, false, flow, &raw.raw, raw.at, outputs);
        self.call_effects(&id, effects, now, outputs);
    }

    pub(crate) fn setup(
        &mut self,
        id: CallId,
        invite: Invite,
        local: IpAddr,
        dispatch: Dispatch,
        explanation: Explanation,
    ) -> Setup {
        let pin = self.prompt(&dispatch);
        let trunk = dispatch.trunk.unwrap_or_default();
        let options = dispatch.options;
        let media_timeout = dispatch.media.media_timeout.filter(|t| !t.is_zero());
        let spoken = self.rooms.voice_codec(&dispatch.room_name, options.audio_codec);
        let codecs = codecs(&dispatch.media, spoken);
        let security = self.security_of(dispatch.media.encryption.unwrap_or_default());
        Setup {
            call_id: id,
            invite,
            trunk_id: if trunk.id.is_empty() { TrunkId::default() } else { trunk.id },
            rule_id: dispatch.rule.id,
            room_name: dispatch.room_name,
            identity: dispatch.identity,
            name: dispatch.name,
            metadata: dispatch.metadata,
            attributes: dispatch.attributes,
            hidden: dispatch.hidden,
            include_headers: trunk.include_headers,
            headers_to_attributes: trunk.headers_to_attributes,
            attributes_to_headers: trunk.attributes_to_headers,
            answer_headers: trunk.headers,
            answer_policy: options.answer_policy.unwrap_or_default(),
            agent_timeout: millis(options.agent_timeout_ms.unwrap_or(0)),
            agent_left: (options.agent_left == Some(AgentLeft::End))
                .then(|| millis(options.agent_left_grace_ms.unwrap_or(AGENT_LEFT_GRACE_MS))),
            call_control: options.call_control.unwrap_or_default(),
            ringing_timeout: dispatch.ringing_timeout,
            max_call_duration: dispatch.max_call_duration,
            media_timeout_initial: self.config.media_timeout_initial,
            media_timeout: media_timeout.unwrap_or(self.config.media_timeout),
            no_answer_status: options.no_answer_status.unwrap_or(480),
            headers_on_200_to_bye: options.headers_on_200_to_bye.unwrap_or(false),
            drain: millis(options.drain_ms.unwrap_or(0)),
            codecs,
            security,
            media_local: local,
            media_advertised: self.config.media_advertised.filter(|a| a.is_ipv4() == local.is_ipv4()).unwrap_or(local),
            midcall: rules(&options),
            pin,
            sdp_session_id: self.random.u64() >> 12,
            explanation,
            outbound: None,
        }
    }
}

impl Exchange {
    /// The policy of a trunk's or rule's setting.
    pub(crate) fn security_of(&mut self, encryption: MediaEncryption) -> Security {
        match encryption {
            MediaEncryption::SipMediaEncryptDisable => Security::OFF,
            MediaEncryption::SipMediaEncryptAllow => self.security(Encryption::Allow),
            MediaEncryption::SipMediaEncryptRequire => self.security(Encryption::Require),
        }
    }

    /// A policy with keys that are nobody else's.
    fn security(&mut self, encryption: Encryption) -> Security {
        Security::new(encryption, KeyMaterial::new(self.random.bytes()))
    }
}

/// What holds in the middle of a call, as options say.
pub(crate) fn rules(options: &Options) -> Rules {
    let steps = options.transfer.clone().unwrap_or_else(|| vec![TransferStep::Refer]);
    let method = |step| match step {
        TransferStep::Refer => Method::Refer,
        TransferStep::Bridge => Method::Bridge,
        TransferStep::ByeHeaders => Method::ByeHeaders,
        TransferStep::Agent => Method::Agent,
    };
    Rules {
        session_expires: options.session_expires.unwrap_or(SESSION_EXPIRES),
        hold_music: options.hold_music.unwrap_or(true),
        dtmf_by_info: options.dtmf == Some(DtmfMethod::Info),
        incoming_refer: options.incoming_refer.unwrap_or(false),
        transfer: steps.into_iter().map(method).collect(),
    }
}

pub(crate) fn room_settings(config: Option<&RoomConfig>, voice_codec: Option<VoiceCodec>) -> RoomSettings {
    let Some(config) = config else { return RoomSettings { voice_codec, ..RoomSettings::default() } };
    RoomSettings {
        voice_codec,
        empty_timeout: config.empty_timeout,
        departure_timeout: config.departure_timeout,
        max_participants: config.max_participants,
        metadata: config.metadata.clone(),
        agents: config.agents.iter().map(agent_request).collect(),
    }
}

fn agent_request(agent: &AgentDispatch) -> AgentRequest {
    AgentRequest {
        agent_name: agent.agent_name.clone(),
        metadata: agent.metadata.clone(),
        deployment: agent.deployment.clone(),
        attributes: agent.attributes.clone(),
        restart_policy: if agent.never_restart { RestartPolicy::Never } else { RestartPolicy::OnFailure },
    }
}

/// The codecs of a call, the preferred one first: as LiveKit prefers them, unless the trunk or rule
/// lists its own. Where the room speaks a law of G.711, that law comes first, for its packets pass as
/// they are; in a list it comes before the other law and leaves the rest as it is.
pub(crate) fn codecs(media: &trunkline_routing::record::MediaConfig, room: VoiceCodec) -> Vec<AudioCodec> {
    let mut codecs = accepted(media);
    let (law, other) = match room {
        VoiceCodec::Opus => return codecs,
        VoiceCodec::Pcmu => (AudioCodec::Pcmu, AudioCodec::Pcma),
        VoiceCodec::Pcma => (AudioCodec::Pcma, AudioCodec::Pcmu),
    };
    let place = |wanted| codecs.iter().position(|codec| *codec == wanted);
    let Some(at) = place(law) else { return codecs };
    let to = if media.codecs.is_empty() { 0 } else { place(other).unwrap_or(at) };
    if let Some(moved) = codecs.get_mut(to.min(at)..=at) {
        moved.rotate_right(1);
    }
    codecs
}

fn accepted(media: &trunkline_routing::record::MediaConfig) -> Vec<AudioCodec> {
    let all = [
        ("G722", AudioCodec::G722),
        ("PCMU", AudioCodec::Pcmu),
        ("PCMA", AudioCodec::Pcma),
        ("opus", AudioCodec::Opus),
    ];
    let listed: Vec<_> = media
        .codecs
        .iter()
        .filter_map(|wanted| all.iter().find(|(name, _)| wanted.name.eq_ignore_ascii_case(name)).map(|(_, c)| *c))
        .collect();
    if media.only_listed_codecs && !listed.is_empty() {
        return listed;
    }
    let rest = all.iter().map(|(_, codec)| *codec).filter(|codec| !listed.contains(codec));
    listed.iter().copied().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_routing::record::{MediaCodec, MediaConfig};

    fn order(listed: &[&str], only: bool, room: VoiceCodec) -> String {
        let codecs = listed.iter().map(|name| MediaCodec { name: (*name).into(), rate: 0 }).collect();
        let media = MediaConfig { only_listed_codecs: only, codecs, ..MediaConfig::default() };
        super::codecs(&media, room).iter().map(|codec| codec.name()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_rooms_law_comes_first() {
        use VoiceCodec::{Opus, Pcma, Pcmu};
        assert_eq!(order(&[], false, Opus), "G722 PCMU PCMA opus");
        assert_eq!(order(&[], false, Pcmu), "PCMU G722 PCMA opus");
        assert_eq!(order(&[], false, Pcma), "PCMA G722 PCMU opus");
        assert_eq!(order(&["opus", "PCMU", "PCMA"], true, Pcma), "opus PCMA PCMU");
        assert_eq!(order(&["G722"], false, Pcma), "G722 PCMA PCMU opus");
        assert_eq!(order(&["PCMA", "PCMU"], true, Pcma), "PCMA PCMU");
        assert_eq!(order(&["PCMU"], true, Pcma), "PCMU", "no law is added");
    }
}
