//! The DNS, with a server under the test's control.

use crate::fixture::soon;
use hickory_resolver::proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{
        Name, RData, Record,
        rdata::{A, AAAA, NAPTR, SRV},
    },
};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::{net::UdpSocket, task::JoinHandle};
use trunkline_sip::{
    flow::Protocol,
    locate::{Query, Records},
};
use trunkline_transport::Resolver;

struct Zone {
    resolver: Resolver,
    server: JoinHandle<()>,
}

impl Drop for Zone {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).expect("a name");
    name.set_fqdn(true);
    name
}

/// A server that knows these records; what is not there at all does not exist.
async fn zone(records: Vec<(&'static str, RData)>) -> Zone {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let address = socket.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
            let Some(query) = question.queries.first().cloned() else { continue };
            let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
            answer.add_query(query.clone());
            answer.metadata.recursion_available = true;
            let here: Vec<_> = records.iter().filter(|(n, _)| name(n) == query.name).collect();
            if here.is_empty() {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            for (_, data) in here.into_iter().filter(|(_, data)| data.record_type() == query.query_type) {
                answer.add_answer(Record::from_rdata(query.name.clone(), 60, data.clone()));
            }
            let _ = socket.send_to(&answer.to_vec().expect("an answer"), from).await;
        }
    });
    Zone { resolver: Resolver::new(&[address]), server }
}

fn query(host: &str) -> Query {
    Query { host: host.into(), port: None, protocol: None, secure: false }
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, weight, port, name(target)))
}

fn a(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(192, 0, 2, last)))
}

fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> RData {
    let text = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    RData::NAPTR(NAPTR::new(order, preference, text("s"), text(service), text(""), name(replacement)))
}

/// Protocol, order and preference of NAPTR, priority, weight, name and addresses.
type Found = (Protocol, (u16, u16), u16, u16, String);

fn found(records: &Records) -> Vec<Found> {
    let one = |s: &trunkline_sip::locate::Server| {
        (s.protocol, s.naptr, s.priority, s.weight, format!("{} {:?}", s.host, s.addresses))
    };
    records.servers.iter().map(one).collect()
}

#[tokio::test]
async fn naptr_leads_to_srv_and_srv_to_addresses() {
    let zone = zone(vec![
        ("example.com", naptr(20, 0, "SIP+D2U", "_sip._udp.example.com")),
        ("example.com", naptr(10, 0, "SIPS+D2T", "_sips._tcp.example.com")),
        ("example.com", naptr(5, 0, "E2U+sip", "nowhere.example.com")),
        ("_sips._tcp.example.com", srv(1, 0, 5061, "tls.example.com")),
        ("_sip._udp.example.com", srv(2, 7, 5070, "two.example.com")),
        ("_sip._udp.example.com", srv(1, 3, 5060, "one.example.com")),
        ("_sip._udp.example.com", srv(1, 3, 5060, "dead.example.com")),
        ("tls.example.com", a(9)),
        ("one.example.com", a(1)),
        ("one.example.com", RData::AAAA(AAAA("2001:db8::1".parse().expect("an address")))),
        ("two.example.com", a(2)),
    ])
    .await;
    let records = soon(zone.resolver.resolve(&query("example.com"))).await.expect("an answer");
    let wanted = [
        (Protocol::Tls, (10, 0), 1, 0, "tls.example.com [192.0.2.9:5061]".to_owned()),
        (Protocol::Udp, (20, 0), 1, 3, "one.example.com [192.0.2.1:5060, [2001:db8::1]:5060]".to_owned()),
        (Protocol::Udp, (20, 0), 2, 7, "two.example.com [192.0.2.2:5070]".to_owned()),
    ];
    assert_eq!(found(&records), wanted);
    let secure = Query { secure: true, ..query("example.com") };
    let records = soon(zone.resolver.resolve(&secure)).await.expect("an answer");
    assert_eq!(found(&records), wanted[..1]);
}

#[tokio::test]
async fn a_protocol_goes_without_naptr_and_a_port_without_srv() {
    let zone = zone(vec![
        ("example.com", naptr(10, 0, "SIP+D2U", "_sip._udp.example.com")),
        ("_sip._udp.example.com", srv(1, 0, 5060, "udp.example.com")),
        ("_sip._tcp.example.com", srv(1, 0, 5080, "tcp.example.com")),
        ("udp.example.com", a(1)),
        ("tcp.example.com", a(2)),
        ("example.com", a(3)),
        ("plain.example.com", a(4)),
        ("off.example.com", a(5)),
        ("_sip._udp.off.example.com", srv(0, 0, 0, ".")),
    ])
    .await;
    let ask = async |query: Query| soon(zone.resolver.resolve(&query)).await.expect("an answer");
    let tcp = ask(Query { protocol: Some(Protocol::Tcp), ..query("example.com") }).await;
    assert_eq!(found(&tcp), [(Protocol::Tcp, (0, 0), 1, 0, "tcp.example.com [192.0.2.2:5080]".to_owned())]);
    let addresses = |records: Records| records.addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>();
    assert_eq!(addresses(ask(Query { port: Some(5099), ..query("Example.COM.") }).await), ["192.0.2.3:5099"]);
    assert_eq!(addresses(ask(query("plain.example.com")).await), ["192.0.2.4:5060"]);
    assert_eq!(addresses(ask(Query { secure: true, ..query("plain.example.com") }).await), ["192.0.2.4:5061"]);
    assert_eq!(addresses(ask(query("off.example.com")).await), ["192.0.2.5:5060"]);
}

#[tokio::test]
async fn no_answer_names_the_host() {
    let zone = zone(vec![("empty.example.com", srv(0, 0, 1, "x.example.com"))]).await;
    for host in ["none.example.com", "empty.example.com", "a..b", &"x".repeat(70)] {
        let why = soon(zone.resolver.resolve(&query(host))).await.expect_err(host);
        assert!(why.contains(host), "{why}");
    }
}

#[tokio::test]
async fn an_address_is_not_asked_for() {
    let nobody = Resolver::new(&["127.0.0.1:9".parse().expect("an address")]);
    let tls = Query { protocol: Some(Protocol::Tls), ..query("2001:db8::1") };
    for (query, wanted) in [(query("192.0.2.1"), "192.0.2.1:5060"), (tls, "[2001:db8::1]:5061")] {
        let records = soon(nobody.resolve(&query)).await.expect("an answer");
        assert_eq!(records.addresses, [wanted.parse::<SocketAddr>().expect("an address")]);
    }
}

#[tokio::test]
async fn an_answer_of_any_size_leads_to_a_bounded_number_of_servers() {
    let many = (0..20).map(|n| ("_sip._udp.many.example.com", srv(n, 0, 5060, "s.example.com")));
    let zone = zone(many.chain([("s.example.com", a(1))]).collect()).await;
    let query = Query { protocol: Some(Protocol::Udp), ..query("many.example.com") };
    let records = soon(zone.resolver.resolve(&query)).await.expect("an answer");
    assert_eq!(records.servers.len(), trunkline_types::limits::TARGETS);
    assert_eq!(records.servers.last().map(|s| s.priority), Some(15));
}
