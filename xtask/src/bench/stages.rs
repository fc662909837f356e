//! What a server's media threads spend their time on, and what they had no time for, by its metrics.

use super::Server;
use anyhow::{Context, Result, bail};
use std::{
    fmt,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// The sum of each stage, seconds of the turns that were sampled.
const SUM: &str = "trunkline_media_stage_seconds_sum";
/// Seconds in which late threads encoded with less work, datagrams that the kernel dropped before they
/// were read, and seconds of audio that was left out.
const SPARED: &str = "trunkline_media_spared_seconds_total";
const DROPPED: &str = "trunkline_media_dropped_datagrams_total";
const LEFT_OUT: &str = "trunkline_media_left_out_seconds_total";
/// The delay that jitter buffers aimed at, for each packet.
const TARGET: &str = "trunkline_media_jitter_target_seconds";
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The stages with their shares of all of them, the largest first, as text.
///
/// # Errors
/// If the server does not give its metrics.
pub fn shares(server: &Server) -> Result<String> {
    let page = metrics(server.address("http"))?;
    let shares = of_page(&page);
    if shares.is_empty() {
        bail!("the server's metrics hold no {SUM}");
    }
    let texts: Vec<_> = shares.iter().map(|(stage, share)| format!("{stage} {:.0}%", share * 100.0)).collect();
    Ok(texts.join(", "))
}

/// The mean delay that the server's jitter buffers have aimed at, milliseconds.
///
/// # Errors
/// If the server does not give its metrics, or has played nothing yet.
pub fn jitter_target(server: &Server) -> Result<f64> {
    let page = metrics(server.address("http"))?;
    let (count, sum) = (total(&page, &format!("{TARGET}_count")), total(&page, &format!("{TARGET}_sum")));
    if count <= 0.0 {
        bail!("the server's metrics hold no {TARGET}");
    }
    Ok(sum / count * 1e3)
}

/// What came of it that media threads had too much to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Strain {
    /// Seconds in which voices of telephones were encoded at complexity 0.
    spared: f64,
    /// Datagrams of participants that the kernel dropped.
    dropped: f64,
    /// Seconds of audio that were left out.
    left_out: f64,
}

impl Strain {
    /// Until now.
    ///
    /// # Errors
    /// If the server does not give its metrics.
    pub fn by(server: &Server) -> Result<Self> {
        Ok(Self::of(&metrics(server.address("http"))?))
    }

    /// By a page of metrics.
    pub(super) fn of(page: &str) -> Self {
        Self { spared: total(page, SPARED), dropped: total(page, DROPPED), left_out: total(page, LEFT_OUT) }
    }

    /// What came since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            spared: self.spared - before.spared,
            dropped: self.dropped - before.dropped,
            left_out: self.left_out - before.left_out,
        }
    }

    /// Whether everything was carried.
    pub fn is_lossless(self) -> bool {
        self.dropped + self.left_out <= 0.0
    }

    /// Whether there was time for all.
    pub fn is_nothing(self) -> bool {
        self.is_lossless() && self.spared <= 0.0
    }
}

impl fmt::Display for Strain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spared, dropped, left_out } = self;
        if *spared > 0.0 {
            write!(f, "encoded at complexity 0 for {spared:.1} s, ")?;
        }
        write!(f, "{dropped} datagrams dropped, {:.0} ms of audio left out", left_out * 1e3)
    }
}

/// The page `/metrics`.
fn metrics(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the server gave no metrics")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("the server gave no metrics: {head}");
    }
    Ok(body.to_owned())
}

/// All samples of a metric.
fn total(page: &str, name: &str) -> f64 {
    let samples = page.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
    samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).fold(0.0, |sum, value| sum + value)
}

fn of_page(page: &str) -> Vec<(String, f64)> {
    let mut sums: Vec<(String, f64)> = page
        .lines()
        .filter_map(|line| {
            let (labels, value) = line.strip_prefix(SUM)?.rsplit_once(' ')?;
            let (_, stage) = labels.split_once("stage=\"")?;
            Some((stage.split_once('"')?.0.to_owned(), value.parse().ok()?))
        })
        .filter(|(_, sum)| *sum > 0.0)
        .collect();
    let all: f64 = sums.iter().map(|(_, sum)| sum).sum();
    for (_, sum) in &mut sums {
        *sum /= all;
    }
    sums.sort_by(|a, b| b.1.total_cmp(&a.1));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_all_stages_and_the_largest_comes_first() {
        let page = "# TYPE trunkline_media_stage_seconds histogram\n\
            trunkline_media_stage_seconds_sum{node_id=\"n\",stage=\"mix\"} 0.500000000\n\
            trunkline_media_stage_seconds_count{node_id=\"n\",stage=\"mix\"} 9\n\
            trunkline_media_stage_seconds_sum{node_id=\"n\",stage=\"encode\"} 1.500000000\n\
            trunkline_media_stage_seconds_sum{node_id=\"n\",stage=\"srtp\"} 0.000000000\n";
        assert_eq!(of_page(page), [("encode".to_owned(), 0.75), ("mix".to_owned(), 0.25)]);
    }

    #[test]
    fn what_there_was_no_time_for_is_told() {
        let page = |dropped: u32, seconds: f64| {
            format!(
                "# TYPE {DROPPED} counter\n{DROPPED}{{node_id=\"n\",thread=\"0\"}} {dropped}\n\
                 {DROPPED}{{node_id=\"n\",thread=\"1\"}} 2\n{LEFT_OUT}{{node_id=\"n\"}} {seconds:.3}\n"
            )
        };
        let strain = Strain::of(&page(40, 0.18));
        assert_eq!(strain.to_string(), "42 datagrams dropped, 180 ms of audio left out");
        assert!(strain.since(strain).is_nothing() && Strain::of(&page(0, 0.0).replace("} 2", "} 0")).is_nothing());
        let spared = Strain::of(&format!("{SPARED}{{node_id=\"n\"}} 1.5\n"));
        assert!(
            spared.is_lossless()
                && !spared.is_nothing()
                && spared.to_string().starts_with("encoded at complexity 0 for 1.5 s, 0")
        );
        assert!(!strain.is_lossless() && !Strain::of(&page(50, 0.18)).since(strain).is_nothing());
    }
}
