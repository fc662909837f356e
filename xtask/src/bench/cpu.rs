//! What a process uses, from `/proc`.

use anyhow::{Context, Result};
use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

/// CPU time of a process by the names of its threads, at one moment.
pub struct Usage {
    at: Instant,
    threads: BTreeMap<String, Duration>,
}

#[expect(clippy::disallowed_methods, reason = "a tool for people: it measures real time")]
fn clock() -> Instant {
    Instant::now()
}

impl Usage {
    /// Now.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let mut threads = BTreeMap::<String, Duration>::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task")).context("the process has ended")? {
            let task = entry?.path();
            // A thread that ended meanwhile does not count.
            let (Ok(name), Ok(times)) =
                (fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("schedstat")))
            else {
                continue;
            };
            let nanos = times.split(' ').next().and_then(|t| t.parse().ok()).unwrap_or(0);
            *threads.entry(name.trim().to_owned()).or_default() += Duration::from_nanos(nanos);
        }
        Ok(Self { at: clock(), threads })
    }

    /// The share of one core since an earlier moment: of threads whose name begins so, and of all.
    pub fn since(&self, earlier: &Self, name: &str) -> (f64, f64) {
        let elapsed = (self.at - earlier.at).as_secs_f64().max(1e-9);
        let sum = |usage: &Self, prefix: &str| -> f64 {
            usage.threads.iter().filter(|(n, _)| n.starts_with(prefix)).map(|(_, time)| time.as_secs_f64()).sum()
        };
        let share = |prefix: &str| (sum(self, prefix) - sum(earlier, prefix)) / elapsed;
        (share(name), share(""))
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    /// Resident bytes.
    pub bytes: u64,
    /// Open files.
    pub files: usize,
    /// Threads.
    pub threads: usize,
}

/// What a process holds now.
///
/// # Errors
/// If the process is gone.
pub fn resident(pid: u32) -> Result<Resident> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let bytes = resident_bytes(&status).context("no VmRSS: is this Linux?")?;
    let count = |what: &str| -> Result<usize> { Ok(fs::read_dir(format!("/proc/{pid}/{what}"))?.count()) };
    Ok(Resident { bytes, files: count("fd")?, threads: count("task")? })
}

fn resident_bytes(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib = value.trim().strip_suffix("kB")?;
    kib.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_resident_memory() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn a_thread_that_works_is_counted_by_its_name() {
        let me = std::process::id();
        // Other tests' threads come and go: only the thread of this one is counted.
        let (none, used) = std::thread::Builder::new()
            .name("at-work".to_owned())
            .spawn(move || {
                let before = Usage::of(me).unwrap();
                let held = resident(me).unwrap();
                assert!(held.bytes > 0 && held.files > 0 && held.threads > 0);
                // Linux counts a thread's time when it is looked at whose turn it is.
                std::thread::yield_now();
                let after = Usage::of(me).unwrap();
                (after.since(&before, "no such thread").0, after.since(&before, "at-work").0)
            })
            .unwrap()
            .join()
            .unwrap();
        assert!(none == 0.0 && used > 0.0);
    }
}
