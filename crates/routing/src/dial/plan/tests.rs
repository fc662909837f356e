use super::*;
use crate::{
    RefusalKind, Settings,
    dial::{NamedTarget, Target, TargetParts},
};

fn directory(inline: &[&str]) -> Directory {
    let inline_trunk_hosts = inline.iter().map(|host| (*host).to_owned()).collect();
    Directory::new(Settings { inline_trunk_hosts, ..Settings::default() })
}

fn stored(directory: &mut Directory, trunk: OutboundTrunk) -> String {
    let numbers = if trunk.numbers.is_empty() { vec!["+15550100".to_owned()] } else { trunk.numbers.clone() };
    let trunk = OutboundTrunk { numbers, ..trunk };
    directory.create_outbound(trunk, &mut Random::from_number(1), 0).unwrap().id.to_string()
}

fn at(address: &str) -> OutboundTrunk {
    OutboundTrunk { address: address.into(), ..OutboundTrunk::default() }
}

fn to(trunk_id: &str) -> Dial {
    Dial { trunk_id: trunk_id.into(), call_to: "+4930123".into(), ..Dial::default() }
}

fn plan(directory: &Directory, dial: &Dial) -> Result<DialPlan, Refusal> {
    directory.plan_dial(dial, &mut Random::from_number(7))
}

#[test]
fn addresses_come_of_number_and_trunk() {
    let mut held = directory(&[]);
    for (address, transport, uri) in [
        ("sip.example.com", 0, "sip:+4930123@sip.example.com"),
        ("sip.example.com:5080", 1, "sip:+4930123@sip.example.com:5080;transport=udp"),
        ("10.0.0.1", 2, "sip:+4930123@10.0.0.1;transport=tcp"),
        ("[2001:db8::1]:5061", 3, "sip:+4930123@[2001:db8::1]:5061;transport=tls"),
        ("2001:db8::1", 0, "sip:+4930123@[2001:db8::1]"),
    ] {
        let id = stored(&mut held, OutboundTrunk { transport, ..at(address) });
        let plan = plan(&held, &to(&id)).unwrap();
        assert_eq!(plan.request_uri, uri);
        assert_eq!(plan.to, format!("<{uri}>"));
        assert_eq!(plan.next_hop, uri);
        assert!(plan.own_peer && plan.routes.is_empty());
        let wanted = with_transport("sip:+15550100@{host}", transport_name(transport));
        assert_eq!(plan.from, format!("\"+15550100\" <{wanted}>"));
    }
}

#[test]
fn from_is_named_as_the_request_says() {
    let mut held = directory(&[]);
    let id = stored(&mut held, OutboundTrunk { from_host: "us.example.com".into(), ..at("a.example") });
    let from = |display: Option<&str>, number: &str| {
        let dial = Dial { display_name: display.map(Into::into), number: number.into(), ..to(&id) };
        plan(&held, &dial).unwrap().from
    };
    assert_eq!(from(None, ""), "\"+15550100\" <sip:+15550100@us.example.com>");
    assert_eq!(from(Some(""), "100"), "<sip:100@us.example.com>");
    assert_eq!(from(Some("Jane \\\"J\\\""), "100"), "\"Jane \\\"J\\\"\" <sip:100@us.example.com>");
    let header = NamedTarget {
        display_name: "Desk".into(),
        uri: Target::Values(TargetParts { user: "7".into(), host: "h".into(), ..TargetParts::default() }),
    };
    let planned = plan(&held, &Dial { from_header: Some(header), ..to(&id) }).unwrap();
    assert_eq!((planned.from.as_str(), planned.number.as_str()), ("\"Desk\" <sip:7@h>", "7"));
}

#[test]
fn a_number_of_the_trunk_is_chosen_by_chance_and_twilio_gets_its_plus() {
    let mut held = directory(&[]);
    let numbers = vec!["*".to_owned(), "100".into(), "101".into(), "102".into()];
    let id = stored(&mut held, OutboundTrunk { numbers, ..at("acme.pstn.twilio.com") });
    let mut random = Random::from_number(3);
    let seen: std::collections::BTreeSet<_> =
        (0..100).map(|_| held.plan_dial(&to(&id), &mut random).unwrap().number).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["+100", "+101", "+102"]);
    let id = stored(&mut held, OutboundTrunk { numbers: vec!["*".into()], ..at("a.example") });
    assert_eq!(plan(&held, &to(&id)).unwrap_err().kind, RefusalKind::FailedPrecondition);
}

#[test]
fn routes_of_the_request_come_before_the_trunks() {
    let mut held = directory(&[]);
    let id = stored(&mut held, OutboundTrunk { transport: 2, ..at("far.example") });
    let options = Options {
        outbound_proxy: Some("proxy.example:5070".into()),
        routes: Some(vec!["<sip:edge.example;lr>".into()]),
        ..Options::default()
    };
    held.set_trunk_options(TrunkId::from(id.as_str()), options);
    let own = plan(&held, &to(&id)).unwrap();
    assert_eq!(own.routes, ["<sip:proxy.example:5070;lr>", "<sip:edge.example;lr>"]);
    assert_eq!(own.next_hop, "sip:proxy.example:5070;lr;transport=tcp");
    assert!(own.own_peer);
    let headers = BTreeMap::from([("Route".to_owned(), "<sip:10.1.1.1;lr;transport=udp>".to_owned())]);
    let given = plan(&held, &Dial { headers, ..to(&id) }).unwrap();
    assert_eq!(given.routes.first().unwrap(), "<sip:10.1.1.1;lr;transport=udp>");
    assert_eq!((given.next_hop.as_str(), given.own_peer), ("sip:10.1.1.1;lr;transport=udp", false));
    assert!(given.headers.is_empty(), "Route is no custom header");
}

#[test]
fn to_and_the_request_uri_can_be_given() {
    let mut held = directory(&[]);
    let id = stored(&mut held, at("far.example"));
    let other = plan(&held, &Dial { to_user_override: "desk".into(), ..to(&id) }).unwrap();
    assert_eq!((other.to.as_str(), other.request_uri.as_str()), ("<sip:desk@far.example>", "sip:+4930123@far.example"));
    let tel = Dial { request_uri: Some(Target::Raw("<tel:+4930123;ext=5>".into())), ..to(&id) };
    let tel = plan(&held, &tel).unwrap();
    assert_eq!((tel.request_uri.as_str(), tel.next_hop.as_str()), ("tel:+4930123;ext=5", "sip:far.example"));
    assert!(tel.own_peer);
    let away = Dial { request_uri: Some(Target::Raw("sip:1@elsewhere.example".into())), ..to(&id) };
    assert!(!plan(&held, &away).unwrap().own_peer, "credentials stay with the trunk");
    let header = NamedTarget { display_name: String::new(), uri: Target::Raw("sip:+49@x.example".into()) };
    let both = Dial { to_header: Some(header.clone()), ..to(&id) };
    assert_eq!(plan(&held, &both).unwrap_err().field, "sip_to_header");
    let alone = Dial { call_to: String::new(), ..both };
    let alone = plan(&held, &alone).unwrap();
    assert_eq!((alone.called.as_str(), alone.to.as_str()), ("+49", "<sip:+49@x.example>"));
    assert_eq!(alone.request_uri, "sip:+49@far.example");
}

#[test]
fn an_empty_install_dials_nowhere() {
    let inline = |host: &str| Dial {
        trunk: Some(Box::new(at(host))),
        call_to: "1".into(),
        number: "2".into(),
        ..Dial::default()
    };
    let refusal = plan(&directory(&[]), &inline("sip.example.com")).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::PermissionDenied);
    assert!(refusal.message.contains("outbound.inline_trunks"), "{}", refusal.message);
    let listed = directory(&["*.example.com"]);
    assert!(plan(&listed, &inline("sip.example.com:5070")).unwrap().own_peer);
    assert!(plan(&listed, &inline("sip.example.org")).is_err());
    let headers = BTreeMap::from([("Route".to_owned(), "<sip:sip.example.org;lr>".to_owned())]);
    assert!(plan(&listed, &Dial { headers, ..inline("sip.example.com") }).is_err(), "nor by a route");
    let request_uri = Some(Target::Raw("sip:1@sip.example.org".into()));
    assert!(plan(&listed, &Dial { request_uri, ..inline("sip.example.com") }).is_err(), "nor by a URI");
}

#[test]
fn the_stored_trunk_wins_and_has_to_exist() {
    let mut held = directory(&[]);
    let id = stored(&mut held, at("stored.example"));
    let inline = OutboundTrunk { from_host: "inline.example".into(), ..at("other.example") };
    let planned = plan(&held, &Dial { trunk: Some(Box::new(inline)), ..to(&id) }).unwrap();
    assert_eq!(planned.trunk.address, "stored.example");
    assert!(planned.from.contains("@inline.example"), "{}", planned.from);
    assert_eq!(plan(&held, &to("ST_none")).unwrap_err().kind, RefusalKind::NotFound);
    let by_number = Dial { number: "15550100".into(), ..to("") };
    assert_eq!(plan(&held, &by_number).unwrap().trunk.address, "stored.example");
    let unknown = Dial { number: "999".into(), ..to("") };
    assert_eq!(plan(&held, &unknown).unwrap_err().kind, RefusalKind::FailedPrecondition);
}

#[test]
fn destinations_are_allowed_by_what_they_begin_with() {
    let mut held = directory(&[]);
    let id = stored(&mut held, at("far.example"));
    let options = Options { allowed_destinations: Some(vec!["+49".into(), "1".into()]), ..Options::default() };
    held.set_trunk_options(TrunkId::from(id.as_str()), options);
    for (called, fine) in [("+4930123", true), ("49 30", true), ("+1555", true), ("+44", false), ("sales", false)] {
        let result = plan(&held, &Dial { call_to: called.replace(' ', ""), ..to(&id) });
        assert_eq!(result.is_ok(), fine, "{called}");
        assert!(result.err().is_none_or(|r| r.kind == RefusalKind::PermissionDenied));
    }
    let around = Dial { request_uri: Some(Target::Raw("sip:+44@far.example".into())), ..to(&id) };
    assert!(plan(&held, &around).is_err(), "the Request-URI counts as well");
}

#[test]
fn what_cannot_stand_in_a_message_is_refused_by_name() {
    let mut held = directory(&[]);
    let id = stored(&mut held, at("far.example"));
    for bad in ["1\r\nX: y", "1\0", "1\n2", "a@b", "1 2", "<1>"] {
        let field = |dial: Dial| plan(&held, &dial).unwrap_err().field;
        assert_eq!(field(Dial { call_to: bad.into(), ..to(&id) }), "sip_call_to", "{bad:?}");
        assert_eq!(field(Dial { number: bad.into(), ..to(&id) }), "sip_number", "{bad:?}");
        assert_eq!(field(Dial { to_user_override: bad.into(), ..to(&id) }), "to_user_override", "{bad:?}");
        let raw = Some(Target::Raw(format!("sip:{bad}@@h")));
        assert_eq!(field(Dial { request_uri: raw, ..to(&id) }).as_str(), "sip_request_uri", "{bad:?}");
    }
    for bad in ["a\r\nb", "a\"b", "\0"] {
        let dial = Dial { display_name: Some(bad.into()), ..to(&id) };
        assert_eq!(plan(&held, &dial).unwrap_err().field, "display_name", "{bad:?}");
    }
    let long = "x".repeat(trunkline_types::limits::DISPLAY_NAME_BYTES + 1);
    assert!(plan(&held, &Dial { display_name: Some(long), ..to(&id) }).is_err());
    assert!(plan(&held, &Dial { destination_country: "us".into(), ..to(&id) }).is_err());
}

#[test]
fn media_of_the_request_is_laid_over_the_trunks() {
    use crate::record::MediaEncryption::{SipMediaEncryptAllow, SipMediaEncryptDisable};
    let mut held = directory(&[]);
    let media = Some(MediaConfig { encryption: Some(SipMediaEncryptAllow), ..MediaConfig::default() });
    let id = stored(&mut held, OutboundTrunk { media, ..at("far.example") });
    let plan = plan(&held, &to(&id)).unwrap();
    let over = MediaConfig { encryption: Some(SipMediaEncryptDisable), ..MediaConfig::default() };
    assert_eq!(plan.media(Some(&over)).encryption, Some(SipMediaEncryptAllow));
    assert_eq!(plan.media(None).encryption, Some(SipMediaEncryptAllow));
}
