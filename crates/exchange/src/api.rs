//! The commands of the API.

use crate::{
    Exchange, Output,
    command::{ApiError, Code, Command, OptionsKey, Reply, RequestId},
    exchange::Drain,
    peers::Rpc,
    pending::Undo,
    port::Record,
};
use trunkline_call::media::timings::Timings;
use trunkline_room::Event;
use trunkline_routing::{
    Refusal, RefusalKind, StoredTrunk,
    patch::{DispatchRulePatch, InboundTrunkPatch, OutboundTrunkPatch, Update},
    record::{DispatchRule, InboundTrunk, Options, OutboundTrunk},
};
use trunkline_types::{DisconnectReason, RuleId, Time, TrunkId};

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.kind {
            RefusalKind::InvalidArgument => Code::InvalidArgument,
            RefusalKind::NotFound => Code::NotFound,
            RefusalKind::FailedPrecondition => Code::FailedPrecondition,
            RefusalKind::PermissionDenied => Code::PermissionDenied,
        };
        Self::new(code, refusal.message)
    }
}

impl From<trunkline_room::Error> for ApiError {
    fn from(error: trunkline_room::Error) -> Self {
        use trunkline_room::Error as E;
        let code = match error {
            E::NoSuchRoom | E::NoSuchParticipant | E::NoSuchTrack => Code::NotFound,
            E::Full { .. } => Code::ResourceExhausted,
            _ => Code::InvalidArgument,
        };
        Self::new(code, error.to_string())
    }
}

fn not_found(what: &str, id: &str) -> ApiError {
    ApiError::new(Code::NotFound, format!("{what} {id:?} does not exist"))
}

/// A change that is applied: the record to write, what to answer then, how to take it back.
type Change = (Record, Reply, Undo);

impl Exchange {
    pub(crate) fn command(&mut self, request: RequestId, command: Command, now: Time, outputs: &mut Vec<Output>) {
        let now_ms = now.unix_millis();
        let change = match command {
            Command::Connect(connection, connect) => return self.connect(request, connection, *connect, now, outputs),
            Command::PerformRpc { room, identity, method, payload, response_timeout_ms } => {
                let rpc = Rpc { room, identity, method, payload, response_timeout_ms };
                return self.perform_rpc(request, &rpc, now, outputs);
            }
            Command::CreateSipParticipant(dial) => return self.create_sip_participant(request, *dial, now, outputs),
            Command::TransferSipParticipant(transfer) => return self.transfer(request, *transfer, outputs),
            Command::Hold { room, identity, hold } => return self.hold(request, &room, &identity, hold, outputs),
            Command::CreateInboundTrunk(trunk) => self
                .directory
                .create_inbound(*trunk, &mut self.random, now_ms)
                .map(|t| inbound_change(t, None))
                .map_err(ApiError::from),
            Command::UpdateInboundTrunk(id, update) => self.update_inbound(&id, update, now_ms),
            Command::CreateOutboundTrunk(trunk) => self
                .directory
                .create_outbound(*trunk, &mut self.random, now_ms)
                .map(|t| outbound_change(t, None))
                .map_err(ApiError::from),
            Command::UpdateOutboundTrunk(id, update) => self.update_outbound(&id, update, now_ms),
            Command::DeleteTrunk(id) => Ok(self.delete_trunk(id)),
            Command::CreateRule(rule) => self
                .directory
                .create_rule(*rule, &mut self.random, now_ms)
                .map(|r| rule_change(r, None))
                .map_err(ApiError::from),
            Command::UpdateRule(id, update) => self.update_rule(&id, update, now_ms),
            Command::DeleteRule(id) => self
                .directory
                .delete_rule(&id)
                .map(|rule| {
                    (Record::DeleteRule(id.clone()), Reply::Rule(Box::new(rule.clone())), Undo::Rule(id, Some(rule)))
                })
                .map_err(ApiError::from),
            Command::SetOptions(key, options) => self.set_options(key, options),
            other => {
                let reply = self.answer(other, now, outputs);
                outputs.push(Output::Reply(request, reply));
                return;
            }
        };
        self.trunks_changed();
        match change {
            Ok((record, reply, undo)) => self.persist_then_reply(request, record, reply, undo, outputs),
            Err(error) => outputs.push(Output::Reply(request, Err(error))),
        }
    }

    fn update_inbound(
        &mut self,
        id: &TrunkId,
        update: Update<InboundTrunk, InboundTrunkPatch>,
        now_ms: i64,
    ) -> Result<Change, ApiError> {
        let before = self.directory.inbound(id).cloned();
        let trunk = match update {
            Update::Replace(trunk) => self.directory.replace_inbound(id, *trunk, now_ms)?,
            Update::Patch(patch) => self.directory.patch_inbound(id, *patch, now_ms)?,
        };
        Ok(inbound_change(trunk, before))
    }

    fn update_outbound(
        &mut self,
        id: &TrunkId,
        update: Update<OutboundTrunk, OutboundTrunkPatch>,
        now_ms: i64,
    ) -> Result<Change, ApiError> {
        let before = self.directory.outbound(id).cloned();
        let trunk = match update {
            Update::Replace(trunk) => self.directory.replace_outbound(id, *trunk, now_ms)?,
            Update::Patch(patch) => self.directory.patch_outbound(id, *patch, now_ms)?,
        };
        Ok(outbound_change(trunk, before))
    }

    fn update_rule(
        &mut self,
        id: &RuleId,
        update: Update<DispatchRule, DispatchRulePatch>,
        now_ms: i64,
    ) -> Result<Change, ApiError> {
        let before = self.directory.rule(id).cloned();
        let rule = match update {
            Update::Replace(rule) => self.directory.replace_rule(id, *rule, now_ms)?,
            Update::Patch(patch) => self.directory.patch_rule(id, *patch, now_ms)?,
        };
        Ok(rule_change(rule, before))
    }

    /// Deleting an unknown trunk succeeds, as LiveKit has it.
    fn delete_trunk(&mut self, id: TrunkId) -> Change {
        let undo = match self.directory.delete_trunk(&id) {
            Some(StoredTrunk::Inbound(trunk)) => Undo::Inbound(id.clone(), Some(*trunk)),
            Some(StoredTrunk::Outbound(trunk)) => Undo::Outbound(id.clone(), Some(*trunk)),
            None => Undo::Inbound(id.clone(), None),
        };
        (Record::DeleteTrunk(id.clone()), Reply::Deleted(id), undo)
    }

    fn set_options(&mut self, key: OptionsKey, options: Options) -> Result<Change, ApiError> {
        let before = match &key {
            OptionsKey::Trunk(id) if self.directory.inbound(id).is_none() && self.directory.outbound(id).is_none() => {
                return Err(not_found("trunk", id.as_str()));
            }
            OptionsKey::Rule(id) if self.directory.rule(id).is_none() => return Err(not_found("rule", id.as_str())),
            OptionsKey::Trunk(id) => self.directory.set_trunk_options(id.clone(), options.clone()),
            OptionsKey::Rule(id) => self.directory.set_rule_options(id.clone(), options.clone()),
        };
        Ok((Record::PutOptions(key.clone(), options.clone()), Reply::Options(options), Undo::Options(key, before)))
    }

    /// The commands that write nothing.
    fn answer(&mut self, command: Command, now: Time, outputs: &mut Vec<Output>) -> Result<Reply, ApiError> {
        let mut events = Vec::new();
        let reply = match command {
            Command::GetInboundTrunk(id) => match self.directory.inbound(&id) {
                Some(trunk) => Ok(Reply::InboundTrunk(Box::new(trunk.clone()))),
                None => Err(not_found("trunk", id.as_str())),
            },
            Command::GetOutboundTrunk(id) => match self.directory.outbound(&id) {
                Some(trunk) => Ok(Reply::OutboundTrunk(Box::new(trunk.clone()))),
                None => Err(not_found("trunk", id.as_str())),
            },
            Command::ListInboundTrunks(filter) => Ok(Reply::InboundTrunks(self.directory.list_inbound(&filter))),
            Command::ListOutboundTrunks(filter) => Ok(Reply::OutboundTrunks(self.directory.list_outbound(&filter))),
            Command::ListRules(filter) => Ok(Reply::Rules(self.directory.list_rules(&filter))),
            Command::GetOptions(OptionsKey::Trunk(id)) => Ok(Reply::Options(self.directory.trunk_options(&id))),
            Command::GetOptions(OptionsKey::Rule(id)) => Ok(Reply::Options(self.directory.rule_options(&id))),
            Command::Explain(facts) => {
                let decision = self.directory.decide(&facts, &mut self.random);
                Ok(Reply::Explanation(Box::new(decision.explanation)))
            }
            Command::MoveParticipant { room, identity, destination } => {
                self.move_participant(&room, &identity, &destination, now, outputs)
            }
            Command::CreateDispatch { room, agent } => self.create_dispatch(&room, *agent, now, outputs),
            Command::DeleteDispatch { room, dispatch } => self.delete_dispatch(&room, &dispatch, now, outputs),
            Command::ListDispatches { room, dispatch } => self.list_dispatches(room.as_deref(), dispatch.as_ref()),
            Command::ListWorkers => Ok(Reply::Workers(self.agents.workers())),
            Command::LiveCalls => Ok(Reply::Calls(self.calls.iter().map(|e| e.call.record()).collect())),
            Command::Gauges => Ok(Reply::Gauges(Box::new(self.gauges(now)))),
            Command::MutePublishedTrack { room, identity, track, muted } => {
                self.mute_by_api(&room, &identity, &track, muted, now, outputs)
            }
            Command::UpdateSubscriptions { room, identity, tracks, subscribe } => {
                self.subscribe_by_api(&room, &identity, &tracks, subscribe, now, outputs)
            }
            Command::SendData { room, reliable, packet, destinations, destination_sids } => {
                self.send_data(&room, reliable, &packet, &destinations, &destination_sids, now, outputs)
            }
            room => self.room_command(room, now, &mut events),
        };
        self.room_events(events, now, outputs);
        reply
    }

    fn room_command(&mut self, command: Command, now: Time, events: &mut Vec<Event>) -> Result<Reply, ApiError> {
        let rooms = &mut self.rooms;
        Ok(match command {
            Command::CreateRoom(name, settings) => Reply::Room(rooms.create(&name, settings, now, events)?),
            Command::ListRooms(names) => Reply::Rooms(rooms.list(&names)),
            Command::DeleteRoom(name) => {
                rooms.delete(&name, now, events)?;
                Reply::Done
            }
            Command::ListParticipants(room) => Reply::Participants(rooms.participants(&room)),
            Command::GetParticipant { room, identity } => Reply::Participant(rooms.participant(&room, &identity)?),
            Command::RemoveParticipant { room, identity } => {
                rooms.leave(&room, &identity, DisconnectReason::ParticipantRemoved, now, events)?;
                Reply::Done
            }
            Command::UpdateParticipant { room, identity, patch } => {
                Reply::Participant(rooms.update_participant(&room, &identity, &patch, now, events)?)
            }
            Command::UpdateRoomMetadata { room, metadata } => {
                Reply::Room(rooms.update_metadata(&room, metadata, now, events)?)
            }
            _ => return Err(ApiError::new(Code::Internal, "not a command of a room")),
        })
    }

    fn gauges(&self, now: Time) -> crate::command::Gauges {
        let (rooms, participants) = self.rooms.counts();
        let (workers, jobs) = self.agents.counts();
        let mut timings = Box::<Timings>::default();
        for thread in self.timings.values() {
            timings.merge(thread);
        }
        crate::command::Gauges {
            calls_active: self.calls.len() as u64,
            rooms: rooms as u64,
            participants: participants as u64,
            draining: self.drain != Drain::No,
            agent_workers: workers as u64,
            agent_jobs: jobs as u64,
            registrations: self.outbound.registered(),
            media_busy: self.load.busy().clone(),
            media_dropped: self.load.dropped().clone(),
            media_full: self.load.is_full(self.calls.len(), now),
            timings,
            ..self.gauges.clone()
        }
    }
}

fn inbound_change(trunk: InboundTrunk, before: Option<InboundTrunk>) -> Change {
    let undo = Undo::Inbound(trunk.id.clone(), before);
    (Record::PutInboundTrunk(trunk.clone()), Reply::InboundTrunk(Box::new(trunk)), undo)
}

fn outbound_change(trunk: OutboundTrunk, before: Option<OutboundTrunk>) -> Change {
    let undo = Undo::Outbound(trunk.id.clone(), before);
    (Record::PutOutboundTrunk(trunk.clone()), Reply::OutboundTrunk(Box::new(trunk)), undo)
}

fn rule_change(rule: DispatchRule, before: Option<DispatchRule>) -> Change {
    let undo = Undo::Rule(rule.id.clone(), before);
    (Record::PutRule(rule.clone()), Reply::Rule(Box::new(rule)), undo)
}
