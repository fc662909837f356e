//! Calls and the agents in their rooms.

use crate::{
    staff::telephones,
    world::{ROOM, World},
};
use std::time::Duration;
use trunkline_call::media::peer::PeerPlan;
use trunkline_exchange::command::{Command, Reply};
use trunkline_room::{data, signal};
use trunkline_routing::record::{AgentLeft, AnswerPolicy, CallControl, Options};
use trunkline_types::{DisconnectReason, EndReason};

fn on_agent() -> Options {
    Options { answer_policy: Some(AnswerPolicy::AgentJoined), ..Options::default() }
}

fn at_once() -> Options {
    Options { answer_policy: Some(AnswerPolicy::Immediate), ..Options::default() }
}

fn ending(world: &World) -> trunkline_call::record::Ending {
    world.records.last().expect("a record").ending.clone().expect("an ending")
}

fn rpc(world: &mut World, method: &str, payload: &str) -> Result<String, String> {
    let identity = world.caller().identity;
    let (method, payload) = (method.into(), payload.into());
    let command = Command::PerformRpc { room: ROOM.into(), identity, method, payload, response_timeout_ms: 0 };
    match world.ask(command).expect("answered at once") {
        Ok(Reply::Rpc(payload)) => Ok(payload),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.message),
    }
}

#[test]
fn a_call_rings_until_its_agent_has_joined() {
    let mut world = telephones(on_agent(), None);
    world.register(1, "");
    world.call();
    world.wait(Duration::from_secs(5));
    assert_eq!(world.answers(), ["180"]);
    world.accept(1);
    world.arrive(1, 8);
    assert_eq!(world.answers(), ["180", "200"]);
}

#[test]
fn an_agent_that_is_there_already_takes_the_call() {
    let mut world = telephones(on_agent(), None);
    world.register(1, "");
    world.make_room(Vec::new());
    world.accept(1);
    world.arrive(1, 8);
    world.call();
    world.wait(Duration::from_secs(1));
    assert_eq!(world.answers(), ["180", "200"]);
}

#[test]
fn without_an_agent_in_time_the_call_is_refused_and_everybody_learns_why() {
    for (policy, status) in [(AnswerPolicy::AgentJoined, None), (AnswerPolicy::OnAudio, Some(503))] {
        let options = Options {
            answer_policy: Some(policy),
            agent_timeout_ms: Some(2_000),
            no_answer_status: status,
            ..Options::default()
        };
        let mut world = telephones(options, None);
        world.call();
        world.wait(Duration::from_millis(1_900));
        assert_eq!(world.answers(), ["180"]);
        world.wait(Duration::from_millis(200));
        let wanted = status.map_or("480".to_owned(), |status| status.to_string());
        assert_eq!(world.answers(), ["180", wanted.as_str()]);
        let ending = ending(&world);
        let text = "no agent came within 2000 ms: no worker for automatic dispatch is registered";
        assert_eq!((ending.reason, ending.text.as_str()), (EndReason::NoAgent, text));
        assert_eq!(ending.disconnect_reason, DisconnectReason::UserUnavailable);
        assert!(world.lines.iter().any(|line| line.contains(text)), "{:?}", world.lines);
    }
}

#[test]
fn the_limit_is_for_the_first_agent_and_not_for_its_voice() {
    let options = Options { agent_timeout_ms: Some(2_000), ..Options::default() };
    let mut world = telephones(options, None);
    world.register(1, "");
    world.call();
    world.accept(1);
    world.arrive(1, 8);
    world.wait(Duration::from_secs(10));
    assert_eq!(world.answers(), ["180"]);
}

#[test]
fn when_the_agent_has_left_the_call_stays_or_ends_as_its_rule_says() {
    for (policy, ends) in [(None, false), (Some(AgentLeft::Stay), false), (Some(AgentLeft::End), true)] {
        let options = Options { agent_left: policy, agent_left_grace_ms: Some(3_000), ..at_once() };
        let mut world = telephones(options, None);
        world.register(1, "");
        world.call();
        world.wait(Duration::from_secs(1));
        world.acknowledge();
        world.accept(1);
        world.arrive(1, 8);
        world.request(8, signal::Request::Leave(DisconnectReason::ClientInitiated));
        world.wait(Duration::from_millis(2_500));
        assert!(world.bye().is_none());
        world.wait(Duration::from_secs(60));
        assert_eq!(world.bye().is_some(), ends, "{policy:?}");
        if ends {
            let ending = ending(&world);
            assert_eq!((ending.reason, ending.disconnect_reason), (EndReason::AgentLeft, DisconnectReason::AgentError));
        }
    }
}

#[test]
fn the_next_agent_in_time_keeps_the_call() {
    let options = Options { agent_left: Some(AgentLeft::End), agent_left_grace_ms: Some(3_000), ..at_once() };
    let mut world = telephones(options, None);
    world.register(1, "");
    world.call();
    world.wait(Duration::from_secs(1));
    world.acknowledge();
    world.accept(1);
    world.arrive(1, 8);
    world.request(8, signal::Request::Leave(DisconnectReason::ClientInitiated));
    world.arrive(1, 9);
    world.wait(Duration::from_secs(60));
    assert!(world.bye().is_none());
}

#[test]
fn an_api_client_ends_the_call_with_headers_that_replace_mapped_ones() {
    let mut world = telephones(at_once(), None);
    world.call();
    world.wait(Duration::from_secs(1));
    world.acknowledge();
    let identity = world.caller().identity;
    let patch = trunkline_room::ParticipantPatch {
        attributes: [("reason".to_owned(), "mapped".to_owned())].into(),
        ..Default::default()
    };
    world.ask(Command::UpdateParticipant { room: ROOM.into(), identity, patch });
    for bad in [r#"{"headers":{"Via":"x"}}"#, r#"{"headers":{"X-A":"a\r\nVia: b"}}"#, "[", r#"{"headers":7}"#] {
        let error = rpc(&mut world, "lk.sip.EndCall", bad).expect_err("refused");
        assert!(error.starts_with("RPC error 1500"), "{error}");
    }
    let payload = r#"{"headers":{"x-reason":"explicit","X-Other":"grün"},"unknown":1}"#;
    assert_eq!(rpc(&mut world, "lk.sip.EndCall", payload).as_deref(), Ok("{}"));
    world.wait(Duration::from_millis(100));
    let bye = world.bye().expect("a BYE");
    assert!(bye.contains("\r\nx-reason: explicit\r\n") && bye.contains("\r\nX-Other: grün\r\n"), "{bye}");
    assert!(!bye.contains("mapped"), "{bye}");
    world.wait(Duration::from_secs(60));
    assert_eq!(ending(&world).reason, EndReason::EndCall);
    assert_eq!(ending(&world).disconnect_reason, DisconnectReason::ClientInitiated);
    let receipts = &world.records.last().expect("a record").receipts;
    assert_eq!(receipts.iter().filter(|r| r.message == "BYE").count(), 2);
}

#[test]
fn a_ringing_call_is_refused_with_the_headers() {
    let mut world = telephones(on_agent(), None);
    world.call();
    assert!(rpc(&mut world, "lk.sip.EndCall", r#"{"headers":{"X-Why":"busy"}}"#).is_ok());
    assert_eq!(world.answers(), ["180", "486"]);
    assert!(world.sent.iter().any(|m| m.starts_with("SIP/2.0 486") && m.contains("\r\nX-Why: busy\r\n")));
}

#[test]
fn the_invites_headers_can_be_read_without_its_credentials() {
    let mut world = telephones(at_once(), None);
    world.call();
    let all = rpc(&mut world, "lk.sip.GetRemoteHeaders", "").expect("answered");
    assert!(all.contains(r#""X-Caller":"Ann, Bob""#), "{all}");
    for absent in ["Via", "CSeq", "Content-Type", "Authorization", "secret"] {
        assert!(!all.contains(absent), "{absent} in {all}");
    }
    let some = rpc(&mut world, "lk.sip.GetRemoteHeaders", r#"{"include":["x-caller","authorization"]}"#);
    assert_eq!(some.as_deref(), Ok(r#"{"headers":{"X-Caller":"Ann, Bob"}}"#));
    let none = rpc(&mut world, "lk.sip.GetRemoteHeaders", r#"{"include":["x-caller"],"exclude":["X-CALLER"]}"#);
    assert_eq!(none.as_deref(), Ok(r#"{"headers":{}}"#));
    let unknown = rpc(&mut world, "lk.sip.Sing", "").expect_err("no such method");
    assert!(unknown.starts_with("RPC error 1400"), "{unknown}");
}

/// What a client is told by data packets that hold this text.
fn heard(world: &World, text: &str) -> bool {
    let holds = |p: &PeerPlan| match p {
        PeerPlan::SendData { payload, .. } => payload.windows(text.len()).any(|w| w == text.as_bytes()),
        _ => false,
    };
    world.plans.iter().any(holds)
}

#[test]
fn participants_other_than_agents_need_permission() {
    for (control, allowed) in [(None, false), (Some(CallControl::Everybody), true)] {
        let mut world = telephones(Options { call_control: control, ..at_once() }, None);
        let guest = world.join(7, "guest");
        world.call();
        world.wait(Duration::from_secs(1));
        world.acknowledge();
        let caller = world.caller().identity;
        let payload = data::rpc_request("r1", &caller, "lk.sip.EndCall", "{}", 5_000);
        let fact =
            trunkline_call::media::peer::PeerFact::Data { participant: guest, reliable: true, payload: payload.into() };
        world.plans.clear();
        world.tell(fact);
        assert!(heard(&world, "r1"), "an answer comes in any case");
        assert_eq!(heard(&world, "call_control"), !allowed);
        assert_eq!(world.bye().is_some(), allowed);
    }
}
