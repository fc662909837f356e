//! `trunkline sim`: far ends over real sockets.

mod agents;
mod bridge;
mod callers;
mod dialled;
mod five9;
mod floor;
mod load;
mod offline;
mod persona;
mod room;
mod sound;

use clap::{Args, Subcommand};

#[derive(Args)]
pub(crate) struct Sim {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A Five9 IVR: calls with the seven X-Call headers and waits for the BYE
    Five9(five9::Five9),
    /// A far end with a character, which is called or calls, and tells all in JSON lines
    Persona(persona::Persona),
    /// Many signalling-only calls
    Load(load::Load),
    /// Many signalling-only calls that the server is asked to make
    Dialled(dialled::Dialled),
    /// Many callers with real RTP
    Callers(callers::Callers),
    /// Headless WebRTC participants
    Room(room::Room),
    /// Pairs of a caller and a headless participant, each pair in a room of its own
    Bridge(bridge::Bridge),
    /// Agents' workers that take every job and run none
    Agents(agents::Agents),
    /// What the codecs alone make of a clip
    Offline(offline::Offline),
    /// What codecs and datagrams take alone on this core: what no bridge can do without
    Floor(floor::Floor),
}

impl Sim {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Five9(five9) => five9.run(),
            Command::Persona(persona) => persona.run(),
            Command::Load(load) => load.run(),
            Command::Dialled(dialled) => dialled.run(),
            Command::Callers(callers) => callers.run(),
            Command::Room(room) => room.run(),
            Command::Bridge(bridge) => bridge.run(),
            Command::Agents(agents) => agents.run(),
            Command::Offline(offline) => offline.run(),
            Command::Floor(floor) => floor.run(),
        }
    }
}
