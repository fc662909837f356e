//! Adding what several say.

/// Adds `more` to `sum`, saturating.
pub fn add(sum: &mut [i16], more: &[i16]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum = sum.saturating_add(*more);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn loud_voices_saturate() {
        let mut sum = [30_000, -30_000, 1];
        super::add(&mut sum, &[10_000, -10_000, 2]);
        assert_eq!(sum, [i16::MAX, i16::MIN, 3]);
    }
}
