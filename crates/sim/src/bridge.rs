//! Pairs of a SIP caller and a headless WebRTC participant, each pair in a room of its own: load on
//! the whole bridge, and what it does to time and sound.

use crate::{
    callers::{self, Control, Plan, Report, Spread},
    participant::{self, Error, Join, Participant, Tape},
    sound::{Clip, Line},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, task::JoinSet, time};
use trunkline_types::Random;

/// A pair that has not begun so long before the end does not begin any more.
const LAST: Duration = Duration::from_secs(2);
/// For a caller to be in its room.
const MOMENT: Duration = Duration::from_millis(50);
/// For a participant to have spoken for a while when the call begins: this and up to a frame more, so
/// that the calls begin anywhere between two packets.
const WORD: Duration = Duration::from_millis(200);
/// Milliseconds of a frame.
const FRAME: u32 = 20;
/// Between two calls of a pair that begins anew.
const PAUSE: Duration = Duration::from_millis(500);
/// A participant that is not connected by then has failed.
const PATIENCE: Duration = Duration::from_secs(15);

/// Who comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The participant speaks in the room when the call begins.
    #[default]
    PublisherFirst,
    /// Both begin at the same moment.
    Together,
    /// The call begins, and the participant comes a moment later.
    CallerFirst,
}

/// What is measured besides the calls themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// Nothing.
    #[default]
    Nothing,
    /// Marks of the callers that echoing participants send back.
    RoundTrip,
    /// Marks of both sides.
    OneWay,
    /// What the first pair hears is recorded.
    Sound,
}

/// Makes a token for an identity in a room.
pub type Tokens = Arc<dyn Fn(&str, &str) -> String + Send + Sync>;

/// See the module.
#[derive(Clone)]
pub struct Bridge {
    /// The callers; each needs a number of its own.
    pub callers: Plan,
    /// The participants; token and ear are filled in.
    pub join: Join,
    /// Tokens by room and identity.
    pub tokens: Tokens,
    /// The room of a call is this and its number.
    pub room_prefix: String,
    /// Who comes first.
    pub order: Order,
    /// A pair whose call is over begins anew in another room, until the end.
    pub again: bool,
    /// What is measured.
    pub measure: Measure,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct BridgeReport {
    /// The callers.
    pub callers: Report,
    /// Participants that connected.
    pub joined: u64,
    /// Why others did not, or left too early.
    pub failures: Vec<String>,
    /// RTP packets the participants sent, received, missed, and sent late.
    pub packets: [u64; 4],
    /// How long after its time they sent the latest of them.
    pub latest: Duration,
    /// From joining to being connected and able to speak.
    pub joining: Spread,
    /// What marks took: round trip, or from phone to room.
    pub up: Spread,
    /// What marks took from room to phone.
    pub down: Spread,
    /// What the first participant heard.
    pub heard: Option<Clip>,
}

/// What all pairs share.
struct Shared {
    bridge: Bridge,
    begin: SyncSender<u32>,
    waiting: Mutex<BTreeMap<u32, oneshot::Sender<()>>>,
    lines: Vec<(Arc<Line>, Arc<Line>)>,
    tape: Tape,
    joined: AtomicU64,
    failures: Mutex<Vec<String>>,
    packets: [AtomicU64; 4],
    latest_us: AtomicU64,
    joining: Mutex<Vec<Duration>>,
    last: Option<Instant>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "load lives on real time")]
fn now() -> Instant {
    Instant::now()
}

/// Runs all pairs to their end.
///
/// # Errors
/// A socket or the runtime fails.
pub fn run(bridge: Bridge) -> std::io::Result<BridgeReport> {
    let calls = bridge.callers.calls;
    let lines: Vec<(Arc<Line>, Arc<Line>)> = (0..calls)
        .map(|_| match bridge.measure {
            Measure::RoundTrip => {
                let line = Arc::new(Line::default());
                (line.clone(), line)
            }
            _ => Default::default(),
        })
        .collect();
    let mut plan = bridge.callers.clone();
    match bridge.measure {
        Measure::RoundTrip | Measure::OneWay => plan.ear = callers::Ear::Marks { lines: lines.clone() },
        Measure::Sound => plan.ear = callers::Ear::Records,
        Measure::Nothing => {}
    }
    let (begin, begun) = sync_channel(4_096);
    let shared = Arc::new(Shared {
        last: plan.end.map(|end| now() + end.saturating_sub(LAST)),
        bridge,
        begin,
        waiting: Mutex::default(),
        lines,
        tape: Tape::new(),
        joined: AtomicU64::new(0),
        failures: Mutex::default(),
        packets: Default::default(),
        latest_us: AtomicU64::default(),
        joining: Mutex::default(),
    });
    let told = Arc::downgrade(&shared);
    let over = move |index| {
        if let Some(shared) = told.upgrade()
            && let Some(waiting) = locked(&shared.waiting).remove(&index)
        {
            // A pair that does not wait any more has failed already.
            let _ = waiting.send(());
        }
    };
    let control = Control { begin: Some(begun), over: Some(Box::new(over)) };
    let callers = std::thread::Builder::new().name("callers".into()).spawn(move || callers::run(&plan, control))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = runtime.block_on(pairs(shared));
    let Shared { begin, lines, tape, joined, failures, packets, latest_us, joining, bridge, .. } = shared;
    drop(begin);
    let report = callers.join().map_err(|_| std::io::Error::other("the callers' thread panicked"))??;
    let both = bridge.measure == Measure::OneWay;
    Ok(BridgeReport {
        callers: report,
        joined: joined.into_inner(),
        failures: failures.into_inner().unwrap_or_else(PoisonError::into_inner),
        packets: packets.map(AtomicU64::into_inner),
        latest: Duration::from_micros(latest_us.into_inner()),
        joining: Spread::new(joining.into_inner().unwrap_or_else(PoisonError::into_inner)),
        up: Spread::new(lines.iter().flat_map(|(up, _)| up.took()).collect()),
        down: Spread::new(lines.iter().filter(|_| both).flat_map(|(_, down)| down.took()).collect()),
        heard: (bridge.measure == Measure::Sound).then(|| tape.take()),
    })
}

/// Begins the pairs at their rate and waits until all are over.
async fn pairs(shared: Arc<Shared>) -> Shared {
    let (calls, rate) = (shared.bridge.callers.calls, shared.bridge.callers.rate);
    let mut running = JoinSet::new();
    let begun = now();
    for pair in 0..calls {
        time::sleep_until((begun + Duration::from_secs_f64(f64::from(pair) / rate.max(0.01))).into()).await;
        running.spawn(live(shared.clone(), pair));
    }
    running.join_all().await;
    let mut shared = shared;
    loop {
        match Arc::try_unwrap(shared) {
            Ok(whole) => return whole,
            // The callers' thread looks at it for a moment.
            Err(held) => shared = held,
        }
        time::sleep(Duration::from_millis(1)).await;
    }
}

async fn live(shared: Arc<Shared>, pair: u32) {
    let calls = shared.bridge.callers.calls;
    let mut index = pair;
    loop {
        if let Err(why) = once(&shared, pair, index).await {
            locked(&shared.failures).push(format!("call {index}: {why}"));
        }
        let ends = shared.last.is_some_and(|last| now() + PAUSE >= last);
        let Some(next) = index.checked_add(calls).filter(|_| shared.bridge.again && !ends) else { return };
        index = next;
        time::sleep(PAUSE).await;
    }
}

/// One call with its participant.
async fn once(shared: &Shared, pair: u32, index: u32) -> Result<(), Error> {
    let (over, ended) = oneshot::channel();
    locked(&shared.waiting).insert(index, over);
    let together = shared.bridge.order != Order::PublisherFirst;
    // Nobody takes calls any more once the callers' thread has ended.
    let call = || shared.begin.try_send(index).map_err(|_| Error::Ended);
    if together {
        call()?;
    }
    if shared.bridge.order == Order::CallerFirst {
        time::sleep(MOMENT).await;
    }
    let begun = now();
    let joined = time::timeout(PATIENCE, connected(shared, pair, index)).await;
    let participant = match joined.unwrap_or(Err(Error::Late(PATIENCE))) {
        Ok(participant) => participant,
        Err(why) => {
            if together {
                let _ = ended.await;
            }
            return Err(why);
        }
    };
    locked(&shared.joining).push(now() - begun);
    shared.joined.fetch_add(1, Ordering::Relaxed);
    if !together {
        time::sleep(WORD + Duration::from_millis((index % FRAME).into())).await;
        call()?;
    }
    // Without a sender the callers are gone, and so is the call.
    let _ = ended.await;
    let stats = participant.stats.clone();
    let failure = stats.failure();
    participant.leave().await;
    let counted = [&stats.sent, &stats.received, &stats.lost, &stats.sent_late];
    for (sum, count) in shared.packets.iter().zip(counted) {
        sum.fetch_add(count.load(Ordering::Relaxed), Ordering::Relaxed);
    }
    shared.latest_us.fetch_max(stats.latest_us.load(Ordering::Relaxed), Ordering::Relaxed);
    failure.map_or(Ok(()), Err)
}

async fn connected(shared: &Shared, pair: u32, index: u32) -> Result<Participant, Error> {
    let bridge = &shared.bridge;
    let room = format!("{}{}", bridge.room_prefix, bridge.callers.numbers.of(index));
    let mut join = Join { token: (bridge.tokens)(&room, "headless"), ..bridge.join.clone() };
    if bridge.callers.scatter {
        join.offset = Random::from_number(u64::from(index)).below(1 << 32);
    }
    match (bridge.measure, shared.lines.get(pair as usize)) {
        (Measure::OneWay, Some((up, down))) => {
            join.ear = participant::Ear::Marks { ours: down.clone(), theirs: up.clone() };
        }
        (Measure::Sound, _) if pair == 0 => join.ear = participant::Ear::Records(shared.tape.clone()),
        _ => {}
    }
    let mut participant = participant::join(join).await?;
    participant.ready().await?;
    Ok(participant)
}
