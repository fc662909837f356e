//! Many datagrams with one system call: `recvmmsg` on every socket, `sendmmsg` on the shared WebRTC
//! one. A read that is not full has emptied the socket, so nobody asks it again.
//!
//! The one place of this crate that speaks to the kernel by hand.
#![allow(unsafe_code, reason = "recvmmsg and sendmmsg have no safe wrapper in the standard library")]

use mio::net::UdpSocket;
use socket2::SockAddr;
use std::{io, mem, net::SocketAddr, os::fd::AsRawFd};

/// Datagrams in one call.
pub(crate) const BATCH: usize = 32;
/// The longest datagram that is taken whole.
const DATAGRAM_BYTES: usize = 2_048;

/// Where the count of dropped datagrams stands in what `SO_MEMINFO` gives (`SK_MEMINFO_DROPS`).
const DROPS: usize = 8;

/// Datagrams that the kernel has dropped since the socket was opened, for they were not read in
/// time; 0 where it does not say.
pub(crate) fn dropped(socket: &UdpSocket) -> u32 {
    let mut counters = [0_u32; DROPS + 1];
    let mut length = mem::size_of_val(&counters) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into the array, which lives until it returns.
    let said = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            counters.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if said == 0 { counters[DROPS] } else { 0 }
}

/// Room for what one call reads; the default has none.
#[derive(Default)]
pub(crate) struct Inbound {
    buffers: Vec<[u8; DATAGRAM_BYTES]>,
    lengths: [usize; BATCH],
    sources: [Option<SocketAddr>; BATCH],
}

impl Inbound {
    pub(crate) fn new() -> Self {
        Self { buffers: vec![[0; DATAGRAM_BYTES]; BATCH], lengths: [0; BATCH], sources: [None; BATCH] }
    }

    /// Reads what the socket holds, at most `N` datagrams; returns how many there were, and whether
    /// there may be more.
    pub(crate) fn read<const N: usize>(&mut self, socket: &UdpSocket) -> (usize, bool) {
        let most = N.min(self.buffers.len());
        // SAFETY: all-zero bytes are valid for these C structures of integers and pointers.
        let mut names: [libc::sockaddr_storage; N] = unsafe { mem::zeroed() };
        // SAFETY: as above.
        let mut vectors: [libc::iovec; N] = unsafe { mem::zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; N] = unsafe { mem::zeroed() };
        for (at, header) in headers.iter_mut().enumerate().take(most) {
            vectors[at].iov_base = self.buffers[at].as_mut_ptr().cast();
            vectors[at].iov_len = DATAGRAM_BYTES;
            header.msg_hdr.msg_iov = &raw mut vectors[at];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut names[at]).cast();
            header.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        }
        // SAFETY: every header points to a buffer and a name of this frame or of `self` that live
        // until the call returns, with their true lengths.
        let read = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                most as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let Ok(read) = usize::try_from(read) else {
            // An ICMP message about an earlier datagram; what came may stand behind it.
            return (0, io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock);
        };
        for at in 0..read {
            self.lengths[at] = (headers[at].msg_len as usize).min(DATAGRAM_BYTES);
            // SAFETY: the kernel has written a socket address of this length into the storage.
            let name = unsafe { SockAddr::new(mem::transmute_copy(&names[at]), headers[at].msg_hdr.msg_namelen) };
            self.sources[at] = name.as_socket();
        }
        (read, read > 0 && read == most)
    }

    /// The n-th datagram of the last read, and where it came from.
    pub(crate) fn datagram(&mut self, at: usize) -> Option<(&mut [u8], SocketAddr)> {
        let bytes = self.buffers.get_mut(at)?.get_mut(..*self.lengths.get(at)?)?;
        Some((bytes, (*self.sources.get(at)?)?))
    }
}

/// Datagrams that wait to be sent together; the default has no room for any.
#[derive(Default)]
pub(crate) struct Outbound {
    buffers: Vec<[u8; DATAGRAM_BYTES]>,
    lengths: [usize; BATCH],
    destinations: [Option<SockAddr>; BATCH],
    waiting: usize,
}

impl Outbound {
    pub(crate) fn new() -> Self {
        Self { buffers: vec![[0; DATAGRAM_BYTES]; BATCH], ..Self::default() }
    }

    /// Queues a datagram, if it is none of more than 2,048 bytes; a full batch is sent at once.
    pub(crate) fn push(&mut self, destination: SocketAddr, datagram: &[u8], socket: &UdpSocket) {
        self.write(destination, socket, |buffer| {
            buffer.get_mut(..datagram.len())?.copy_from_slice(datagram);
            Some(datagram.len())
        });
    }

    /// The same for one that is written in its place; `write` returns its length, or `None` for no
    /// datagram.
    pub(crate) fn write(
        &mut self,
        destination: SocketAddr,
        socket: &UdpSocket,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) {
        let Some(buffer) = self.buffers.get_mut(self.waiting) else { return };
        let Some(length) = write(buffer) else { return };
        self.lengths[self.waiting] = length.min(DATAGRAM_BYTES);
        self.destinations[self.waiting] = Some(SockAddr::from(destination));
        self.waiting += 1;
        if self.waiting == self.buffers.len() {
            self.flush(socket);
        }
    }

    /// Sends what waits. What the network refuses is lost, as any datagram may be.
    pub(crate) fn flush(&mut self, socket: &UdpSocket) {
        let mut first = 0;
        while first < self.waiting {
            match self.send_from(first, socket) {
                Ok(sent) if sent > 0 => first += sent,
                // The first one cannot be sent; the others may.
                Ok(_) => first += 1,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => first += 1,
            }
        }
        self.waiting = 0;
    }

    fn send_from(&self, first: usize, socket: &UdpSocket) -> io::Result<usize> {
        // SAFETY: all-zero bytes are valid for these C structures of integers and pointers.
        let mut vectors: [libc::iovec; BATCH] = unsafe { mem::zeroed() };
        // SAFETY: as above.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let waiting = first..self.waiting;
        let count = waiting.len();
        for (slot, at) in waiting.enumerate() {
            vectors[slot].iov_base = self.buffers[at].as_ptr().cast_mut().cast();
            vectors[slot].iov_len = self.lengths[at];
            headers[slot].msg_hdr.msg_iov = &raw mut vectors[slot];
            headers[slot].msg_hdr.msg_iovlen = 1;
            if let Some(name) = &self.destinations[at] {
                headers[slot].msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
                headers[slot].msg_hdr.msg_namelen = name.len();
            }
        }
        // SAFETY: every header points to a payload and a name of `self` that live until the call
        // returns, with their true lengths; the kernel only reads them.
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as libc::c_uint, libc::MSG_DONTWAIT)
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> UdpSocket {
        UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
    }

    #[test]
    fn what_is_not_read_in_time_is_counted() {
        let (sender, receiver) = (socket(), socket());
        // However much the system gives a socket by itself.
        socket2::SockRef::from(&receiver).set_recv_buffer_size(64 * 1024).unwrap();
        assert_eq!(dropped(&receiver), 0);
        let to = receiver.local_addr().unwrap();
        let sent: u32 = (0..1_000).map(|_| u32::from(sender.send_to(&[0; 1_000], to).is_ok())).sum();
        let (mut inbound, mut read) = (Inbound::new(), 0);
        while let (more @ 1.., _) = inbound.read::<BATCH>(&receiver) {
            read += more as u32;
        }
        assert!(read > 0 && dropped(&receiver) > 0);
        assert_eq!(read + dropped(&receiver), sent);
    }

    #[test]
    fn what_is_sent_in_batches_arrives_in_order() {
        let (sender, receiver) = (socket(), socket());
        let (source, destination) = (sender.local_addr().unwrap(), receiver.local_addr().unwrap());
        let mut outbound = Outbound::new();
        for n in 0..70u8 {
            outbound.push(destination, &vec![n; usize::from(n) + 1], &sender);
        }
        outbound.flush(&sender);
        let (mut inbound, mut seen) = (Inbound::new(), 0u8);
        loop {
            let (read, more) = inbound.read::<BATCH>(&receiver);
            for at in 0..read {
                let (bytes, from) = inbound.datagram(at).unwrap();
                assert_eq!((&*bytes, from), (&vec![seen; usize::from(seen) + 1][..], source));
                seen += 1;
            }
            if !more {
                break;
            }
        }
        assert_eq!(seen, 70);
    }

    #[test]
    fn one_that_cannot_be_sent_does_not_hold_up_the_others() {
        let (sender, receiver) = (socket(), socket());
        let good = receiver.local_addr().unwrap();
        let mut outbound = Outbound::new();
        // An IPv6 address on an IPv4 socket, and a datagram longer than any.
        let wrong: SocketAddr = "[::1]:9".parse().unwrap();
        for (destination, length) in [(wrong, 1), (good, 70_000), (good, 3)] {
            outbound.push(destination, &vec![7; length], &sender);
        }
        outbound.flush(&sender);
        let mut inbound = Inbound::new();
        assert_eq!(inbound.read::<BATCH>(&receiver).0, 1);
        assert_eq!(inbound.datagram(0).unwrap().0, [7; 3]);
    }
}
