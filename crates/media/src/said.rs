//! What a room says to a phone in 20 ms.

use trunkline_types::Time;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said<'a> {
    /// Voices, mixed, at the room's rate.
    Pcm(&'a [i16]),
    /// Nobody speaks.
    Nothing,
    /// A packet for a leg that speaks the same codec, its length in ticks of its clock, and when it
    /// came.
    Packet(&'a [u8], u32, Time),
    /// The packet before was longer than a frame and still plays.
    Skipped,
    /// A packet did not come: the far end makes it up.
    Lost,
}
