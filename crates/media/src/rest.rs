//! PCM that has been decoded and not been played: what is over when packets are not as long as the
//! 20 ms they are played in, or when a voice that is late catches up.

use crate::frame::FRAME;
use trunkline_audio::shorten::shorten;

/// What is held at most: less than a frame from before, one that is played, and one to catch up with.
const ROOM: usize = 3 * FRAME;

/// See the module.
pub(crate) struct Rest {
    pcm: Box<[i16; ROOM]>,
    length: usize,
    /// Something in it is a voice.
    is_voice: bool,
    /// Its end is silence, which need not be played.
    ends_silent: bool,
}

impl Default for Rest {
    fn default() -> Self {
        Self { pcm: Box::new([0; ROOM]), length: 0, is_voice: false, ends_silent: false }
    }
}

impl Rest {
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Samples.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn clear(&mut self) {
        (self.length, self.is_voice, self.ends_silent) = (0, false, false);
    }

    /// Goes on with that; what there is no room for is dropped.
    pub(crate) fn push(&mut self, pcm: &[i16], is_voice: bool) {
        let space = &mut self.pcm[self.length..];
        let length = pcm.len().min(space.len());
        if is_voice {
            space[..length].copy_from_slice(&pcm[..length]);
        } else {
            space[..length].fill(0);
        }
        self.length += length;
        self.is_voice |= is_voice;
        self.ends_silent = !is_voice;
    }

    /// Makes it shorter by up to `most` samples, at `rate` Hz, if it can be done unheard; whether it
    /// could.
    pub(crate) fn shorten(&mut self, rate: u32, most: usize) -> bool {
        let left_out = shorten(&mut self.pcm[..self.length], rate, most);
        self.length -= left_out;
        left_out > 0
    }

    /// Takes its first samples; those that are missing are silence. `false` if all are.
    pub(crate) fn take(&mut self, out: &mut [i16]) -> bool {
        let taken = out.len().min(self.length);
        out[..taken].copy_from_slice(&self.pcm[..taken]);
        out[taken..].fill(0);
        let is_voice = self.is_voice;
        self.pcm.copy_within(taken..self.length, 0);
        self.length -= taken;
        if self.length == 0 || self.ends_silent {
            self.clear();
        }
        is_voice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_and_silence_at_the_end_is_not_kept() {
        let mut rest = Rest::default();
        let mut out = [0; 160];
        rest.push(&[1; 80], true);
        rest.push(&[2; 160], true);
        assert!(rest.take(&mut out) && rest.len() == 80);
        assert_eq!((&out[..80], &out[80..]), (&[1; 80][..], &[2; 80][..]));
        rest.push(&[9; 160], false);
        assert!(rest.take(&mut out) && rest.is_empty());
        assert_eq!((&out[..80], &out[80..]), (&[2; 80][..], &[0; 80][..]));
        rest.push(&[9; 160], false);
        assert!(!rest.take(&mut out) && out == [0; 160]);
    }

    #[test]
    fn it_takes_no_more_than_it_has_room_for() {
        let mut rest = Rest::default();
        for _ in 0..9 {
            rest.push(&[5; FRAME], true);
        }
        assert_eq!(rest.len(), ROOM);
        assert!(rest.shorten(16_000, 100) && rest.len() < ROOM);
    }
}
