//! Sequences of what agents' workers send and do, with rooms, participants and the API in between.
//! Nothing panics; nobody is told anything after he was dismissed; a job is given to one worker
//! alone; once everybody has gone nothing is left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use trunkline_exchange::{
    Config, Exchange, Input, Output,
    command::{Command, Reply},
    port::ConnectionId,
};
use trunkline_room::{
    Join, Kind,
    signal::{Connect, Request as Signal},
    worker::{AgentRequest, Availability, JobStatus, JobType, Registration, Request, Response, RestartPolicy, Status},
};
use trunkline_routing::{Directory, Settings};
use trunkline_sip::StackConfig;
use trunkline_types::{DisconnectReason, DispatchId, JobId, Random, Time};

fn exchange() -> Exchange {
    let routing = Settings::default();
    let config = Config {
        stack: StackConfig { server: "fuzz".into(), advertise: None, trying_after: Duration::from_millis(200) },
        routing: routing.clone(),
        rooms: trunkline_room::Defaults::default(),
        media_advertised: None,
        max_load: 0.9,
        media_timeout_initial: Duration::from_secs(30),
        media_timeout: Duration::from_secs(15),
    };
    Exchange::new(config, Directory::new(routing), Random::from_number(1))
}

struct World {
    exchange: Exchange,
    now: Time,
    open: BTreeSet<ConnectionId>,
    dismissed: BTreeSet<ConnectionId>,
    jobs: Vec<JobId>,
    identities: Vec<String>,
    dispatches: Vec<DispatchId>,
    assigned: BTreeMap<JobId, ConnectionId>,
    requests: u64,
}

impl World {
    fn input(&mut self, input: Input) {
        let mut outputs = Vec::new();
        self.exchange.handle(input, self.now, &mut outputs);
        for output in outputs {
            match output {
                Output::Worker(connection, response) => self.told(connection, *response),
                Output::WorkerHangUp(connection) => {
                    self.dismissed.insert(connection);
                }
                Output::Reply(_, Ok(Reply::Dispatch(made))) => self.dispatches.push(made.id),
                Output::Log(line) => {
                    assert!(!line.text.starts_with("a fault while"), "{}", line.text);
                    assert!(!line.text.contains(char::is_control), "more than a line: {:?}", line.text);
                },
                _ => {}
            }
        }
    }

    fn told(&mut self, connection: ConnectionId, response: Response) {
        assert!(self.open.contains(&connection), "a message to nobody");
        assert!(!self.dismissed.contains(&connection), "a message after the dismissal");
        match response {
            Response::Availability { job, .. } => self.jobs.push(job.id),
            Response::Assignment { job, pass } => {
                assert_eq!(self.assigned.insert(job.id, connection), None, "a job was assigned twice");
                self.identities.push(pass.identity);
            }
            Response::Registered(_) | Response::Termination(_) => {}
        }
    }

    fn api(&mut self, command: Command) {
        self.requests += 1;
        self.input(Input::Api(self.requests, Box::new(command)));
    }

    fn request(&self, kind: u8, argument: u8, text: String) -> Request {
        let job = match self.jobs.get(usize::from(argument >> 2) % self.jobs.len().max(1)) {
            Some(job) if argument & 2 == 0 => job.clone(),
            _ => text.as_str().into(),
        };
        let yes = argument & 1 == 0;
        let job_type = [JobType::Room, JobType::Publisher, JobType::Participant][usize::from(argument >> 6) % 3];
        match kind % 8 {
            0 | 1 => Request::Availability(Availability {
                job,
                available: yes,
                terminate: argument & 32 != 0,
                identity: if argument & 16 == 0 { String::new() } else { text },
                ..Availability::default()
            }),
            2 => Request::Status(Status {
                full: (argument & 8 == 0).then_some(yes),
                load: f32::from(argument) / 100.0,
                draining: argument & 192 == 192,
            }),
            3 => Request::UpdateJob {
                job,
                status: [JobStatus::Pending, JobStatus::Running, JobStatus::Success, JobStatus::Failed]
                    [usize::from(argument >> 4) % 4],
                error: text,
            },
            4 => Request::Migrate(vec![job, text.as_str().into()]),
            5 => Request::Simulate { kind: job_type, room: text.clone(), participant: text },
            _ => Request::Register(Registration {
                kind: job_type,
                agent_name: if yes { String::new() } else { "a".into() },
                ..Registration::default()
            }),
        }
    }

    /// An agent joins by its pass, a guest by his name; or one of them leaves.
    fn people(&mut self, argument: u8, connection: u64) {
        if argument & 1 == 0 {
            return self.input(Input::Signal(connection, Box::new(Signal::Leave(DisconnectReason::ClientInitiated))));
        }
        if argument & 2 == 0 {
            return self.input(Input::SignalClosed(connection));
        }
        let pass = self.identities.get(usize::from(argument >> 3) % self.identities.len().max(1));
        let (identity, kind) = match pass {
            Some(identity) if argument & 4 == 0 => (identity.clone(), Kind::Agent),
            _ => ("guest".into(), Kind::Standard),
        };
        let join = Join { identity, kind, protocol: 17, ..Join::default() };
        let connect = Connect { room: "room".into(), join, ..Connect::default() };
        self.api(Command::Connect(connection, Box::new(connect)));
    }

    fn finish(&mut self) {
        for connection in self.open.clone() {
            self.input(Input::WorkerClosed(connection));
        }
        for connection in 0..=255 {
            self.input(Input::SignalClosed(1_000 + connection));
        }
        for _ in 0..10_000 {
            let Some(at) = self.exchange.poll_timeout() else { break };
            self.now = Time { nanos: self.now.nanos.max(at.nanos), ..self.now };
            self.input(Input::Tick);
        }
        assert!(self.exchange.is_quiet(), "something is left: {:?}", self.exchange.poll_timeout());
    }
}

fuzz_target!(|data: &[u8]| {
    let mut world = World {
        exchange: exchange(),
        now: Time::new(0, 1_700_000_000_000_000_000),
        open: BTreeSet::new(),
        dismissed: BTreeSet::new(),
        jobs: Vec::new(),
        identities: Vec::new(),
        dispatches: Vec::new(),
        assigned: BTreeMap::new(),
        requests: 0,
    };
    let mut rest = data;
    while let [op, who, argument, length, tail @ ..] = rest {
        let (payload, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        let (kind, text) = (op >> 3, String::from_utf8_lossy(payload).into_owned());
        let connection = ConnectionId::from(who % 8);
        let gone = world.dismissed.contains(&connection);
        match op % 8 {
            0..=2 if !gone => {
                world.open.insert(connection);
                let request = world.request(kind, *argument, text);
                world.input(Input::Worker(connection, Box::new(request)));
            }
            3 => {
                world.input(Input::WorkerClosed(connection));
                world.dismissed.insert(connection);
            }
            4 => world.people(*argument, 1_000 + u64::from(*who)),
            5 => {
                let agent = AgentRequest {
                    agent_name: if argument & 1 == 0 { String::new() } else { "a".into() },
                    restart_policy: if argument & 2 == 0 { RestartPolicy::OnFailure } else { RestartPolicy::Never },
                    deployment: if argument & 4 == 0 { String::new() } else { text },
                    ..AgentRequest::default()
                };
                world.api(Command::CreateDispatch { room: "room".into(), agent: Box::new(agent) });
            }
            6 if argument & 1 == 0 => world.api(Command::DeleteRoom("room".into())),
            6 => {
                let dispatch = world.dispatches.get(usize::from(*argument) % world.dispatches.len().max(1));
                let dispatch = dispatch.cloned().unwrap_or_default();
                world.api(Command::DeleteDispatch { room: "room".into(), dispatch });
            }
            7 => {
                world.now = world.now + Duration::from_millis(u64::from(*argument) * 300);
                world.input(Input::Tick);
            }
            _ => {}
        }
    }
    world.finish();
});
