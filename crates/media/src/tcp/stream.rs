//! One stream of a client: packets in and out, never waiting, with a bound on what it leaves unread.

use super::framing::append;
use mio::net::TcpStream;
use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};
use trunkline_types::Time;

/// What may wait for a slow reader; more than two seconds of video. Beyond it packets are lost, as
/// they would be on a full network.
const UNSENT_BYTES: usize = 256 * 1024;
/// Who has not caught up for so long is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// A buffer of more than this is given back once it is empty.
const KEPT_BYTES: usize = 4_096;

/// See the module.
pub(crate) struct Stream {
    pub(crate) socket: TcpStream,
    pub(crate) from: SocketAddr,
    /// The connection it belongs to.
    pub(crate) peer: usize,
    /// The beginning of a packet whose end has not come.
    pub(crate) held: Vec<u8>,
    out: Vec<u8>,
    /// How much of `out` has been sent.
    sent: usize,
    /// Since when packets are dropped.
    choked: Option<Time>,
    /// When it came.
    pub(crate) since: Time,
    /// It waits to be written to at the end of this turn.
    pub(crate) is_listed: bool,
}

impl Stream {
    pub(crate) fn new(socket: TcpStream, from: SocketAddr, peer: usize, since: Time) -> Self {
        Self { socket, from, peer, held: Vec::new(), out: Vec::new(), sent: 0, choked: None, since, is_listed: false }
    }

    /// Queues a packet, or drops it where too much waits.
    pub(crate) fn push(&mut self, packet: &[u8], now: Time) {
        if self.out.len() - self.sent + packet.len() > UNSENT_BYTES {
            self.choked.get_or_insert(now);
            return;
        }
        append(packet, &mut self.out);
    }

    /// Sends what the system takes.
    ///
    /// # Errors
    /// The stream is over, or its reader too slow for too long.
    pub(crate) fn flush(&mut self, now: Time) -> io::Result<()> {
        while let Some(rest) = self.out.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.socket.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
                    if self.choked.is_some_and(|since| now.since(since) >= PATIENCE) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    if self.sent > UNSENT_BYTES / 2 {
                        self.out.drain(..self.sent);
                        self.sent = 0;
                    }
                    return Ok(());
                }
                Err(why) => return Err(why),
            }
        }
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES);
        self.sent = 0;
        self.choked = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::framing::Cut, *};
    use crate::tcp::framing::cut;
    use std::{io::Read, net::TcpListener as StdListener, net::TcpStream as StdStream};

    fn pair() -> (Stream, StdStream) {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let far = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (near, from) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        (Stream::new(TcpStream::from_std(near), from, 3, at(0)), far)
    }

    fn at(seconds: u64) -> Time {
        Time::new(seconds * 1_000_000_000, 0)
    }

    #[test]
    fn who_reads_nothing_loses_whole_packets_then_the_stream_and_holds_little() {
        let (mut stream, mut far) = pair();
        let packet = [9; 1_200];
        let mut pushed = 0;
        while stream.choked.is_none() {
            stream.push(&packet, at(1));
            stream.flush(at(1)).unwrap();
            pushed += 1;
        }
        for _ in 0..10_000 {
            stream.push(&packet, at(2));
            stream.flush(at(2)).unwrap();
        }
        assert!(stream.out.len() < 2 * UNSENT_BYTES, "{}", stream.out.len());
        assert!(stream.flush(at(12)).is_err());
        // What arrived before is whole.
        drop(stream);
        let mut read = Vec::new();
        far.read_to_end(&mut read).unwrap();
        let (mut rest, mut seen) = (read.as_slice(), 0);
        while let Cut::Packet(body, after) = cut(rest) {
            assert_eq!(body, packet);
            (rest, seen) = (after, seen + 1);
        }
        assert!(seen > 0 && seen < pushed + 10_000, "some were lost");
    }

    #[test]
    fn who_catches_up_in_time_is_kept() {
        let (mut stream, mut far) = pair();
        while stream.choked.is_none() {
            stream.push(&[9; 1_200], at(1));
            stream.flush(at(1)).unwrap();
        }
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while far.read(&mut buffer).is_ok_and(|read| read > 0) {}
        });
        while stream.choked.is_some() {
            stream.flush(at(5)).unwrap();
            std::thread::yield_now();
        }
        stream.push(&[9; 1_200], at(100));
        stream.flush(at(100)).unwrap();
        drop(stream);
        reader.join().unwrap();
    }
}
