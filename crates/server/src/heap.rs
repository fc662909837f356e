//! The memory of calls in large pages. A call holds a quarter of a megabyte, its codecs and its
//! WebRTC session, and all of it is touched every 20 ms: with pages of 4 kB a core spends a part of
//! its time on looking up where they are. Linux gives larger ones to who asks (`madvise`), if the
//! memory lies in one piece, which glibc's heap does when all threads share one that grows in large
//! steps. Elsewhere nothing changes.
#![allow(unsafe_code, reason = "mallopt, sbrk and madvise have no safe wrapper in the standard library")]

/// What the heap grows by: address space, which is memory once it is written to.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const STEP: usize = 256 << 20;
/// Of the heap this remains in small pages: an idle server needs less than 6 MB, and a large page
/// that it only began to use would be 2 MB more.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const IDLE: usize = 8 << 20;
/// A large page.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const PAGE: usize = 2 << 20;

/// See the module.
#[derive(Debug)]
pub(crate) struct Heap {
    /// Large pages have been asked for up to here.
    asked: usize,
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
impl Heap {
    /// One heap for all threads that are started from now on.
    pub(crate) fn shared() -> Self {
        // SAFETY: it sets two numbers of glibc's allocator; both fit into an int.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
            libc::mallopt(libc::M_TOP_PAD, STEP as libc::c_int);
        }
        let heap = Self { asked: end().saturating_add(IDLE) };
        // What does not fit into the first step makes it grow by the next.
        let grown: [Vec<u8>; 3] = std::array::from_fn(|_| Vec::with_capacity(100_000));
        std::hint::black_box(grown);
        heap
    }

    /// Asks for large pages where the heap has grown.
    pub(crate) fn ask(&mut self) {
        let (from, to) = (self.asked.next_multiple_of(PAGE), end() / PAGE * PAGE);
        if to > from {
            // SAFETY: what lies between is the heap's, whose contents it does not touch. Where there
            // are no large pages it fails, and nothing has changed.
            unsafe { libc::madvise(std::ptr::with_exposed_provenance_mut(from), to - from, libc::MADV_HUGEPAGE) };
            self.asked = to;
        }
    }
}

/// Where the heap ends.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn end() -> usize {
    // SAFETY: an increment of 0 moves nothing.
    unsafe { libc::sbrk(0) }.addr()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
impl Heap {
    /// Nothing to prepare.
    pub(crate) fn shared() -> Self {
        Self { asked: 0 }
    }

    /// Nothing to ask for.
    pub(crate) fn ask(&mut self) {
        self.asked = 0;
    }
}
