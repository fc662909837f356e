//! What happens in rooms reaches calls, built-in participants and webhooks.

use crate::{
    Exchange, Output,
    port::{Level, Webhook},
};
use trunkline_call::{Event, RoomEvent, media::MediaPlan};
use trunkline_room::{Event as Happened, Packet, ParticipantInfo, RoomInfo};
use trunkline_types::{CallId, DisconnectReason, Time};

impl Exchange {
    pub(crate) fn room_events(&mut self, events: Vec<Happened>, now: Time, outputs: &mut Vec<Output>) {
        for event in events {
            match event {
                Happened::RoomStarted { room, agents } => {
                    notify("room_started", Some(&room), None, now, outputs);
                    for (agent, metadata) in agents {
                        self.dispatch(&room, &agent, &metadata, now, outputs);
                    }
                }
                Happened::ParticipantJoined { room, participant } => {
                    notify("participant_joined", Some(&room), Some(&participant), now, outputs);
                }
                Happened::ParticipantUpdated { participant, .. } => {
                    if let Some(call) = self.calls.by_participant.get(&participant.sid) {
                        let changed = RoomEvent::AttributesChanged(participant.attributes);
                        self.events.push_back((call.clone(), Event::Room(changed)));
                    }
                }
                Happened::ParticipantLeft { room, participant } => self.left(&room, &participant, now, outputs),
                Happened::TrackPublished { room, participant, .. } => {
                    for call in self.calls.of_room(&room.sid) {
                        if self.calls.by_participant.get(&participant.sid) != Some(&call) {
                            self.subscribe_call(&call);
                        }
                    }
                    self.play_builtins(&room.sid, outputs);
                }
                Happened::Data { room, from, packet: Packet::SipDtmf { code, digit }, .. } => {
                    let digits = if digit.is_empty() { digit_of(code) } else { digit };
                    for call in self.calls.of_room(&room) {
                        let own =
                            self.calls.get(&call).is_some_and(|e| e.call.facts().record.participant_identity == from);
                        if !own {
                            let sent = RoomEvent::DtmfSent { digits: digits.clone() };
                            self.events.push_back((call, Event::Room(sent)));
                        }
                    }
                }
                Happened::RoomFinished { room } => {
                    notify("room_finished", Some(&room), None, now, outputs);
                    self.builtins.room_finished(&room.sid);
                    self.stop_orphaned_builtins(&room.sid, outputs);
                }
                Happened::Data { .. } | Happened::TrackUnpublished { .. } | Happened::RoomUpdated { .. } => {}
            }
        }
    }

    /// The call hears somebody: LiveKit answers then.
    pub(crate) fn subscribe_call(&mut self, call: &CallId) {
        self.events.push_back((call.clone(), Event::Room(RoomEvent::AudioSubscribed)));
    }

    pub(crate) fn someone_else_publishes(&self, room: &str, call: &CallId) -> bool {
        self.rooms
            .participants(room)
            .iter()
            .any(|p| !p.tracks.is_empty() && self.calls.by_participant.get(&p.sid) != Some(call))
    }

    fn left(&mut self, room: &RoomInfo, participant: &ParticipantInfo, now: Time, outputs: &mut Vec<Output>) {
        notify("participant_left", Some(room), Some(participant), now, outputs);
        if let Some(call) = self.calls.by_participant.get(&participant.sid).cloned() {
            self.calls.left_room(&call);
            let reason = participant.disconnect_reason.unwrap_or(DisconnectReason::ParticipantRemoved);
            let changed = RoomEvent::AttributesChanged(participant.attributes.clone());
            self.events.push_back((call.clone(), Event::Room(changed)));
            self.events.push_back((call, Event::Room(RoomEvent::Removed(reason))));
        }
        if self.builtins.is_builtin(&participant.sid) && self.rooms.sid(&room.name).as_ref() == Some(&room.sid) {
            outputs.push(Output::Media(MediaPlan::StopBuiltin {
                participant: participant.sid.clone(),
                room: room.sid.clone(),
            }));
            self.builtins.remove(&participant.sid);
        }
    }

    fn dispatch(&mut self, room: &RoomInfo, agent: &str, metadata: &str, now: Time, outputs: &mut Vec<Output>) {
        if !self.start_builtin(room, agent, metadata, now, outputs) {
            let text =
                format!("the agent {agent:?} is not built in, and no worker can register yet: it is not dispatched");
            Self::log(Level::Warn, None, text, outputs);
        }
    }
}

fn notify(
    event: &'static str,
    room: Option<&RoomInfo>,
    participant: Option<&ParticipantInfo>,
    at: Time,
    outputs: &mut Vec<Output>,
) {
    let webhook = Webhook { event, at, room: room.cloned(), participant: participant.cloned(), call: None };
    outputs.push(Output::Notify(Box::new(webhook)));
}

/// The digit of an RFC 4733 event code.
fn digit_of(code: u32) -> String {
    b"0123456789*#ABCD".get(code as usize).map(|d| char::from(*d).to_string()).unwrap_or_default()
}
