//! The thread on which callers live.

use super::{
    call::{Call, Stage, Timer, Wishes},
    message::{Dialog, call_of},
    plan::{Control, Ear, Plan},
    report::Report,
    stream::{Hearing, Stream},
};
use crate::sound::{Onset, Recorder};
use mio::{Events, Interest, Poll, Token, net::UdpSocket};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    sync::mpsc::TryRecvError,
    time::{Duration, Instant},
};
use trunkline_types::Random;

const SIP: Token = Token(usize::MAX - 1);
const RTCP: Token = Token(usize::MAX - 2);
/// The longest sleep: how late a call may begin that somebody else asks for.
const NAP: Duration = Duration::from_millis(2);
/// How long packets gather where nobody listens closely, and how many calls there must be.
const GATHER: Duration = Duration::from_millis(1);
const CROWD: usize = 20;
/// Between two RTCP reports of a call.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Calls that are still not over so long after the end have failed.
const GRACE: Duration = Duration::from_secs(40);

#[expect(clippy::disallowed_methods, reason = "callers live on real time")]
fn now() -> Instant {
    Instant::now()
}

/// Runs the callers to their end on this thread.
///
/// # Errors
/// A socket fails.
pub fn run(plan: &Plan, control: Control) -> io::Result<Report> {
    let ip = local_ip(plan.server)?;
    let poll = Poll::new()?;
    let mut sip = UdpSocket::bind(SocketAddr::new(ip, 0))?;
    sip.connect(plan.server)?;
    let mut rtcp = UdpSocket::bind(SocketAddr::new(ip, 0))?;
    poll.registry().register(&mut sip, SIP, Interest::READABLE)?;
    poll.registry().register(&mut rtcp, RTCP, Interest::READABLE)?;
    let local = sip.local_addr()?;
    let begun = now();
    let mut callers = Callers {
        plan,
        control,
        poll,
        sip,
        rtcp,
        local,
        calls: HashMap::new(),
        due: BinaryHeap::new(),
        report: Report::default(),
        open: 0,
        begun_calls: 0,
        closed: false,
        begun,
        next_reports: begun + REPORT_EVERY,
        random: Random::from_number(u64::from(local.port())),
        buffer: vec![0; 65_535],
    };
    callers.live()?;
    let mut report = callers.report;
    report.elapsed = begun.elapsed();
    Ok(report)
}

/// The address from which the server is reached.
fn local_ip(server: SocketAddr) -> io::Result<IpAddr> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.connect(server)?;
    Ok(socket.local_addr()?.ip())
}

/// A sender report without blocks (RFC 3550 §6.4.1); its wall clock stands still.
fn sender_report(ssrc: u32, packets: u32) -> [u8; 28] {
    let mut bytes = [0; 28];
    let words = [0x80c8_0006, ssrc, 0, 0, packets.wrapping_mul(160), packets, packets.wrapping_mul(160)];
    for (slot, word) in bytes.chunks_exact_mut(4).zip(words) {
        slot.copy_from_slice(&u32::to_be_bytes(word));
    }
    bytes
}

struct Callers<'a> {
    plan: &'a Plan,
    control: Control,
    poll: Poll,
    sip: UdpSocket,
    rtcp: UdpSocket,
    local: SocketAddr,
    calls: HashMap<u32, Call>,
    due: BinaryHeap<Reverse<(Instant, u32, Timer)>>,
    report: Report,
    open: u32,
    begun_calls: u32,
    /// No call will begin any more.
    closed: bool,
    begun: Instant,
    next_reports: Instant,
    random: Random,
    buffer: Vec<u8>,
}

impl Callers<'_> {
    fn live(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        let mut hung_up = false;
        loop {
            let at = now();
            self.begin_due(at)?;
            self.timers(at);
            if self.plan.end.is_some_and(|end| at >= self.begun + end) && !hung_up {
                hung_up = true;
                self.hang_up_all(at);
            }
            if at >= self.next_reports {
                self.next_reports = at + REPORT_EVERY;
                self.send_reports();
            }
            let too_late = self.plan.end.is_some_and(|end| at >= self.begun + end + GRACE);
            if (self.closed && self.calls.is_empty()) || too_late {
                self.give_up();
                return Ok(());
            }
            let nap = self.due.peek().map_or(NAP, |Reverse((due, ..))| due.saturating_duration_since(at)).min(NAP);
            let nap = if self.is_crowd() && !nap.is_zero() {
                // Who only counts need not be woken for each packet: the far end would pay for it.
                std::thread::sleep(nap.min(GATHER));
                Duration::ZERO
            } else {
                nap
            };
            match self.poll.poll(&mut events, Some(nap)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let at = now();
            for event in &events {
                match event.token() {
                    SIP => self.signalling(at),
                    RTCP => while self.rtcp.recv(&mut self.buffer).is_ok() {},
                    Token(index) => {
                        let call = u32::try_from(index).ok().and_then(|index| self.calls.get_mut(&index));
                        if let Some(Call { stream: Some(stream), outcome, .. }) = call {
                            stream.hear(now(), &mut self.buffer, outcome);
                        }
                    }
                }
            }
        }
    }

    fn is_crowd(&self) -> bool {
        matches!(self.plan.ear, Ear::Counts) && self.calls.len() >= CROWD
    }

    /// Begins the calls whose time has come, or that were asked for.
    fn begin_due(&mut self, at: Instant) -> io::Result<()> {
        let ended = self.plan.end.is_some_and(|end| at >= self.begun + end);
        let Some(begin) = &self.control.begin else {
            let due = (at - self.begun).as_secs_f64() * self.plan.rate + 1.0;
            while !ended && self.begun_calls < self.plan.calls && f64::from(self.begun_calls) < due {
                self.begin(self.begun_calls)?;
            }
            self.closed = ended || self.begun_calls >= self.plan.calls;
            return Ok(());
        };
        let mut asked = Vec::new();
        loop {
            match begin.try_recv() {
                Ok(index) => asked.push(index),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.closed = true;
                    break;
                }
            }
        }
        self.closed |= ended;
        for index in asked.into_iter().filter(|_| !ended) {
            self.begin(index)?;
        }
        Ok(())
    }

    fn begin(&mut self, index: u32) -> io::Result<()> {
        let mut socket = UdpSocket::bind(SocketAddr::new(self.local.ip(), 0))?;
        self.poll.registry().register(&mut socket, Token(index as usize), Interest::READABLE)?;
        let hearing = match &self.plan.ear {
            Ear::Records if index == 0 => {
                Hearing::Records(Box::new(Recorder::new(self.plan.codec.rate(), self.plan.codec.clock())))
            }
            Ear::Marks { lines } => match lines.get(index as usize) {
                Some((ours, theirs)) => Hearing::Marks {
                    ours: ours.clone(),
                    theirs: theirs.clone(),
                    onset: Onset::new(self.plan.codec.rate()),
                },
                None => Hearing::Counts,
            },
            Ear::Counts | Ear::Records => Hearing::Counts,
        };
        let offset = if self.plan.scatter { self.random.below(1 << 32) } else { 0 };
        let hold = self.plan.hold.map(|hold| hold / 2 + hold.mul_f64(self.random.below(1_000) as f64 / 1_000.0));
        let at = now();
        let stream = Stream::new(socket, self.plan.codec, self.plan.script.0.clone(), offset, hearing, at);
        let dialog = Dialog {
            index,
            local: self.local,
            server: self.plan.server,
            to: self.plan.numbers.of(index),
            to_tag: String::new(),
            run: u32::from(self.local.port()),
        };
        let mut wishes = Wishes::default();
        let rtcp_port = self.rtcp.local_addr()?.port();
        let call = Call::begin(dialog, stream, self.plan.codec, rtcp_port, hold, at, &mut wishes)?;
        self.calls.insert(index, call);
        self.begun_calls += 1;
        self.carry_out(index, wishes);
        Ok(())
    }

    fn timers(&mut self, at: Instant) {
        while let Some(Reverse((due, index, timer))) = self.due.peek().copied()
            && due <= at
        {
            self.due.pop();
            if timer == Timer::Packet {
                self.doze(index);
            }
            self.step(index, |call, wishes| call.timed_out(timer, now(), wishes));
        }
    }

    /// In a crowd of which nobody listens closely, packets are read when the next one is sent: who
    /// sends them does not pay for telling us, as over a network he would not.
    fn doze(&mut self, index: u32) {
        let is_crowd = self.is_crowd();
        let Some(Call { stream: Some(stream), outcome, .. }) = self.calls.get_mut(&index) else { return };
        if !stream.dozes && is_crowd && stream.may_doze() {
            stream.dozes = self.poll.registry().deregister(&mut stream.socket).is_ok();
        }
        if stream.dozes {
            stream.hear(now(), &mut self.buffer, outcome);
        }
    }

    fn hang_up_all(&mut self, at: Instant) {
        let mut open: Vec<_> = self.calls.keys().copied().collect();
        open.sort_unstable();
        for index in open {
            self.step(index, |call, wishes| call.hang_up(at, wishes));
        }
    }

    fn signalling(&mut self, at: Instant) {
        loop {
            match self.sip.recv(&mut self.buffer) {
                Ok(length) => {
                    let text = String::from_utf8_lossy(&self.buffer[..length]).into_owned();
                    if let Some(index) = call_of(&text, u32::from(self.local.port())) {
                        self.step(index, |call, wishes| call.received(&text, at, wishes));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {}
            }
        }
    }

    /// Lets a call do something and follows it up.
    fn step(&mut self, index: u32, act: impl FnOnce(&mut Call, &mut Wishes)) {
        let Some(call) = self.calls.get_mut(&index) else { return };
        let mut wishes = Wishes::default();
        let was_open = call.stage == Stage::Open;
        act(call, &mut wishes);
        let is_open = call.stage == Stage::Open;
        let over = call.is_over();
        if is_open && !was_open {
            self.open += 1;
            self.report.peak_open = self.report.peak_open.max(self.open);
            self.report.until_last_answer = now() - self.begun;
        } else if was_open && !is_open {
            self.open -= 1;
        }
        self.carry_out(index, wishes);
        if over {
            self.over(index);
        }
    }

    fn carry_out(&mut self, index: u32, wishes: Wishes) {
        for text in wishes.texts {
            // A full buffer loses a datagram, as any network may.
            let _ = self.sip.send(text.as_bytes());
        }
        self.due.extend(wishes.timers.into_iter().map(|(at, timer)| Reverse((at, index, timer))));
    }

    fn over(&mut self, index: u32) {
        let Some(mut call) = self.calls.remove(&index) else { return };
        if let Some(mut stream) = call.stream.take() {
            stream.hear(now(), &mut self.buffer, &mut call.outcome);
            // A socket that cannot be taken off the list goes with its descriptor.
            let _ = self.poll.registry().deregister(&mut stream.socket);
            if let Some(clip) = stream.recorded() {
                self.report.heard = Some(clip);
            }
        }
        self.report.calls.push(call.outcome);
        if let Some(over) = &mut self.control.over {
            over(index);
        }
    }

    /// Sender reports, so that the far end has RTCP to work on.
    fn send_reports(&mut self) {
        for call in self.calls.values() {
            let Some((stream, remote)) = call.stream.as_ref().and_then(|s| Some((s, s.remote?))) else { continue };
            let packets = call.outcome.sent as u32;
            let bytes = sender_report(stream.ssrc(), packets);
            let to = SocketAddr::new(remote.ip(), remote.port().wrapping_add(1));
            // Nothing depends on a report.
            let _ = self.rtcp.send_to(&bytes, to);
        }
    }

    /// What is not over by now has failed.
    fn give_up(&mut self) {
        let left: Vec<_> = self.calls.keys().copied().collect();
        for index in left {
            self.over(index);
        }
        self.report.calls.sort_by_key(|call| call.index);
    }
}
