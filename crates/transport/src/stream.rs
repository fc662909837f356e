//! One stream connection, TCP or TLS: reading, writing, deadlines.

use crate::{counts::count, inward::Inward, task::Life, why};
use bytes::Bytes;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{Notify, mpsc},
    time::{Instant, sleep, timeout, timeout_at},
};
use trunkline_sip::{
    Malformed, StreamReader,
    flow::{Flow, Received},
};
use trunkline_types::limits;

/// Bytes read at a time: what an idle connection costs.
const CHUNK: usize = 4 * 1024;
/// How long a connection that was closed for its framing may take to read why.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A ping; the peer answers with half of it.
pub(crate) const KEEP_ALIVE: &[u8] = b"\r\n\r\n";

/// Something to write.
pub(crate) enum Outgoing {
    /// A message.
    Message(Bytes),
    /// The answer to a ping (RFC 5626 §3.5.1).
    Pong,
    /// A ping of ours (RFC 5626 §4.4.1).
    Ping,
    /// Nothing any more: close after what is queued.
    End,
}

/// One connection from the inside.
pub(crate) struct Line {
    pub(crate) flow: Flow,
    /// The peer opened it, and so must speak.
    pub(crate) accepted: bool,
    pub(crate) outgoing: mpsc::Sender<Outgoing>,
    pub(crate) queue: mpsc::Receiver<Outgoing>,
    /// Told when the peer does not read.
    pub(crate) kill: Arc<Notify>,
}

/// How reading ended.
enum Ended {
    /// Nothing is left to say, for this reason.
    Silently(&'static str),
    /// What is queued shall still be written.
    WithLastWords,
}

/// Carries the connection until it ends; why it ended.
pub(crate) async fn run<S>(stream: S, line: Line, inward: &Inward, life: &Life) -> &'static str
where
    S: AsyncRead + AsyncWrite,
{
    let Line { flow, accepted, outgoing, queue, kill } = line;
    let (mut read, write) = tokio::io::split(stream);
    let writing = write_all(write, queue, inward, life);
    tokio::pin!(writing);
    let mut reading = Reading::new(flow, accepted, outgoing, inward);
    let ended = tokio::select! {
        () = kill.notified() => return why::GONE,
        () = &mut writing => {
            // What the other end said last, if it is here, may tell why.
            return match timeout(Duration::ZERO, reading.run(&mut read)).await {
                Ok(Ended::Silently(why)) => why,
                _ => why::GONE,
            };
        }
        ended = reading.run(&mut read) => ended,
    };
    match ended {
        Ended::Silently(why) => why,
        Ended::WithLastWords => {
            writing.await;
            // Closing with bytes unread would reset the connection and take our answer back.
            let _ = timeout(LAST_WORDS, discard(&mut read)).await;
            why::GONE
        }
    }
}

async fn discard<S: AsyncRead>(read: &mut ReadHalf<S>) {
    let mut buffer = [0; 1024];
    // A bounded number: nobody is obliged to listen for ever.
    for _ in 0..256 {
        if !matches!(read.read(&mut buffer).await, Ok(1..)) {
            return;
        }
    }
}

/// Writes what is queued; returns when the peer does not read, is gone, or there is no more.
async fn write_all<S: AsyncWrite>(
    mut write: WriteHalf<S>,
    mut queue: mpsc::Receiver<Outgoing>,
    inward: &Inward,
    life: &Life,
) {
    loop {
        let next = tokio::select! {
            biased;
            next = queue.recv() => next,
            () = life.ended() => None,
        };
        let written = match next {
            Some(Outgoing::Message(bytes)) => {
                let written = write_one(&mut write, &bytes).await;
                count(if written.is_ok() { &inward.counters.sent } else { &inward.counters.send_failed });
                written
            }
            Some(Outgoing::Ping) => write_one(&mut write, KEEP_ALIVE).await,
            Some(Outgoing::Pong) => write_one(&mut write, b"\r\n").await,
            Some(Outgoing::End) | None => break,
        };
        if let Err(error) = written {
            if error.kind() == io::ErrorKind::TimedOut {
                count(&inward.counters.stuck);
            }
            return;
        }
    }
    let _ = timeout(limits::STREAM_WRITE, write.shutdown()).await;
}

async fn write_one<S: AsyncWrite>(write: &mut WriteHalf<S>, bytes: &[u8]) -> io::Result<()> {
    timeout(limits::STREAM_WRITE, async {
        write.write_all(bytes).await?;
        write.flush().await
    })
    .await?
}

/// The reading side.
struct Reading<'a> {
    flow: Flow,
    outgoing: mpsc::Sender<Outgoing>,
    inward: &'a Inward,
    reader: StreamReader,
    /// When what is awaited must be there.
    deadline: Option<Instant>,
    /// The first message has come, or need not come.
    spoken: bool,
}

impl<'a> Reading<'a> {
    fn new(flow: Flow, accepted: bool, outgoing: mpsc::Sender<Outgoing>, inward: &'a Inward) -> Self {
        let deadline = accepted.then(|| Instant::now() + limits::STREAM_FIRST_MESSAGE);
        Self { flow, outgoing, inward, reader: StreamReader::new(), deadline, spoken: !accepted }
    }

    async fn run<S: AsyncRead>(&mut self, read: &mut ReadHalf<S>) -> Ended {
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = match self.deadline {
                None => read.read(&mut buffer).await,
                Some(deadline) => match timeout_at(deadline, read.read(&mut buffer)).await {
                    Ok(length) => length,
                    Err(_) => {
                        count(&self.inward.counters.slow);
                        return Ended::Silently(why::GONE);
                    }
                },
            };
            let length = match length {
                Ok(0) => return Ended::Silently(why::GONE),
                Ok(length) => length,
                Err(error) => return Ended::Silently(why::of_breaking(&error, why::GONE)),
            };
            let chunk = buffer.get(..length).unwrap_or_default();
            let inward = self.inward;
            match inward.guarded(|| self.take(chunk)) {
                Some(Ok(Duration::ZERO)) => {}
                Some(Ok(wait)) => {
                    // The peer sends faster than it may: it waits, and that is not its slowness.
                    sleep(wait).await;
                    self.deadline = self.deadline.map(|deadline| deadline + wait);
                }
                Some(Err(ended)) => return ended,
                None => return Ended::Silently(why::GONE),
            }
        }
    }

    /// Takes in a chunk; returns how long to wait before the next one.
    fn take(&mut self, chunk: &[u8]) -> Result<Duration, Ended> {
        let now = (self.inward.clock)();
        let was_within = self.reader.pending();
        let messages = match self.reader.push(chunk) {
            Ok(messages) => messages,
            Err(malformed) => {
                count(&self.inward.counters.unframed);
                return Err(self.end(|reading| reading.inward.reject(&reading.flow, now, &malformed, &reading.reply())));
            }
        };
        let pings = self.reader.take_pings();
        let wait = self.inward.charge(self.flow.remote.ip(), messages.len().saturating_add(pings), now);
        for _ in 0..pings {
            count(&self.inward.counters.keep_alives);
            self.queue(Outgoing::Pong)?;
        }
        let whole = !messages.is_empty();
        for (raw, message) in messages {
            let close = matches!(&message, Err(Malformed { close: true, .. }));
            self.inward.deliver(Received { flow: self.flow, at: now, raw, message }, &self.reply());
            if close {
                return Err(self.end(|_| {}));
            }
        }
        self.spoken |= whole;
        if self.spoken {
            let begun = self.reader.pending();
            if !begun {
                self.deadline = None;
            } else if whole || !was_within {
                self.deadline = Some(Instant::now() + limits::STREAM_WHOLE_MESSAGE);
            }
        }
        Ok(wait)
    }

    /// Queues answers of our own; one that finds the queue full is dropped like any lost answer.
    fn reply(&self) -> impl Fn(Bytes) + use<> {
        let outgoing = self.outgoing.clone();
        move |answer| {
            let _ = outgoing.try_send(Outgoing::Message(answer));
        }
    }

    fn queue(&self, outgoing: Outgoing) -> Result<(), Ended> {
        self.outgoing.try_send(outgoing).map_err(|_| {
            count(&self.inward.counters.stuck);
            Ended::Silently(why::GONE)
        })
    }

    /// Says `last` and ends.
    fn end(&self, last: impl FnOnce(&Self)) -> Ended {
        last(self);
        match self.queue(Outgoing::End) {
            Ok(()) => Ended::WithLastWords,
            Err(ended) => ended,
        }
    }
}

#[cfg(test)]
mod tests;
