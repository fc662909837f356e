//! What a server's media threads spend their time on, by its metrics.

use super::Server;
use anyhow::{Context, Result, bail};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// The sum of each stage, seconds of the turns that were sampled.
const SUM: &str = "trunkline_media_stage_seconds_sum";
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
}
