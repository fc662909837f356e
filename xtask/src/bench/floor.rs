//! What a call asks of the core even without a server: codecs and datagrams.

use super::{figures::number, server::on_its_core};
use crate::process::capture;
use anyhow::Result;
use serde_json::Value;

/// What is asked alone on the server's core (`trunkline sim floor`).
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// To Opus at 8 kHz and from wideband Opus, microseconds of 20 ms of one call.
    pub codecs: f64,
    /// Two come, two go, microseconds.
    pub datagrams: f64,
}

/// On the core that the aims were set on, one of an Intel Granite Rapids at 2.6 GHz, as other
/// programs measured it: libopus 22.0 to and 11.9 from Opus, a datagram 1.2 each way and 0.3 between.
const OF_THE_AIMS: Floor = Floor { codecs: 33.9, datagrams: 5.4 };

/// What `trunkline sim floor` reports.
fn report(speech: &str) -> Result<Value> {
    Ok(serde_json::from_str(&capture(&mut on_its_core(&["sim", "floor", "--json", "--speech", speech]))?)?)
}

/// What the codecs alone delay marks by, from a phone to the room and back, in milliseconds.
///
/// # Errors
/// If the binary does not measure it.
pub fn codec_delay(speech: &str) -> Result<(f64, f64)> {
    let report = report(speech)?;
    Ok((number(&report, "delay_to_room_ms"), number(&report, "delay_to_phone_ms")))
}

impl Floor {
    /// Now, on this machine.
    ///
    /// # Errors
    /// If the binary does not measure it.
    pub fn now(speech: &str) -> Result<Self> {
        let report = report(speech)?;
        Ok(Self {
            codecs: number(&report, "encode_us") + number(&report, "decode_us"),
            datagrams: 2.0 * number(&report, "datagram_us"),
        })
    }

    /// In the middle between this one and a later one: the speed of a machine in a cloud drifts.
    pub fn until(self, later: Self) -> Self {
        let middle = |early: f64, late: f64| (early + late) / 2.0;
        Self { codecs: middle(self.codecs, later.codecs), datagrams: middle(self.datagrams, later.datagrams) }
    }

    /// What of it a call needs.
    pub fn of(self, work: Work) -> f64 {
        match work {
            Work::Transcoding => self.codecs + self.datagrams,
            Work::Forwarding => self.datagrams,
        }
    }
}

/// What is done for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Another codec on either side.
    Transcoding,
    /// Packets go on as they came.
    Forwarding,
}

/// How many times its floor a call with codecs may take, when so many are to fit on the core of the aims.
pub fn times_allowed(calls: f64) -> f64 {
    20_000.0 / calls / OF_THE_AIMS.of(Work::Transcoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_may_take_comes_from_the_core_of_the_aims() {
        assert!((times_allowed(300.0) - 1.70).abs() < 0.01);
        let floor = |codecs, datagrams| Floor { codecs, datagrams };
        let (early, late) = (floor(40.0, 8.0), floor(50.0, 10.0));
        assert_eq!(early.until(late).of(Work::Transcoding), 54.0);
        assert_eq!(early.until(late).of(Work::Forwarding), 9.0);
    }
}
