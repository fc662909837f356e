//! A call takes the place of another (RFC 3891).

use crate::{
    phone::{OFFER, Phone, world},
    world::World,
};
use trunkline_routing::record::Options;
use trunkline_types::EndReason;

fn replaces(phone: &Phone) -> String {
    format!("Replaces: {};to-tag={};from-tag=far\r\n", phone.call_id, phone.to_tag)
}

fn pair() -> (World, Phone) {
    let mut world = world(Options::default());
    let phone = Phone::call(&mut world, "c", "");
    (world, phone)
}

#[test]
fn the_participant_stays_and_its_telephone_is_another() {
    let (mut world, old) = pair();
    let before = world.caller();
    let headers = replaces(&old);
    let new = Phone::call(&mut world, "d", &headers);
    old.ok(&mut world, "BYE");
    let after = world.caller();
    assert_eq!((&after.sid, &after.identity), (&before.sid, &before.identity));
    assert_ne!(after.attributes["sip.callID"], before.attributes["sip.callID"]);
    assert_eq!(after.tracks.len(), 1);
    assert_ne!(after.tracks[0].sid, before.tracks[0].sid);
    assert!(!world.webhooks.iter().any(|(event, _)| *event == "participant_left"));
    let ended: Vec<_> = world.records.iter().filter_map(|r| r.ending.clone()).collect();
    assert_eq!(ended.last().map(|ending| ending.reason), Some(EndReason::Replaced));
    assert!(new.got(&world, "BYE").is_empty());
    assert_eq!(world.participants().len(), 1);
}

#[test]
fn what_does_not_fit_is_refused() {
    let (mut world, old) = pair();
    let mut refusal = |n: u32, headers: &str| {
        let answer = Phone::new(&format!("x{n}")).invite(&mut world, headers, OFFER);
        answer.get(8..11).unwrap_or_default().to_owned()
    };
    assert_eq!(refusal(1, "Replaces: nobody;to-tag=a;from-tag=b\r\n"), "481");
    assert_eq!(refusal(2, "Replaces: c;to-tag=a\r\n"), "400");
    let early = replaces(&old).replace("from-tag=far", "from-tag=far;early-only");
    assert_eq!(refusal(3, &early), "486");
    let twice = replaces(&old) + "Replaces: c;to-tag=a;from-tag=b\r\n";
    assert_eq!(refusal(4, &twice), "400");
    assert_eq!(world.participants().len(), 1);
    assert!(old.got(&world, "BYE").is_empty());
}
