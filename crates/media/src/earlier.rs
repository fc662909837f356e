//! When in 20 ms a room ticks: as soon as what it plays to its telephone has waited for as long as it
//! need.
//!
//! A room begins to tick when it begins. What a participant says then waits for up to 20 ms more than
//! the jitter buffer asks for, in the middle for ten; by so much its room ticks earlier. The telephone
//! gets one packet sooner after the one before.

use crate::{room::EARLIER_EVERY, thread::Thread};

/// Milliseconds that are worth it, and those of them that are left for a network that changes.
const WORTH: u64 = 5;
const LEFT: u64 = 2;
/// No room ticks earlier by more than that at a time.
const MOST: u64 = 17;

impl Thread {
    /// Looks once a second whether the room can tick earlier.
    pub(crate) fn tick_earlier(&mut self, place: usize) {
        let Some(room) = self.rooms.get_mut(place) else { return };
        room.until_earlier = room.until_earlier.saturating_sub(1);
        if room.until_earlier > 0 {
            return;
        }
        room.until_earlier = EARLIER_EVERY;
        let voices = room.tracks.iter_mut().filter_map(|(_, track)| track.downlink.as_mut()?.unneeded());
        // Telephones that hear each other follow the ticks too.
        let Some(unneeded) = voices.min().filter(|_| !room.is_mixed()) else { return };
        let unneeded = u64::try_from(unneeded.as_millis()).unwrap_or(0);
        if unneeded >= WORTH {
            self.wheel.earlier(&place, (unneeded - LEFT).min(MOST));
        }
    }
}
