//! `/metrics`: the exchange's gauges in the Prometheus text format, under livekit-sip's names where
//! it has one.

use crate::Count;
use std::{collections::BTreeMap, fmt::Write, time::Duration};
use trunkline_exchange::command::{Gauges, Stage};
use trunkline_types::Histogram;

/// How many values a label may have; what is beyond is counted as `other`.
const LABEL_VALUES: usize = 64;

/// The page. `counts` are those of the shells; `available` is what `/healthz` says.
pub(crate) fn page(gauges: &Gauges, counts: &[Count], available: bool, node_id: &str) -> String {
    let mut page = Page { text: String::new(), node: escape(node_id) };
    page.counter("livekit_sip_invite_requests_raw", "INVITEs received, retransmissions included.");
    page.sample("livekit_sip_invite_requests_raw", &[], gauges.invites_raw);
    page.counter("livekit_sip_invite_requests", "INVITEs outside a dialog.");
    page.sample("livekit_sip_invite_requests", &[("dir", "in")], gauges.invites);
    page.counter("livekit_sip_invite_accepted", "INVITEs answered with 200.");
    page.sample("livekit_sip_invite_accepted", &[("dir", "in")], gauges.invites_accepted);
    page.counter("livekit_sip_invite_error", "INVITEs refused, by reason.");
    for (reason, count) in bounded(&gauges.invite_errors) {
        page.sample("livekit_sip_invite_error", &[("dir", "in"), ("reason", reason)], count);
    }
    page.counter("trunkline_dials_total", "Calls out that were begun.");
    page.sample("trunkline_dials_total", &[], gauges.dials);
    page.counter("trunkline_dials_answered_total", "Calls out that were answered, their digits sent.");
    page.sample("trunkline_dials_answered_total", &[], gauges.dials_answered);
    page.counter("trunkline_dial_errors_total", "Calls out that were not answered, by reason.");
    for (reason, count) in bounded(&gauges.dial_errors) {
        page.sample("trunkline_dial_errors_total", &[("reason", reason)], count);
    }
    page.gauge("trunkline_trunk_registered", "1 while a trunk that registers is registered.");
    for (trunk, registered) in gauges.registrations.iter().take(LABEL_VALUES) {
        page.sample("trunkline_trunk_registered", &[("trunk", trunk)], u64::from(*registered));
    }
    page.gauge("livekit_sip_calls_active", "Calls that run.");
    page.sample("livekit_sip_calls_active", &[("dir", "in")], gauges.calls_active);
    page.counter("livekit_sip_calls_terminated", "Calls that ended, by reason.");
    for (reason, count) in bounded(&gauges.calls_terminated) {
        let labels = [("dir", "in"), ("result", result(reason)), ("reason", reason)];
        page.sample("livekit_sip_calls_terminated", &labels, count);
    }
    page.gauge("livekit_sip_available", "1 while new calls are taken.");
    page.sample("livekit_sip_available", &[], u64::from(available && !gauges.media_full));

    page.gauge("trunkline_rooms", "Rooms that are open.");
    page.sample("trunkline_rooms", &[], gauges.rooms);
    page.gauge("trunkline_participants", "Participants in rooms.");
    page.sample("trunkline_participants", &[], gauges.participants);
    page.gauge("trunkline_agent_workers", "Agents' workers that are registered.");
    page.sample("trunkline_agent_workers", &[], gauges.agent_workers);
    page.gauge("trunkline_agent_jobs", "Agents' jobs that run or wait for a worker.");
    page.sample("trunkline_agent_jobs", &[], gauges.agent_jobs);
    page.counter("trunkline_call_panics_total", "Calls ended because their handling panicked.");
    page.sample("trunkline_call_panics_total", &[], gauges.call_panics);
    page.counter("trunkline_digest_failures_total", "Calls with a wrong digest.");
    page.sample("trunkline_digest_failures_total", &[], gauges.digest_failures);
    page.counter("trunkline_bans_total", "Bans of sources, or of guesses at a trunk, for wrong digests.");
    page.sample("trunkline_bans_total", &[], gauges.bans);
    page.gauge("trunkline_media_busy_ratio", "The share of its time that a media thread is busy.");
    for (thread, busy) in &gauges.media_busy {
        page.value("trunkline_media_busy_ratio", &[("thread", &thread.to_string())], &format!("{busy:.3}"));
    }
    let name = "trunkline_media_dropped_datagrams_total";
    page.counter(
        name,
        "Datagrams of WebRTC clients and telephones that the kernel dropped before a media thread read them.",
    );
    for (thread, dropped) in &gauges.media_dropped {
        page.sample(name, &[("thread", &thread.to_string())], *dropped);
    }
    let name = "trunkline_media_spared_seconds_total";
    page.counter(name, "Time for which media threads that were late have encoded voices at complexity 0.");
    page.value(name, &[], &format!("{:.3}", gauges.media_spared.as_secs_f64()));
    let name = "trunkline_media_left_out_seconds_total";
    page.counter(name, "Time for which media threads with too much to do have left out audio.");
    page.value(name, &[], &format!("{:.3}", gauges.media_left_out.as_secs_f64()));
    page.gauge("trunkline_draining", "1 while the server drains.");
    page.sample("trunkline_draining", &[], u64::from(gauges.draining));
    for Count { name, help, value } in counts {
        page.counter(name, help);
        page.sample(name, &[], *value);
    }
    timings(&mut page, gauges);
    page.text
}

/// How long audio takes, and where the time of the media threads goes.
fn timings(page: &mut Page, gauges: &Gauges) {
    let timings = &gauges.timings;
    let name = "trunkline_audio_up_seconds";
    page.head(name, "histogram", "From a caller's RTP packet to the WebRTC packets with its audio, all calls.");
    page.histogram(name, &[], &timings.audio_up);
    let name = "trunkline_audio_down_seconds";
    page.head(name, "histogram", "From a WebRTC packet to the caller's RTP packet, jitter buffer included, all calls.");
    page.histogram(name, &[], &timings.audio_down);
    let name = "trunkline_media_jitter_target_seconds";
    page.head(name, "histogram", "The delay that jitter buffers aimed at, for each WebRTC packet played to a caller.");
    page.histogram(name, &[], &timings.jitter_target);
    let name = "trunkline_media_stage_seconds";
    page.head(name, "histogram", "What media threads do, and for how long at a time; one turn in 31 is measured.");
    for stage in Stage::ALL {
        if let Some(histogram) = timings.stages.get(stage as usize) {
            page.histogram(name, &[("stage", stage.name())], histogram);
        }
    }
}

struct Page {
    text: String,
    node: String,
}

impl Page {
    fn counter(&mut self, name: &str, help: &str) {
        self.head(name, "counter", help);
    }

    fn gauge(&mut self, name: &str, help: &str) {
        self.head(name, "gauge", help);
    }

    // Writing to a string cannot fail.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A histogram's samples; its buckets end at each doubling of 1 µs.
    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let bucket = format!("{name}_bucket");
        let ends = histogram.cumulative().map(|(end, seen)| (seconds(end), seen));
        for (end, seen) in ends.chain([("+Inf".to_owned(), histogram.count())]) {
            let labelled: Vec<_> = labels.iter().copied().chain([("le", end.as_str())]).collect();
            self.sample(&bucket, &labelled, seen);
        }
        self.value(&format!("{name}_sum"), labels, &seconds(histogram.sum()));
        self.sample(&format!("{name}_count"), labels, histogram.count());
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.value(name, labels, &value.to_string());
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: &str) {
        let _ = write!(self.text, "{name}{{node_id=\"{}\"", self.node);
        for (label, text) in labels {
            let _ = write!(self.text, ",{label}=\"{}\"", escape(text));
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}

/// In decimals, exactly.
fn seconds(duration: Duration) -> String {
    format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos())
}

fn bounded(counts: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut shown: Vec<_> = counts.iter().take(LABEL_VALUES).map(|(key, count)| (key.as_str(), *count)).collect();
    if counts.len() > LABEL_VALUES {
        let rest = counts.values().skip(LABEL_VALUES).fold(0, |sum: u64, count| sum.saturating_add(*count));
        match shown.iter_mut().find(|(key, _)| *key == "other") {
            Some((_, count)) => *count = count.saturating_add(rest),
            None => shown.push(("other", rest)),
        }
    }
    shown
}

/// livekit-sip's `result` label of an end reason.
fn result(reason: &str) -> &'static str {
    match reason {
        "remote_bye" | "room_deleted" | "room_closed" | "participant_removed" | "max_duration" | "end_call" => {
            "success"
        }
        "cancelled" | "ringing_timeout" | "no_agent" | "no_ack" | "no_common_codec" | "media_timeout" => "client_error",
        "resource" | "shutdown" | "server_crash" | "internal" => "server_error",
        _ => "indeterminate",
    }
}

/// A label's value (Prometheus text format 0.0.4).
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_up_to_each_of_its_ends() {
        let mut gauges = Gauges::default();
        for ms in [1, 30, 60, 5_000] {
            gauges.timings.audio_down.record(Duration::from_millis(ms));
        }
        let encode = gauges.timings.stages.get_mut(Stage::Encode as usize).unwrap();
        encode.record(Duration::from_micros(40));
        let page = page(&gauges, &[], true, "n");
        let has = |line: &str| assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
        has("# TYPE trunkline_audio_down_seconds histogram");
        has(r#"trunkline_audio_down_seconds_bucket{node_id="n",le="0.000512000"} 0"#);
        has(r#"trunkline_audio_down_seconds_bucket{node_id="n",le="0.032768000"} 2"#);
        has(r#"trunkline_audio_down_seconds_bucket{node_id="n",le="1.048576000"} 3"#);
        has(r#"trunkline_audio_down_seconds_bucket{node_id="n",le="+Inf"} 4"#);
        has(r#"trunkline_audio_down_seconds_sum{node_id="n"} 5.091000000"#);
        has(r#"trunkline_audio_down_seconds_count{node_id="n"} 4"#);
        has(r#"trunkline_audio_up_seconds_count{node_id="n"} 0"#);
        has(r#"trunkline_media_jitter_target_seconds_count{node_id="n"} 0"#);
        has(r#"trunkline_media_stage_seconds_sum{node_id="n",stage="encode"} 0.000040000"#);
        has(r#"trunkline_media_stage_seconds_count{node_id="n",stage="srtp"} 0"#);
    }

    #[test]
    fn names_are_livekits_and_labels_are_bounded() {
        let gauges = Gauges {
            calls_active: 3,
            invite_errors: (0..100).map(|n| (format!("r{n:03}"), 1)).collect(),
            calls_terminated: [("remote_bye".to_owned(), 7)].into(),
            ..Gauges::default()
        };
        let page = page(&gauges, &[], true, "NE_\"x");
        let has = |line: &str| assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
        has(r#"livekit_sip_calls_active{node_id="NE_\"x",dir="in"} 3"#);
        has(r#"livekit_sip_available{node_id="NE_\"x"} 1"#);
        has(r#"livekit_sip_calls_terminated{node_id="NE_\"x",dir="in",result="success",reason="remote_bye"} 7"#);
        has(r#"livekit_sip_invite_error{node_id="NE_\"x",dir="in",reason="other"} 36"#);
        assert_eq!(page.lines().filter(|l| l.starts_with("livekit_sip_invite_error")).count(), 65);
    }
}
