//! The rooms of a thread: by their names for plans, by their places for packets.

use crate::room::Room;
use slab::Slab;
use std::collections::HashMap;
use trunkline_types::RoomSid;

/// See the module. A room keeps its place as long as somebody is in it.
#[derive(Default)]
pub(crate) struct Rooms {
    held: Slab<Room>,
    places: HashMap<RoomSid, usize>,
}

impl Rooms {
    /// Where the room of that name is.
    pub(crate) fn place(&self, sid: &RoomSid) -> Option<usize> {
        self.places.get(sid).copied()
    }

    /// The room of that name.
    pub(crate) fn named(&mut self, sid: &RoomSid) -> Option<&mut Room> {
        self.held.get_mut(self.place(sid)?)
    }

    pub(crate) fn get(&self, place: usize) -> Option<&Room> {
        self.held.get(place)
    }

    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut Room> {
        self.held.get_mut(place)
    }

    /// Takes in a room that is not there yet.
    pub(crate) fn insert(&mut self, room: Room) -> usize {
        let sid = room.sid.clone();
        let place = self.held.insert(room);
        self.places.insert(sid, place);
        place
    }

    pub(crate) fn remove(&mut self, place: usize) {
        if let Some(room) = self.held.try_remove(place) {
            self.places.remove(&room.sid);
        }
    }
}
