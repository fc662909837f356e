//! The streams of a thread: new ones given to their connections, packets to and from them.

use super::{
    Handover, Stream,
    framing::{Cut, LENGTH_BYTES, PACKET_BYTES, cut},
};
use crate::{bypass, peer::Arrived, thread::Thread};
use mio::{Interest, Token};
use slab::Slab;
use std::{
    collections::HashMap,
    io::{self, Read},
    net::SocketAddr,
    sync::mpsc::Receiver,
};
use str0m::net::{Protocol, Transmit};
use trunkline_types::Time;

/// Tells the tokens of streams from those of legs.
const STREAM: usize = 1 << (usize::BITS - 2);
/// Streams of one connection; a client that opens more loses the first of them.
const PER_CONNECTION: usize = 4;
/// Streams of all connections of a thread; further ones are closed at once.
const OPEN: usize = 8_192;
/// Reads from a stream before others have their turn.
const READ_BUDGET: usize = 8;
/// What one read takes, beside the beginning of a packet from before.
const READ_BYTES: usize = 16 * 1024;

/// The index of the stream that a token names; `None` for anything else.
pub(crate) fn stream_of(token: Token) -> Option<usize> {
    (token.0 & STREAM != 0).then_some(token.0 & !STREAM)
}

/// See the module.
pub(crate) struct Streams {
    arriving: Receiver<Handover>,
    open: Slab<Stream>,
    by_address: HashMap<SocketAddr, usize>,
    /// Those with something to read or room to write.
    pub(crate) ready: Vec<usize>,
    /// Those that were given something in this turn.
    listed: Vec<usize>,
    buffer: Vec<u8>,
}

impl Streams {
    pub(crate) fn new(arriving: Receiver<Handover>) -> Self {
        Self {
            arriving,
            open: Slab::new(),
            by_address: HashMap::new(),
            ready: Vec::new(),
            listed: Vec::new(),
            buffer: Vec::new(),
        }
    }

    fn list(&mut self, index: usize) {
        if let Some(stream) = self.open.get_mut(index)
            && !stream.is_listed
        {
            stream.is_listed = true;
            self.listed.push(index);
        }
    }
}

impl Thread {
    /// Takes in the streams that have said whose they are.
    pub(crate) fn adopt_streams(&mut self, now: Time) {
        while let Ok(Handover { stream, from, ufrag, bytes }) = self.streams.arriving.try_recv() {
            if self.streams.open.len() >= OPEN {
                tracing::warn!(%from, "too many streams of WebRTC clients over TCP; one more is closed");
                continue;
            }
            // It may have gone meanwhile.
            let Some(peer) = self.by_ufrag.get(&ufrag).copied() else { continue };
            // Who is in a hurry gets his packets one by one.
            let _ = stream.set_nodelay(true);
            let Cut::Packet(first, _) = cut(&bytes) else { continue };
            let arrived = Arrived { datagram: first, from, protocol: Protocol::Tcp, is_stranger: true };
            let of_peer = self.streams.open.iter().filter(|(_, held)| held.peer == peer);
            let (count, oldest) =
                (of_peer.clone().count(), of_peer.min_by_key(|(_, held)| held.since).map(|(at, _)| at));
            // The answer to the first packet needs the stream; one whose packet is refused goes again.
            let index = self.streams.open.insert(Stream::new(stream, from, peer, now));
            self.streams.by_address.insert(from, index);
            if !self.take_in(peer, arrived, now) || !self.watch(index) {
                self.close_stream(index);
                continue;
            }
            if count >= PER_CONNECTION
                && let Some(oldest) = oldest
            {
                self.close_stream(oldest);
            }
            if let Some(held) = self.streams.open.get_mut(index)
                && let Cut::Packet(_, rest) = cut(&bytes)
            {
                held.held.extend(rest);
            }
            // What it holds already, and what came before it was watched.
            self.streams.ready.push(index);
        }
    }

    fn watch(&mut self, index: usize) -> bool {
        let Some(held) = self.streams.open.get_mut(index) else { return false };
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut held.socket, Token(STREAM | index), interest).is_ok()
    }

    fn close_stream(&mut self, index: usize) {
        let Some(mut stream) = self.streams.open.try_remove(index) else { return };
        // A socket that is not on the list, or cannot be taken off it, goes with its descriptor.
        let _ = self.poll.registry().deregister(&mut stream.socket);
        if self.streams.by_address.get(&stream.from) == Some(&index) {
            self.streams.by_address.remove(&stream.from);
        }
        self.streams.ready.retain(|held| *held != index);
        self.streams.listed.retain(|held| *held != index);
    }

    /// The connection is gone, and its streams go with it.
    pub(crate) fn close_streams(&mut self, peer: usize) {
        let of_peer = self.streams.open.iter().filter(|(_, held)| held.peer == peer);
        for index in of_peer.map(|(at, _)| at).collect::<Vec<_>>() {
            self.close_stream(index);
        }
    }

    /// Reads the streams that have something, and writes to those that have room again. Those with
    /// more to read stay on the list.
    pub(crate) fn serve_streams(&mut self, now: Time) {
        if self.streams.ready.is_empty() {
            return;
        }
        let mut buffer = std::mem::take(&mut self.streams.buffer);
        buffer.resize(LENGTH_BYTES + PACKET_BYTES + READ_BYTES, 0);
        for index in std::mem::take(&mut self.streams.ready) {
            self.streams.list(index);
            match self.read_stream(index, &mut buffer, now) {
                Ok(true) => self.streams.ready.push(index),
                Ok(false) => {}
                Err(why) => {
                    tracing::debug!(%why, "a stream of a client is over");
                    self.close_stream(index);
                }
            }
        }
        self.streams.buffer = buffer;
        self.settle(now);
    }

    /// Whether there may be more.
    fn read_stream(&mut self, index: usize, buffer: &mut [u8], now: Time) -> io::Result<bool> {
        for _ in 0..READ_BUDGET {
            let Some(stream) = self.streams.open.get_mut(index) else { return Ok(false) };
            let (peer, from, kept) = (stream.peer, stream.from, stream.held.len());
            let Some((before, space)) = buffer.split_at_mut_checked(kept) else { return Ok(false) };
            before.copy_from_slice(&stream.held);
            let (read, space) = match stream.socket.read(space) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => (read, space.len()),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                // What came with the stream may hold whole packets.
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => (0, usize::MAX),
                Err(why) => return Err(why),
            };
            stream.held.clear();
            let mut rest = buffer.get(..kept + read).unwrap_or_default();
            loop {
                match cut(rest) {
                    Cut::Packet(packet, after) => {
                        rest = after;
                        self.packet_of_stream(peer, packet, from, now);
                    }
                    Cut::Wait => break,
                    Cut::TooLong => return Err(io::ErrorKind::InvalidData.into()),
                }
            }
            // Its connection may have ended with one of these packets.
            let Some(stream) = self.streams.open.get_mut(index) else { return Ok(false) };
            stream.held.extend(rest);
            if read < space {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn packet_of_stream(&mut self, peer: usize, packet: &[u8], from: SocketAddr, now: Time) {
        // Audio is decrypted in place, which the stack must not see where it is not for us.
        let mut buffer = std::mem::take(&mut self.buffer);
        let is_audio = bypass::is_media(packet)
            && buffer.get_mut(..packet.len()).is_some_and(|copy| {
                copy.copy_from_slice(packet);
                self.hear_peer(peer, copy, now)
            });
        self.buffer = buffer;
        if !is_audio {
            let arrived = Arrived { datagram: packet, from, protocol: Protocol::Tcp, is_stranger: false };
            self.take_in(peer, arrived, now);
        }
    }

    /// Writes what connections have for their streams.
    pub(crate) fn flush_streams(&mut self, now: Time) {
        for (peer, Transmit { destination, contents, .. }) in std::mem::take(&mut self.outbox.framed) {
            let Some(index) = self.streams.by_address.get(&destination).copied() else { continue };
            let Some(stream) = self.streams.open.get_mut(index).filter(|held| held.peer == peer) else { continue };
            stream.push(&contents, now);
            self.streams.list(index);
        }
        for index in std::mem::take(&mut self.streams.listed) {
            let Some(stream) = self.streams.open.get_mut(index) else { continue };
            stream.is_listed = false;
            if let Err(why) = stream.flush(now) {
                tracing::debug!(%why, "a stream of a client is over");
                self.close_stream(index);
            }
        }
    }
}
