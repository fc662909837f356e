//! Adding what several say. Everything saturates; of slices of different lengths the shortest counts.

/// Adds `more` to `sum`, saturating.
pub fn add(sum: &mut [i16], more: &[i16]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = sum.saturating_add(*more);
    }
}

/// Adds `more` to an exact `total`, of which [`without`] makes what each one hears. It holds 65,536
/// voices.
pub fn accumulate(total: &mut [i32], more: &[i16]) {
    for (total, more) in total.iter_mut().zip(more) {
        *total = total.saturating_add(i32::from(*more));
    }
}

/// Overwrites `out` with `total` without the listener's `own` voice: for a conference the total is
/// made once. What `own` lacks in length is taken as silence.
pub fn without(total: &[i32], own: &[i16], out: &mut [i16]) {
    let own = own.iter().copied().chain(std::iter::repeat(0));
    for ((out, total), own) in out.iter_mut().zip(total).zip(own) {
        *out = saturate(total.saturating_sub(i32::from(own)));
    }
}

/// Overwrites `out` with the sum of `voices`; where none reaches there is silence.
pub fn voices(out: &mut [i16], voices: &[&[i16]]) {
    // A part at a time in 32 bits: in 16 the order of the voices would matter.
    const PART: usize = 64;
    for (n, out) in out.chunks_mut(PART).enumerate() {
        let mut total = [0; PART];
        for voice in voices {
            accumulate(&mut total, voice.get(n * PART..).unwrap_or_default());
        }
        without(&total, &[], out);
    }
}

/// Multiplies by `gain` in 1/256, saturating: 256 changes nothing.
pub fn scale(samples: &mut [i16], gain: u16) {
    for sample in samples {
        *sample = saturate((i32::from(*sample) * i32::from(gain)) >> 8);
    }
}

fn saturate(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loud_voices_saturate() {
        let mut sum = [30_000, -30_000, 1];
        add(&mut sum, &[10_000, -10_000, 2]);
        assert_eq!(sum, [i16::MAX, i16::MIN, 3]);
    }

    #[test]
    fn a_listener_hears_all_but_itself() {
        let all: [&[i16]; 3] = [&[30_000, 1], &[30_000, 2], &[-30_000, 4]];
        let mut total = [0; 2];
        for voice in all {
            accumulate(&mut total, voice);
        }
        let mut heard = [0; 2];
        without(&total, all[0], &mut heard);
        assert_eq!(heard, [0, 6]);
        without(&total, all[2], &mut heard);
        assert_eq!(heard, [i16::MAX, 3]);
        without(&total, &[], &mut heard);
        assert_eq!(heard, [30_000, 7]);
    }

    #[test]
    fn several_voices_saturate_only_in_the_end_and_may_differ_in_length() {
        let mut out = [9; 4];
        voices(&mut out, &[&[30_000, 1], &[30_000, 1, 1], &[-30_000, 1]]);
        assert_eq!(out, [30_000, 3, 1, 0]);
        voices(&mut out, &[&[30_000, 1], &[30_000]]);
        assert_eq!(out, [i16::MAX, 1, 0, 0]);
        voices(&mut out, &[]);
        assert_eq!(out, [0; 4]);
    }

    #[test]
    fn scaling_is_exact_at_one_and_saturates() {
        let mut samples = [100, -100, 30_000, -30_000];
        scale(&mut samples, 256);
        assert_eq!(samples, [100, -100, 30_000, -30_000]);
        scale(&mut samples, 512);
        assert_eq!(samples, [200, -200, i16::MAX, i16::MIN]);
        scale(&mut samples, 0);
        assert_eq!(samples, [0; 4]);
    }
}
