//! Memory that will be needed soon, asked for before: a thread with hundreds of calls finds next to
//! nothing of the next one in its caches, and many lines of memory come in the time of one.
#![allow(unsafe_code, reason = "the instruction has no safe form")]

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for all of a value, as far as it lies in one place.
#[inline]
pub(crate) fn soon<T: ?Sized>(value: &T) {
    let begin = std::ptr::from_ref(value).cast::<u8>();
    let before = begin.addr() % LINE;
    for at in (0..before + size_of_val(value)).step_by(LINE) {
        ask(begin.wrapping_sub(before).wrapping_add(at));
    }
}

/// Asks for the first line at an address.
#[inline]
pub(crate) fn soon_at<T>(begin: *const T) {
    ask(begin.cast());
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn ask(line: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: it changes nothing but what the caches hold, and does not fault at any address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn ask(_: *const u8) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_length_can_be_asked_for() {
        let bytes = [7_u8; 300];
        for begin in 0..LINE {
            for end in [begin, begin + 1, begin + LINE, 300] {
                soon(&bytes[begin..end]);
            }
        }
        soon(&());
        soon(&Box::new([0_u64; 1_000]));
        soon_at(std::ptr::without_provenance::<u64>(1));
        assert_eq!(bytes, [7; 300]);
    }
}
