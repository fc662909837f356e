//! What happens in rooms reaches calls, built-in participants and webhooks.

use crate::{Exchange, Output, port::Webhook};
use trunkline_call::{Event, RoomEvent, media::MediaPlan};
use trunkline_room::{Event as Happened, Packet, ParticipantInfo, RoomInfo, TrackInfo, TrackKind};
use trunkline_types::{CallId, DisconnectReason, Time};

impl Exchange {
    pub(crate) fn room_events(&mut self, events: Vec<Happened>, now: Time, outputs: &mut Vec<Output>) {
        for event in events {
            match event {
                Happened::RoomStarted { room, agents } => {
                    self.room_placed(&room.sid);
                    notify("room_started", &room, None, None, now, outputs);
                    self.dispatch_first(&room, agents, now, outputs);
                }
                Happened::ParticipantJoined { room, participant } => {
                    notify("participant_joined", &room, Some(&participant), None, now, outputs);
                    self.peers_joined(&room, &participant, outputs);
                    self.agents_joined(&room, &participant, now, outputs);
                }
                Happened::ParticipantUpdated { room, participant, .. } => {
                    self.peers_updated(&room, &participant, now, outputs);
                    if let Some(call) = self.calls.by_participant.get(&participant.sid) {
                        let changed = RoomEvent::AttributesChanged(participant.attributes);
                        self.events.push_back((call.clone(), Event::Room(changed)));
                    }
                }
                Happened::ParticipantLeft { room, participant, was_active } => {
                    self.left(&room, &participant, was_active, now, outputs);
                }
                Happened::TrackPublished { room, participant, track } => {
                    notify("track_published", &room, Some(&participant), Some(&track), now, outputs);
                    self.peers_published(&room, &participant, &track, now, outputs);
                    for call in self.calls.of_room(&room.sid) {
                        if track.kind == TrackKind::Audio
                            && self.calls.by_participant.get(&participant.sid) != Some(&call)
                            && self.call_may_hear(&call, &participant.sid, &track.sid)
                        {
                            self.subscribe_call(&call);
                        }
                    }
                    self.play_builtins(&room.sid, outputs);
                    self.agents_published(&room, &participant, now, outputs);
                }
                Happened::TrackUpdated { room, participant, track } => {
                    self.peers_track_changed(&room.sid, &participant, &track, outputs);
                }
                Happened::TrackUnpublished { room, participant, track } => {
                    notify("track_unpublished", &room, Some(&participant), Some(&track), now, outputs);
                    self.peers_unpublished(&room, &participant, &track, now, outputs);
                }
                Happened::RoomUpdated { room } => self.show_room(&room, None, outputs),
                Happened::Data { room, room_name, from, packet: Packet::SipDtmf { code, digit } } => {
                    self.dial(&room, &from, code, &digit, |_, _| true);
                    self.peers_dtmf(&room, &room_name, &from, code, &digit, now, outputs);
                }
                Happened::RoomFinished { room } => {
                    notify("room_finished", &room, None, None, now, outputs);
                    self.peers_finished(&room.sid);
                    self.dispatches_finished(&room.sid, now, outputs);
                    self.builtins.room_finished(&room.sid);
                    self.stop_orphaned_builtins(&room.sid, outputs);
                }
                Happened::Data { .. } => {}
            }
        }
    }

    /// The call hears somebody: LiveKit answers then.
    pub(crate) fn subscribe_call(&mut self, call: &CallId) {
        self.events.push_back((call.clone(), Event::Room(RoomEvent::AudioSubscribed)));
    }

    pub(crate) fn someone_else_publishes(&self, room: &str, call: &CallId) -> bool {
        self.rooms.participants(room).iter().any(|p| {
            self.calls.by_participant.get(&p.sid) != Some(call)
                && p.tracks.iter().any(|t| t.kind == TrackKind::Audio && self.call_may_hear(call, &p.sid, &t.sid))
        })
    }

    fn left(
        &mut self,
        room: &RoomInfo,
        participant: &ParticipantInfo,
        was_active: bool,
        now: Time,
        outputs: &mut Vec<Output>,
    ) {
        for track in &participant.tracks {
            notify("track_unpublished", room, Some(participant), Some(track), now, outputs);
        }
        let event = if was_active { "participant_left" } else { "participant_connection_aborted" };
        notify(event, room, Some(participant), None, now, outputs);
        self.peers_left(room, participant, now, outputs);
        self.agents_left(room, participant, was_active, now, outputs);
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
}

fn notify(
    event: &'static str,
    room: &RoomInfo,
    participant: Option<&ParticipantInfo>,
    track: Option<&TrackInfo>,
    at: Time,
    outputs: &mut Vec<Output>,
) {
    let (room, participant, track) = (Some(room.clone()), participant.cloned(), track.cloned());
    outputs.push(Output::Notify(Box::new(Webhook { event, at, room, participant, track, call: None, job: None })));
}
