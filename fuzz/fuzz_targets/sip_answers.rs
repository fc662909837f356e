//! A far end that answers our INVITE with any headers and any body, and asks for anything: nothing
//! panics, and nothing is left once the call is given up.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use trunkline_sip::{
    Action, Credentials, Event, Message, Outgoing, Stack, StackConfig,
    flow::{Flow, Protocol, Received},
};
use trunkline_types::{Random, Time};

const KEPT: [&str; 5] = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];

fn outgoing(flow: Flow) -> Outgoing {
    let credentials = Credentials { username: "u".into(), password: "p".into(), peers: vec![flow.remote.ip()] };
    Outgoing {
        call_id: "call".into(),
        local_tag: "ours".into(),
        request_uri: "sip:x@10.0.0.2".into(),
        from: "<sip:us@10.0.0.1>".into(),
        to: "<sip:x@10.0.0.2>".into(),
        routes: Vec::new(),
        headers: Vec::new(),
        body: Some(("application/sdp".into(), Bytes::from_static(b"v=0\r\n"))),
        flow,
        credentials: Some(credentials),
    }
}

/// What answers the request, with the input behind its own headers.
fn answer(request: &[u8], status: u16, input: &[u8]) -> Bytes {
    let request = String::from_utf8_lossy(request).into_owned();
    let lines = request.split("\r\n").filter(|line| KEPT.iter().any(|name| line.starts_with(name)));
    let mut bytes = format!("SIP/2.0 {status} X\r\n").into_bytes();
    for line in lines {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(if line.starts_with("To:") && status > 100 { b";tag=a\r\n" } else { b"\r\n" });
    }
    bytes.extend_from_slice(input);
    Bytes::from(bytes)
}

fuzz_target!(|data: &[u8]| {
    let address = |text: &str| text.parse().expect("an address");
    let (local, remote) = (address("10.0.0.1:5060"), address("10.0.0.2:5060"));
    let flow = Flow { protocol: Protocol::Udp, local, remote, connection: 0 };
    let config = StackConfig { server: "fuzz".into(), advertise: None, trying_after: Duration::from_millis(200) };
    let mut stack = Stack::new(config, Random::from_number(1));
    let (mut at, mut out) = (Time::new(0, 0), Vec::new());
    let client = stack.invite(outgoing(flow), at, &mut out);
    let mut dialogs = Vec::new();
    for part in data.chunks(256).take(16) {
        let [status, rest @ ..] = part else { continue };
        let asked = out.iter().rev().find_map(|action| match action {
            Action::Send(transmit) if !transmit.bytes.starts_with(b"SIP") => Some(transmit.bytes.clone()),
            _ => None,
        });
        let Some(asked) = asked else { break };
        // 401 and 200 are among what a byte can say.
        let raw = answer(&asked, 100 + u16::from(*status) * 7 % 600, rest);
        let received = Received { flow, at, message: Message::parse(raw.clone()), raw };
        let before = out.len();
        stack.handle(&received, at, &mut out);
        let fresh: Vec<_> = out.get(before..).unwrap_or_default().to_vec();
        for action in fresh {
            if let Action::Event(Event::Answered { dialog, .. }) = action {
                stack.acknowledge(&dialog, None, at, &mut out);
                stack.reinvite(&dialog, &[], None, at, &mut out);
                dialogs.push(dialog);
            }
        }
        at = at + Duration::from_millis(300);
        stack.handle_timeout(at, &mut out);
    }
    stack.cancel(&client, &[], at, &mut out);
    for second in 1..=600 {
        stack.handle_timeout(at + Duration::from_secs(second), &mut out);
    }
    for dialog in dialogs {
        stack.forget(&dialog);
    }
    assert_eq!(stack.counts(), Default::default());
});
