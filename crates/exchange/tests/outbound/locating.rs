//! Where calls go: names, several targets, redirections, and never to ourselves.

use crate::world::{SDP, World, request, target, trunk};
use std::time::Duration;
use trunkline_exchange::command::{Code, RequestId};
use trunkline_routing::record::{Options, OutboundTrunk};
use trunkline_sip::locate::Records;
use trunkline_types::{DisconnectReason as D, EndReason};

fn named(options: Options, addresses: &[u8]) -> World {
    let mut world = World::with(OutboundTrunk { address: "sip.example.com".into(), ..trunk() }, options);
    let addresses = addresses.iter().map(|last| target(*last)).collect();
    world.dns.insert("sip.example.com".into(), Records { addresses, ..Records::default() });
    world
}

fn asked_of(world: &World) -> Vec<u8> {
    let last = |ip: std::net::IpAddr| match ip {
        std::net::IpAddr::V4(ip) => ip.octets()[3],
        std::net::IpAddr::V6(_) => 0,
    };
    world.all("INVITE").iter().map(|s| last(s.flow.remote.ip())).collect()
}

#[test]
fn a_name_without_an_address_is_told() {
    let mut world = World::with(OutboundTrunk { address: "nowhere.example".into(), ..trunk() }, Options::default());
    let asked = world.dial(request());
    let error = world.error(asked);
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(error.message.contains("no such name"), "{}", error.message);
    assert_eq!(world.left().disconnect_reason, Some(D::SipTrunkFailure));
    world.finish();
    assert_eq!(world.record().ending.unwrap().reason, EndReason::TrunkFailure);
    assert!(world.sent.is_empty());
}

#[test]
fn we_do_not_call_ourselves() {
    let mut world = World::with(OutboundTrunk { address: "192.0.2.1".into(), ..trunk() }, Options::default());
    let asked = world.dial(request());
    assert_eq!(world.error(asked).code, Code::InvalidArgument);
    assert!(world.sent.is_empty());
    world.finish();
}

#[test]
fn a_silent_target_gives_way_to_the_next() {
    let mut world = named(Options::default(), &[10, 11]);
    world.dial(request());
    let first = world.last("INVITE");
    world.wait(Duration::from_millis(1_999));
    assert!(asked_of(&world).iter().all(|n| *n == asked_of(&world)[0]));
    world.wait(Duration::from_millis(1));
    let second = world.last("INVITE");
    assert_ne!(second.flow.remote, first.flow.remote);
    assert_eq!(second.header("Call-ID"), first.header("Call-ID"));
    world.answer(&second, "200 OK", "", SDP);
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("active"));
    // The first was only slow.
    world.answer(&first, "200 OK", "", SDP);
    let to_first: Vec<_> =
        world.sent.iter().filter(|s| s.flow.remote == first.flow.remote).map(|s| s.method().to_owned()).collect();
    assert!(to_first.ends_with(&["ACK".into(), "BYE".into()]), "{to_first:?}");
    assert_eq!(world.attribute("sip.callStatus").as_deref(), Some("active"), "the call goes on");
}

#[test]
fn a_target_that_said_100_is_waited_for() {
    let mut world = named(Options::default(), &[10, 11]);
    world.dial(request());
    let first = world.last("INVITE");
    world.answer(&first, "100 Trying", "", "");
    world.wait(Duration::from_secs(20));
    assert!(world.all("INVITE").iter().all(|s| s.flow.remote == first.flow.remote));
}

#[test]
fn a_target_that_is_overloaded_gives_way_and_is_tried_last_for_a_while() {
    let mut world = named(Options::default(), &[10, 11]);
    world.dial(request());
    let first = world.last("INVITE");
    world.answer(&first, "503 Service Unavailable", "Retry-After: 100\r\n", "");
    let second = world.last("INVITE");
    assert_ne!(second.flow.remote, first.flow.remote);
    assert_ne!(second.header("CSeq"), first.header("CSeq"));
    world.answer(&second, "486 Busy Here", "", "");
    for _ in 0..8 {
        world.dial(request());
        let next = world.last("INVITE");
        assert_eq!(next.flow.remote, second.flow.remote, "the good one first");
        world.answer(&next, "486 Busy Here", "", "");
    }
    assert!(world.all("OPTIONS").is_empty());
    world.wait(Duration::from_secs(100));
    let probe = world.last("OPTIONS");
    assert_eq!(probe.flow.remote, first.flow.remote);
    world.answer(&probe, "200 OK", "", "");
    world.wait(Duration::from_secs(100));
    assert_eq!(world.all("OPTIONS").len(), 1, "it is well again");
}

#[test]
fn all_targets_overloaded_is_what_the_last_one_said() {
    let mut world = named(Options::default(), &[10, 11]);
    let asked = world.dial(request());
    for _ in 0..2 {
        let invite = world.last("INVITE");
        world.answer(&invite, "503 Service Unavailable", "", "");
    }
    let error = world.error(asked);
    assert_eq!(error.code, Code::FailedPrecondition);
    assert_eq!(error.sip_status.unwrap().code, 503);
    let mut tried = asked_of(&world);
    tried.sort_unstable();
    assert_eq!(tried, [10, 11]);
}

/// A call that is told where else whom it wants can be found, and whether it followed.
fn redirected(options: Options, contacts: &str) -> (World, RequestId, bool) {
    let mut world = World::with(trunk(), Options { follow_redirects: Some(1), ..options });
    let asked = world.dial(request());
    let first = world.last("INVITE");
    world.answer(&first, "302 Moved", contacts, "");
    let followed = world.all("INVITE").len() == 2;
    (world, asked, followed)
}

#[test]
fn redirections_are_followed_as_far_as_allowed() {
    let moved = "Contact: <sip:+15551110000@192.0.2.20>\r\n";
    let (mut world, asked, followed) = redirected(Options::default(), moved);
    assert!(followed);
    let second = world.last("INVITE");
    assert!(second.text.starts_with("INVITE sip:+15551110000@192.0.2.20 SIP/2.0\r\n"), "{}", second.text);
    assert_eq!(second.flow.remote, target(20));
    world.answer(&second, "302 Moved", "", "");
    assert_eq!(world.error(asked).sip_status.unwrap().code, 302, "once is enough");
    assert_eq!(world.all("INVITE").len(), 2);
}

#[test]
fn of_several_contacts_the_one_wanted_most_is_called() {
    let contacts = "Contact: <tel:+15551110000>, <sip:+15551110001@192.0.2.21>;q=0.7\r\n\
                    Contact: \"a, b\" <sip:+15551110002@192.0.2.22;q=1>;q=0.85\r\n\
                    Contact: sip:+15551110003@192.0.2.23;q=0.85, <sip:+44@192.0.2.24>\r\n";
    let american = || Options { allowed_destinations: Some(vec!["+1".into()]), ..Options::default() };
    for (options, expected) in [(american(), 22), (Options::default(), 24)] {
        let (world, _, followed) = redirected(options, contacts);
        assert!(followed);
        assert_eq!(world.last("INVITE").flow.remote, target(expected));
    }
    let (mut world, asked, followed) = redirected(american(), contacts);
    assert!(followed);
    // Nobody there: the next one, until one says that nobody takes it anywhere.
    for (expected, answer) in [(22, "486 Busy Here"), (23, "404 Not Found"), (21, "603 Decline")] {
        let invite = world.last("INVITE");
        assert_eq!(invite.flow.remote, target(expected));
        world.answer(&invite, answer, "", "");
    }
    assert_eq!(world.error(asked).sip_status.unwrap().code, 603);
    let (mut world, asked, _) = redirected(american(), contacts);
    let invite = world.last("INVITE");
    world.answer(&invite, "600 Busy Everywhere", "", "");
    assert_eq!(world.error(asked).sip_status.unwrap().code, 600);
    assert_eq!(world.all("INVITE").len(), 2);
    let (world, asked, followed) = redirected(american(), "Contact: <sip:+44@192.0.2.24>, <tel:+15551110000>\r\n");
    assert!(!followed);
    assert_eq!(world.error(asked).sip_status.unwrap().code, 302);
}
