//! Many signalling-only calls from one UDP socket: INVITE, 180, 200, ACK, a pause, BYE, 200.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

/// What to do.
#[derive(Clone, Debug)]
pub struct Load {
    /// The server's SIP address.
    pub server: SocketAddr,
    /// The number called.
    pub to: String,
    /// Calls begun per second.
    pub rate: u32,
    /// Calls in all.
    pub calls: u32,
    /// From the answer to the BYE.
    pub hold: Duration,
}

/// What came of it; times in microseconds, sorted.
#[derive(Clone, Debug, Default)]
pub struct LoadResult {
    /// Calls that were set up and torn down.
    pub done: u32,
    /// Calls that were not.
    pub failed: u32,
    /// The most calls open at once.
    pub peak_open: u32,
    /// INVITE to 180.
    pub to_180: Vec<u64>,
    /// INVITE to 200.
    pub to_200: Vec<u64>,
    /// From the first INVITE to the last answer.
    pub elapsed: Duration,
}

impl LoadResult {
    /// A percentile of sorted times; 0 of none.
    pub fn percentile(times: &[u64], percent: usize) -> u64 {
        times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or(0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Inviting,
    Ringing,
    Open,
    Closing,
    Over,
}

struct Call {
    begun: Instant,
    stage: Stage,
    to_tag: String,
    tries: u32,
}

const T1: Duration = Duration::from_millis(500);
/// A call that is not through by then has failed.
const PATIENCE: Duration = Duration::from_secs(32);

struct Generator {
    load: Load,
    socket: UdpSocket,
    local: SocketAddr,
    calls: Vec<Call>,
    due: BinaryHeap<Reverse<(Instant, usize, u8)>>,
    result: LoadResult,
    open: u32,
    over: u32,
}

/// Timers of a call.
const REPEAT: u8 = 0;
const HANG_UP: u8 = 1;
const GIVE_UP: u8 = 2;

/// Runs the load to its end.
///
/// # Errors
/// The socket fails.
#[expect(clippy::disallowed_methods, reason = "a load generator measures real time")]
pub fn run(load: &Load) -> std::io::Result<LoadResult> {
    let socket = UdpSocket::bind(if load.server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" })?;
    socket.connect(load.server)?;
    socket.set_nonblocking(true)?;
    let local = socket.local_addr()?;
    let mut generator = Generator {
        load: load.clone(),
        socket,
        local,
        calls: Vec::new(),
        due: BinaryHeap::new(),
        result: LoadResult::default(),
        open: 0,
        over: 0,
    };
    let begun = Instant::now();
    let mut buffer = vec![0; 65_535];
    while generator.over < load.calls {
        let now = Instant::now();
        let due = (begun.elapsed().as_secs_f64() * f64::from(load.rate)) as u32 + 1;
        while (generator.calls.len() as u32) < due.min(load.calls) {
            generator.begin(Instant::now())?;
        }
        while let Some(Reverse((at, call, timer))) = generator.due.peek().copied()
            && at <= now
        {
            generator.due.pop();
            generator.timed_out(call, timer, now)?;
        }
        let mut idle = true;
        for _ in 0..64 {
            match generator.socket.recv(&mut buffer) {
                Ok(length) => {
                    idle = false;
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    generator.received(&text, Instant::now())?;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => break,
                Err(error) => return Err(error),
            }
        }
        if idle {
            std::thread::sleep(Duration::from_micros(50));
        }
    }
    let mut result = generator.result;
    result.elapsed = begun.elapsed();
    result.to_180.sort_unstable();
    result.to_200.sort_unstable();
    Ok(result)
}

impl Generator {
    fn begin(&mut self, now: Instant) -> std::io::Result<()> {
        let index = self.calls.len();
        self.calls.push(Call { begun: now, stage: Stage::Inviting, to_tag: String::new(), tries: 0 });
        self.due.push(Reverse((now + PATIENCE, index, GIVE_UP)));
        self.due.push(Reverse((now + T1, index, REPEAT)));
        self.send(index, "INVITE", 1)
    }

    fn timed_out(&mut self, index: usize, timer: u8, now: Instant) -> std::io::Result<()> {
        let call = &mut self.calls[index];
        match (timer, call.stage) {
            (GIVE_UP, stage) if stage != Stage::Over && call.begun + PATIENCE + self.load.hold > now => {
                // The pause of an open call is not the server's delay.
                let again = call.begun + PATIENCE + self.load.hold;
                self.due.push(Reverse((again, index, GIVE_UP)));
                Ok(())
            }
            (GIVE_UP, stage) if stage != Stage::Over => {
                self.end(index, false);
                Ok(())
            }
            (HANG_UP, Stage::Open) => {
                call.stage = Stage::Closing;
                call.tries = 0;
                self.due.push(Reverse((now + T1, index, REPEAT)));
                self.send(index, "BYE", 2)
            }
            (REPEAT, Stage::Inviting | Stage::Closing) => {
                call.tries += 1;
                let (method, cseq) = if call.stage == Stage::Inviting { ("INVITE", 1) } else { ("BYE", 2) };
                let wait = T1 * 2u32.pow(call.tries.min(3));
                self.due.push(Reverse((now + wait, index, REPEAT)));
                self.send(index, method, cseq)
            }
            _ => Ok(()),
        }
    }

    fn received(&mut self, text: &str, now: Instant) -> std::io::Result<()> {
        let Some(index) = header(text, "Call-ID").and_then(|id| id.split('-').nth(1)?.parse::<usize>().ok()) else {
            return Ok(());
        };
        let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
        let (Some(status), Some(call)) = (status, self.calls.get_mut(index)) else { return Ok(()) };
        let micros = u64::try_from(now.duration_since(call.begun).as_micros()).unwrap_or(u64::MAX);
        let is_bye = header(text, "CSeq").is_some_and(|c| c.ends_with("BYE"));
        match (call.stage, status) {
            (Stage::Closing, 200..) if is_bye => self.end(index, status == 200),
            (Stage::Inviting, 180) => {
                call.stage = Stage::Ringing;
                self.result.to_180.push(micros);
            }
            (Stage::Inviting | Stage::Ringing, 200) if !is_bye => {
                call.stage = Stage::Open;
                call.to_tag = header(text, "To").and_then(|t| t.split(";tag=").nth(1)).unwrap_or_default().to_owned();
                self.result.to_200.push(micros);
                self.open += 1;
                self.result.peak_open = self.result.peak_open.max(self.open);
                self.due.push(Reverse((now + self.load.hold, index, HANG_UP)));
                self.send(index, "ACK", 1)?;
            }
            (Stage::Open | Stage::Closing, 200) if !is_bye => self.send(index, "ACK", 1)?,
            (Stage::Inviting | Stage::Ringing, 300..) => {
                self.send(index, "ACK", 1)?;
                self.end(index, false);
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, index: usize, well: bool) {
        if matches!(self.calls[index].stage, Stage::Open | Stage::Closing) {
            self.open -= 1;
        }
        self.calls[index].stage = Stage::Over;
        self.over += 1;
        *(if well { &mut self.result.done } else { &mut self.result.failed }) += 1;
    }

    fn send(&self, index: usize, method: &str, cseq: u32) -> std::io::Result<()> {
        let (Load { server, to, .. }, local) = (&self.load, self.local);
        let tag = &self.calls[index].to_tag;
        let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let sdp = if method == "INVITE" {
            format!(
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
                9
            )
        } else {
            String::new()
        };
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} sip:{to}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{method}{index}x{};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+1555{index:07}@{local}>;tag=l{index}\r\nTo: <sip:{to}@{server}>{tag}\r\n\
             Call-ID: load-{index}-{}\r\nCSeq: {cseq} {method}\r\nContact: <sip:load@{local}>\r\n{kind}\
             Content-Length: {}\r\n\r\n{sdp}",
            local.port(),
            local.port(),
            sdp.len()
        );
        match self.socket.send(text.as_bytes()) {
            Ok(_) => Ok(()),
            // A full buffer loses a datagram, as any network may.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|l| !l.is_empty()).find_map(|line| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
