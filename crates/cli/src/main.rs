//! The binary `trunkline`: the phone line for LiveKit rooms.

mod calls;
mod check;
mod client;
mod demo;
mod dial;
mod doctor;
mod explain;
mod ladder;
mod record;
mod run;
mod say;
mod sign;
mod sim;
mod table;
mod token;

use clap::{Parser, Subcommand};
use say::say;
use std::process::ExitCode;

/// The phone line for LiveKit rooms
#[derive(Parser)]
#[command(name = "trunkline", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server
    Run(run::Run),
    /// Show a call from INVITE to BYE on loopback sockets
    Demo(demo::Demo),
    /// Write a configuration file with new keys
    Init(check::Init),
    /// Check a configuration
    Check(check::Check),
    /// Say what of this machine and a configuration would trouble a server, and the cure
    Doctor(doctor::Doctor),
    /// Say which trunk and rule a call would take, and why not the others
    Explain(explain::Explain),
    /// Manage trunks, inbound and outbound
    Trunk(record::Records),
    /// Manage dispatch rules
    Rule(record::Records),
    /// Look at calls, place them, and act on them
    Calls(calls::Calls),
    /// Make an access token
    Token(token::Token),
    /// Play a far end
    Sim(sim::Sim),
    /// Print the version
    Version,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(run) => run.run(),
        Command::Demo(demo) => demo.run(),
        Command::Init(init) => init.run(),
        Command::Check(check) => check.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Explain(explain) => explain.run(),
        Command::Trunk(trunk) => trunk.run(&record::TRUNKS),
        Command::Rule(rule) => rule.run(&record::RULES),
        Command::Calls(calls) => calls.run(),
        Command::Token(token) => token.run(),
        Command::Sim(sim) => sim.run(),
        Command::Version => {
            say!("trunkline {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
