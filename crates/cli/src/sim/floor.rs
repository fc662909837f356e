//! `trunkline sim floor`.

use super::{
    callers::{self, print},
    sound::Sound,
};
use clap::Args;
use serde_json::json;
use std::time::Duration;
use trunkline_sim::{
    floor,
    offline::{Direction, delay},
};

#[derive(Args)]
pub(crate) struct Floor {
    #[command(flatten)]
    sound: Sound,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Floor {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let floor::Floor { encode, decode, datagram } =
            floor::Floor::measure(&self.sound.clip()?).map_err(anyhow::Error::msg)?;
        let micros = |time: Duration| (time.as_secs_f64() * 1e8).round() / 1e2;
        let delay = |direction| delay(direction).map(callers::in_milliseconds).map_err(anyhow::Error::msg);
        let report = json!({
            "encode_us": micros(encode), "decode_us": micros(decode), "datagram_us": micros(datagram),
            "delay_to_room_ms": delay(Direction::ToRoom)?, "delay_to_phone_ms": delay(Direction::ToPhone)?,
        });
        print(&report, self.json);
        Ok(())
    }
}
