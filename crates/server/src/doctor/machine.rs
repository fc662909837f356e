//! The machine: its clock, its limits, its disk.

use super::Finding;
use crate::{Config, clock};
use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// No machine with this program has an earlier clock: 2025-01-01.
const EARLIEST: i64 = 1_735_689_600;
/// What sockets for WebRTC ask for, bytes; see `rtc_socket` in the media crate.
const BUFFER_BYTES: u64 = 4 * 1024 * 1024;
/// Sockets and files besides those of calls.
const OTHER_FILES: u64 = 1_024;
/// Nothing works with fewer.
const LEAST_FILES: u64 = 256;

/// Seconds since 1970.
pub(super) fn unix_now() -> i64 {
    clock::now().unix_millis().div_euclid(1_000)
}

pub(super) fn check(config: &Config) -> Vec<Finding> {
    vec![time(unix_now()), files(config), buffer("net.core.rmem_max"), buffer("net.core.wmem_max")]
}

fn time(now: i64) -> Finding {
    if now < EARLIEST {
        let found = format!("it stands at {now} seconds after 1970");
        return Finding::fail("clock", found, "set it: tokens and certificates have dates");
    }
    if !synchronized() {
        let cure = "run chrony, ntpd or systemd-timesyncd: tokens of other machines have dates";
        return Finding::warn("clock", "the kernel says that nothing keeps it right", cure);
    }
    Finding::ok("clock", "it is set, and kept right")
}

/// Whether a time service disciplines the kernel's clock.
#[allow(unsafe_code, reason = "adjtimex has no safe wrapper in the standard library")]
fn synchronized() -> bool {
    // SAFETY: all-zero bytes are valid for this C structure of integers, and with no modes set the
    // kernel only fills it in.
    let (state, status) = unsafe {
        let mut times: libc::timex = std::mem::zeroed();
        let state = libc::adjtimex(&raw mut times);
        (state, times.status)
    };
    // A container may not be allowed to ask; then nothing is known against it.
    state < 0 || (state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0)
}

fn files(config: &Config) -> Finding {
    let name = "open files";
    let limit = fs::read_to_string("/proc/self/limits").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        let soft = line.split_whitespace().next()?;
        if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
    });
    let Some(limit) = limit else {
        return Finding::warn(name, "the limit cannot be read from /proc/self/limits", "check `ulimit -n`");
    };
    let ports = match *config.rtp_ports.end() {
        0 => LEAST_FILES,
        last => u64::from(last - config.rtp_ports.start()) + 1,
    };
    let wanted = ports + OTHER_FILES;
    let found = format!("{limit} may be open; as many calls as `rtp_port` allows need {wanted}");
    let cure = format!("ulimit -n {wanted}, or LimitNOFILE={wanted} in the unit of systemd");
    if limit < LEAST_FILES {
        Finding::fail(name, found, cure)
    } else if limit < wanted {
        Finding::warn(name, found, cure)
    } else {
        Finding::ok(name, found)
    }
}

fn buffer(name: &str) -> Finding {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    let cure = format!("sysctl -w {name}={BUFFER_BYTES}, on the host of a container");
    match fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok()) {
        None => Finding::warn(name, "it cannot be read here", cure),
        Some(bytes) if bytes < BUFFER_BYTES => {
            let found = format!("{bytes} bytes: in a burst of WebRTC packets the kernel drops some");
            Finding::warn(name, found, cure)
        }
        Some(bytes) => Finding::ok(name, format!("{bytes} bytes")),
    }
}

/// Whether the store can be written. A folder that is not there is not made.
pub(super) fn data_dir(folder: &Path) -> Finding {
    let name = "data_dir";
    let mut nearest = folder;
    while !nearest.exists() {
        nearest = match nearest.parent() {
            None => break,
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
        };
    }
    match written(nearest) {
        Ok(()) if nearest == folder => Finding::ok(name, format!("{} can be written", folder.display())),
        Ok(()) => Finding::ok(name, format!("{} can be made", folder.display())),
        Err(why) => {
            let found = format!("{} cannot be written: {why}", nearest.display());
            Finding::fail(name, found, "give it to the user who runs Trunkline, or set `data_dir`")
        }
    }
}

fn written(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".trunkline-doctor-{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    let done = file.write_all(b"x").and_then(|()| file.sync_all());
    fs::remove_file(&path)?;
    done
}
