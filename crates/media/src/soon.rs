//! Memory that will be needed soon, asked for before: a thread with hundreds of calls finds next to
//! nothing of the next one in its caches, and many lines of memory come in the time of one.
#![allow(unsafe_code, reason = "the instruction has no safe form")]

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for all of a value, as far as it lies in one place.
#[inline]
pub(crate) fn soon<T: ?Sized>(value: &T) {
    let begin = std::ptr::from_ref(value).cast::<u8>();
    let line = begin.wrapping_sub(begin.addr() % LINE);
    for offset in lines(begin.addr(), size_of_val(value)) {
        ask(line.wrapping_add(offset));
    }
}

/// Where the lines of so many bytes begin, counted from the beginning of the first line.
#[inline]
fn lines(begin: usize, bytes: usize) -> impl Iterator<Item = usize> {
    let end = if bytes == 0 { 0 } else { begin % LINE + bytes };
    (0..end).step_by(LINE)
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
    fn every_line_that_a_value_touches_is_asked_for_once() {
        for begin in 6_400..6_400 + 2 * LINE {
            for bytes in 0..4 * LINE {
                let mut touched: Vec<_> = (begin..begin + bytes).map(|at| at - at % LINE).collect();
                touched.dedup();
                let asked: Vec<_> = lines(begin, bytes).map(|offset| begin - begin % LINE + offset).collect();
                assert_eq!(asked, touched, "{bytes} bytes at {begin}");
            }
        }
    }

    #[test]
    fn what_nobody_may_read_can_be_asked_for() {
        soon_at(std::ptr::without_provenance::<u64>(1));
        soon_at(std::ptr::null::<u64>());
    }
}
