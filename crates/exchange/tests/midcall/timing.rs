//! Session timers.

use crate::{
    phone::{OFFER, Phone, header, world},
    world::World,
};
use std::time::Duration;
use trunkline_routing::record::Options;
use trunkline_types::EndReason;

const ALLOWS: &str = "Allow: INVITE, ACK, BYE, UPDATE\r\n";

fn session_expires(text: &str) -> String {
    header(text, "Session-Expires").unwrap_or_default()
}

/// Fifteen minutes, one second at a time; each request of ours is answered.
fn live(world: &mut World, phone: &Phone, method: &str, seconds: u64, headers: &str) -> usize {
    let mut answered = phone.got(world, method).len();
    let first = answered;
    for _ in 0..seconds {
        world.wait(Duration::from_secs(1));
        let all = phone.got(world, method);
        if all.len() > answered {
            answered = all.len();
            let sdp = (method == "INVITE").then_some(OFFER);
            phone.answer(world, &all[answered - 1], "200 OK", headers, sdp);
        }
    }
    answered - first
}

#[test]
fn we_refresh_by_update_over_15_minutes() {
    let mut world = world(Options::default());
    let asked = format!("{ALLOWS}Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n");
    let phone = Phone::call(&mut world, "c", &asked);
    let refreshes = live(&mut world, &phone, "UPDATE", 900, "Session-Expires: 90;refresher=uac\r\n");
    assert!((18..=20).contains(&refreshes), "{refreshes}");
    assert!(session_expires(&phone.last(&world, "UPDATE")).contains("90;refresher=uac"));
    assert!(phone.got(&world, "BYE").is_empty() && phone.got(&world, "INVITE").is_empty());
}

#[test]
fn we_refresh_by_reinvite_where_update_is_not_known() {
    let mut world = world(Options::default());
    let phone = Phone::call(&mut world, "c", "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n");
    let refreshes = live(&mut world, &phone, "INVITE", 900, "Session-Expires: 90;refresher=uac\r\n");
    assert!((18..=20).contains(&refreshes), "{refreshes}");
    assert!(phone.got(&world, "BYE").is_empty());
    assert_eq!(world.attribute("trunkline.hold"), None);
}

#[test]
fn update_that_is_refused_after_all_is_replaced_by_reinvite() {
    let mut world = world(Options::default());
    let asked = format!("{ALLOWS}Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n");
    let phone = Phone::call(&mut world, "c", &asked);
    world.wait(Duration::from_secs(46));
    let update = phone.last(&world, "UPDATE");
    phone.answer(&mut world, &update, "501 Not Implemented", "", None);
    let invite = phone.last(&world, "INVITE");
    phone.answer(&mut world, &invite, "200 OK", "Session-Expires: 90;refresher=uac\r\n", Some(OFFER));
    world.wait(Duration::from_secs(46));
    assert_eq!((phone.got(&world, "UPDATE").len(), phone.got(&world, "INVITE").len()), (1, 2));
}

#[test]
fn the_far_end_refreshes_or_the_call_ends() {
    let mut world = world(Options::default());
    let asked = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    let mut phone = Phone::new("c");
    let answer = phone.invite(&mut world, asked, OFFER);
    assert_eq!(session_expires(&answer), "90;refresher=uac");
    assert_eq!(header(&answer, "Require").as_deref(), Some("timer"));
    for round in 0..20 {
        world.wait(Duration::from_secs(45));
        let answer = match round % 2 {
            0 => phone.request(&mut world, "UPDATE", asked, None),
            _ => phone.invite(&mut world, asked, OFFER),
        };
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        assert_eq!(session_expires(&answer), "90;refresher=uac");
    }
    assert!(phone.got(&world, "BYE").is_empty());
    world.wait(Duration::from_secs(59));
    assert!(phone.got(&world, "BYE").is_empty());
    world.wait(Duration::from_secs(2));
    phone.ok(&mut world, "BYE");
    assert_eq!(world.record().ending.unwrap().reason, EndReason::SessionExpired);
    world.assert_over();
}

#[test]
fn our_own_interval_is_asked_of_who_can() {
    for (options, headers, wanted) in [
        (Options::default(), "Supported: timer\r\n", "1800;refresher=uac"),
        (Options { session_expires: Some(0), ..Options::default() }, "Supported: timer\r\n", ""),
        (Options { session_expires: Some(600), ..Options::default() }, "k: timer\r\nx: 3600\r\n", "600;refresher=uac"),
        (Options::default(), "", ""),
    ] {
        let mut world = world(options);
        let answer = Phone::new("c").invite(&mut world, headers, OFFER);
        assert_eq!(session_expires(&answer), wanted, "{headers}");
    }
}

#[test]
fn too_short_an_interval_is_refused() {
    let mut world = world(Options::default());
    let mut phone = Phone::new("c");
    let answer = phone.invite(&mut world, "Supported: timer\r\nSession-Expires: 60\r\n", OFFER);
    assert!(answer.starts_with("SIP/2.0 422"), "{answer}");
    assert_eq!(header(&answer, "Min-SE").as_deref(), Some("90"));
    let mut phone = Phone::call(&mut world, "d", "");
    let answer = phone.request(&mut world, "UPDATE", "Supported: timer\r\nSession-Expires: 60\r\n", None);
    assert!(answer.starts_with("SIP/2.0 422") && answer.contains("Min-SE: 90"), "{answer}");
}

#[test]
fn who_has_forgotten_the_call_is_hung_up_on() {
    let mut world = world(Options::default());
    let asked = format!("{ALLOWS}Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n");
    let phone = Phone::call(&mut world, "c", &asked);
    world.wait(Duration::from_secs(46));
    let update = phone.last(&world, "UPDATE");
    phone.answer(&mut world, &update, "481 Gone", "", None);
    phone.ok(&mut world, "BYE");
    assert_eq!(world.record().ending.unwrap().reason, EndReason::SessionExpired);
}
