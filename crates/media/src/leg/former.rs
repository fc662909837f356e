//! The codec before the present one: until the far end knows that it was changed, its packets come
//! in the old one (RFC 3264 §8.3.2), and what they say is not lost.

use super::{Leg, LegCodec};
use crate::leg_codec::PACKET_SAMPLES;
use trunkline_audio::resample::Resampler;
use trunkline_call::media::LegMedia;

/// See the module.
pub(crate) struct Former {
    payload_type: u8,
    codec: LegCodec,
    /// To the rate of the present one.
    resampler: Option<Resampler>,
}

impl Former {
    /// What `codec` was when it was negotiated as `held`; `None` where the number has another meaning
    /// by now.
    pub(super) fn new(held: &LegMedia, codec: LegCodec, next: &LegMedia, rate: u32) -> Option<Box<Self>> {
        let is_known = held.payload_type != next.payload_type && next.telephone_event != Some(held.payload_type);
        let resampler = if codec.rate() == rate { None } else { Resampler::new(codec.rate(), rate) };
        is_known.then(|| Box::new(Self { payload_type: held.payload_type, codec, resampler }))
    }
}

impl Leg {
    /// Hears a packet in the codec before, if it is one.
    pub(crate) fn hear_former(&mut self, payload_type: u8, payload: &[u8]) {
        let Some(mut former) = self.former.take_if(|former| former.payload_type == payload_type) else { return };
        if self.concealer.is_none() {
            self.make_room_to_hear();
        }
        self.stop_ringing();
        let mut pcm = [0; PACKET_SAMPLES];
        let samples = former.codec.decode(payload, &mut pcm);
        match &mut former.resampler {
            None => self.heard(&pcm[..samples]),
            Some(resampler) => {
                let mut own = [0; PACKET_SAMPLES * 2];
                let made = resampler.process(&pcm[..samples], &mut own);
                self.heard(&own[..made]);
            }
        }
        self.former = Some(former);
    }
}
