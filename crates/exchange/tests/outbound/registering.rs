//! Trunks that register.

use crate::world::{Sent, World, target, trunk};
use std::time::Duration;
use trunkline_routing::record::{Options, OutboundTrunk};

fn world() -> World {
    let trunk = OutboundTrunk { auth_username: "user".into(), auth_password: "secret".into(), ..trunk() };
    World::with(trunk, Options { register: Some(true), register_expires: Some(200), ..Options::default() })
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
