//! Trunks that register.

use crate::world::{Sent, World, target, trunk};
use std::time::Duration;
use trunkline_exchange::{
    Input,
    command::{Command, OptionsKey},
};
use trunkline_routing::{
    patch::Update,
    record::{Options, OutboundTrunk},
};

fn stored() -> OutboundTrunk {
    OutboundTrunk { auth_username: "user".into(), auth_password: "secret".into(), ..trunk() }
}

fn world() -> World {
    World::with(stored(), Options { register: Some(true), register_expires: Some(200), ..Options::default() })
}

fn number(sent: &Sent) -> u64 {
    sent.header("CSeq").unwrap().split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_registration_is_kept_up() {
    let mut world = world();
    let first = world.last("REGISTER");
    assert_eq!(first.flow.remote, target(10));
    assert_eq!(first.header("To").as_deref(), Some("<sip:user@192.0.2.10>"));
    assert_eq!(first.header("Expires").as_deref(), Some("200"));
    assert!(first.header("Contact").unwrap().starts_with("<sip:user@192.0.2.1:5060"), "{}", first.text);
    assert_eq!(world.gauges().registrations.get("ST_out"), Some(&false));
    world.answer(&first, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n", "");
    let second = world.last("REGISTER");
    assert!(second.text.contains("Authorization: Digest"), "{}", second.text);
    world.answer(&second, "200 OK", "Expires: 100\r\n", "");
    assert_eq!(world.gauges().registrations.get("ST_out"), Some(&true));
    let before = world.all("REGISTER").len();
    world.wait(Duration::from_secs(74));
    assert_eq!(world.all("REGISTER").len(), before);
    world.wait(Duration::from_secs(1));
    let refresh = world.last("REGISTER");
    assert_eq!(world.all("REGISTER").len(), before + 1, "after three quarters of what was granted");
    assert_eq!(refresh.header("Call-ID"), first.header("Call-ID"));
    assert!(number(&refresh) > number(&second));
}

#[test]
fn a_registrar_that_refuses_or_is_silent_is_asked_less_and_less() {
    let mut world = world();
    let first = world.last("REGISTER");
    world.answer(&first, "403 Forbidden", "", "");
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let (before, began) = (world.all("REGISTER").len(), world.now);
        while world.all("REGISTER").len() == before {
            world.wait(Duration::from_secs(1));
        }
        pauses.push(world.now.since(began).as_secs());
        let next = world.last("REGISTER");
        world.answer(&next, "403 Forbidden", "", "");
    }
    assert!(pauses.windows(2).all(|p| p[1] > p[0] + p[0] / 2), "{pauses:?}");
    assert_eq!(world.gauges().registrations.get("ST_out"), Some(&false));
}

#[test]
fn too_brief_an_interval_is_made_longer() {
    let mut world = world();
    let first = world.last("REGISTER");
    world.answer(&first, "423 Interval Too Brief", "Min-Expires: 600\r\n", "");
    assert_eq!(world.last("REGISTER").header("Expires").as_deref(), Some("600"));
}

/// A registrar tells all it knows of a user: other telephones of his, too.
#[test]
fn our_own_contact_says_how_long_we_are_registered() {
    for (contacts, seconds) in [
        ("Contact: <sip:desk@198.51.100.9:5060>;expires=3600, OURS;expires=60\r\n", 60),
        ("Contact: <sip:desk@198.51.100.9:5060>;expires=12\r\nContact: OURS;expires=120\r\n", 120),
        ("Contact: OURS, <sip:desk@198.51.100.9:5060>;expires=12\r\nExpires: 90\r\n", 90),
        ("Contact: <sip:x@203.0.113.5:1024>;expires=80, <sip:x@203.0.113.5:1025>;expires=40\r\n", 40),
    ] {
        let mut world = world();
        let first = world.last("REGISTER");
        let ours = first.header("Contact").unwrap();
        world.answer(&first, "200 OK", &contacts.replace("OURS", &ours), "");
        let began = world.now;
        while world.all("REGISTER").len() == 1 {
            world.wait(Duration::from_secs(1));
        }
        let after = world.now.since(began).as_secs();
        assert!((seconds * 3 / 4..=seconds).contains(&after), "{contacts}: {after}");
    }
}

fn registered() -> World {
    let mut world = world();
    let first = world.last("REGISTER");
    world.answer(&first, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n", "");
    let second = world.last("REGISTER");
    world.answer(&second, "200 OK", "", "");
    assert_eq!(world.gauges().registrations.get("ST_out"), Some(&true));
    world
}

fn drain(world: &mut World) {
    let deadline = world.now + Duration::from_secs(60);
    world.give(Input::Drain(deadline));
}

#[test]
fn a_draining_server_takes_its_registrations_back() {
    let mut world = registered();
    let before = world.last("REGISTER");
    drain(&mut world);
    let bye = world.last("REGISTER");
    assert_eq!(bye.header("Expires").as_deref(), Some("0"));
    for same in ["Contact", "Call-ID", "To"] {
        assert_eq!(bye.header(same), before.header(same));
    }
    assert!(number(&bye) > number(&before));
    assert!(!world.drained, "the registrar has its time");
    world.answer(&bye, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"m\"\r\n", "");
    assert!(!world.drained);
    let again = world.last("REGISTER");
    assert!(again.text.contains("Authorization: Digest") && again.header("Expires").as_deref() == Some("0"));
    world.answer(&again, "200 OK", "", "");
    assert!(world.drained);
    let count = world.all("REGISTER").len();
    world.wait(Duration::from_secs(900));
    assert_eq!(world.all("REGISTER").len(), count, "it does not come back");
}

#[test]
fn a_silent_registrar_does_not_hold_the_drain_up() {
    let mut world = registered();
    drain(&mut world);
    world.wait(Duration::from_secs(3));
    assert!(world.drained);
    let mut idle = World::new();
    drain(&mut idle);
    assert!(idle.drained, "there is nothing to take back");
}

#[test]
fn an_answer_that_crosses_the_drain_is_taken_back() {
    let mut world = world();
    let first = world.last("REGISTER");
    drain(&mut world);
    assert_eq!(world.all("REGISTER").len(), 1, "nothing is known to be registered");
    world.answer(&first, "200 OK", "", "");
    assert_eq!(world.last("REGISTER").header("Expires").as_deref(), Some("0"));
    world.answer(&world.last("REGISTER"), "200 OK", "", "");
    world.wait(Duration::from_secs(900));
    assert_eq!(world.all("REGISTER").len(), 2);
}

#[test]
fn a_trunk_that_ends_or_moves_is_taken_back() {
    let mut world = registered();
    world.ask(Command::DeleteTrunk("ST_out".into()));
    world.wait(Duration::ZERO);
    let bye = world.last("REGISTER");
    assert_eq!(bye.header("Expires").as_deref(), Some("0"));
    world.answer(&bye, "401 Unauthorized", "WWW-Authenticate: Digest realm=\"r\", nonce=\"m\"\r\n", "");
    assert!(world.last("REGISTER").text.contains("Authorization: Digest"), "the credentials are still known");

    let mut world = registered();
    let off = Options { register: Some(false), ..Options::default() };
    world.ask(Command::SetOptions(OptionsKey::Trunk("ST_out".into()), off));
    world.wait(Duration::ZERO);
    assert_eq!(world.last("REGISTER").header("Expires").as_deref(), Some("0"));

    let mut world = registered();
    let elsewhere = OutboundTrunk { address: "192.0.2.11".into(), ..stored() };
    world.ask(Command::UpdateOutboundTrunk("ST_out".into(), Update::Replace(Box::new(elsewhere))));
    world.wait(Duration::from_secs(151));
    let there =
        world.all("REGISTER").into_iter().find(|sent| sent.flow.remote == target(11)).expect("the new registrar");
    world.answer(&there, "200 OK", "", "");
    let bye = world.last("REGISTER");
    assert_eq!((bye.flow.remote, bye.header("Expires").as_deref()), (target(10), Some("0")));
}
